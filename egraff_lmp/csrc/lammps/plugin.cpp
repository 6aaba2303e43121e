// Registers pair_style egraff and compute egraff/atom when LAMMPS loads this library from
// LAMMPS_PLUGIN_PATH.

#include "compute_egraff_atom.h"
#include "pair_egraff.h"

#include "error.h"
#include "lammps.h"

#include <string>

using namespace LAMMPS_NS;

namespace {

// LAMMPS' plugin interface (documented under "Writing plugins"). Declared here because the wheel
// does not ship its header.
struct Registration {
  const char *version;
  const char *style;
  const char *name;
  const char *info;
  const char *author;
  void *creator;    // of pair styles: (LAMMPS *), of computes: (LAMMPS *, int, char **)
  void *handle;
};
using Register = void (*)(Registration *, void *);

// LAMMPS only warns of a plugin built for another version; calling into classes of another layout
// would crash without a word.
void require_same_version(LAMMPS *lmp)
{
  if (lmp->num_ver != LAMMPS_BUILD_NUMBER)
    lmp->error->all(FLERR,
                    "pair_style egraff: expected LAMMPS {}, for which the plugin was built, got {} "
                    "({}): rebuild egraff_lmp against this LAMMPS, or run 'egraff doctor'",
                    LAMMPS_BUILD_NUMBER, lmp->num_ver, lmp->version);
}

Pair *create_pair(LAMMPS *lmp)
{
  require_same_version(lmp);
  return new PairEgraff(lmp);
}

Compute *create_compute(LAMMPS *lmp, int narg, char **arg)
{
  require_same_version(lmp);
  return new ComputeEgraffAtom(lmp, narg, arg);
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle,
                                                                         void *registrar)
{
  const auto add = reinterpret_cast<Register>(registrar);
  Registration plugin{};
  plugin.version = static_cast<LAMMPS *>(lmp)->version;    // checked on creation
  plugin.author = "the egraff_lmp developers";
  plugin.handle = handle;

  plugin.style = "pair";
  plugin.name = "egraff";
  plugin.info = "equivariant graph-neural-network force fields";
  plugin.creator = reinterpret_cast<void *>(&create_pair);
  add(&plugin, lmp);

  plugin.style = "compute";
  plugin.name = "egraff/atom";
  plugin.info = "per-atom results of pair_style egraff";
  plugin.creator = reinterpret_cast<void *>(&create_compute);
  add(&plugin, lmp);
}
