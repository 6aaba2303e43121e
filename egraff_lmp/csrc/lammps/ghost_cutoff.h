// The ghost cutoff that halos need, beside the one that a deck asks for.

#pragma once

namespace LAMMPS_NS {
class LAMMPS;
}

namespace egraff {

// LAMMPS has one number for both, Comm::cutghostuser, which `comm_modify cutoff` sets at any time and
// restart files keep. Pair styles raise it through this class, which remembers what the deck asked
// for and puts that back when the last of them needs no more.
struct GhostCutoff {
  double user = 0.0;      // A; what the deck asked for
  double raised = 0.0;    // A; what Comm was told

  // `style` needs ghosts as far as `reach` (A) from now on; 0: no further than its neighbour list.
  static void require(LAMMPS_NS::LAMMPS *lmp, const void *style, double reach);

  // What is in force, for a restart file, and its way back.
  static GhostCutoff current(LAMMPS_NS::LAMMPS *lmp);
  static void restore(LAMMPS_NS::LAMMPS *lmp, const void *style, const GhostCutoff &kept);
};

}    // namespace egraff
