// Which of the pair styles of other packages this plugin provides: nequip, allegro and mace may be
// there already, in a LAMMPS that was built with them or from a plugin of their authors.

#pragma once

#include <string>
#include <vector>

namespace LAMMPS_NS {
class LAMMPS;
}

namespace egraff {

// Of `names` those to be registered. Without the environment variable EGRAFF_PAIR_STYLES of rank 0 these are
// the ones that LAMMPS does not have yet; with it, the ones that it lists ("nequip,mace"; "egraff"
// or "none" for no style of another package), whatever LAMMPS has. Rank 0 prints one line about
// styles that are left alone. `own` are the creators of this library: what it registered
// itself is no one else's.
std::vector<std::string> styles_to_register(LAMMPS_NS::LAMMPS *lmp,
                                            const std::vector<std::string> &names,
                                            const std::vector<void *> &own);

}    // namespace egraff
