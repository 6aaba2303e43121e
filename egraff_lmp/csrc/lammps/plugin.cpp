// Registers pair_style egraff when LAMMPS loads this library from LAMMPS_PLUGIN_PATH.

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
  void *(*creator)(void *);
  void *handle;
};
using Register = void (*)(Registration *, void *);

// LAMMPS only warns of a plugin built for another version; calling into classes of another layout
// would crash without a word.
void *create(void *pointer)
{
  auto *lmp = static_cast<LAMMPS *>(pointer);
  if (lmp->num_ver != LAMMPS_BUILD_NUMBER)
    lmp->error->all(FLERR,
                    "pair_style egraff: expected LAMMPS {}, for which the plugin was built, got {} "
                    "({}): rebuild egraff_lmp against this LAMMPS, or run 'egraff doctor'",
                    LAMMPS_BUILD_NUMBER, lmp->num_ver, lmp->version);
  return new PairEgraff(lmp);
}

}    // namespace

extern "C" __attribute__((visibility("default"))) void lammpsplugin_init(void *lmp, void *handle,
                                                                         void *registrar)
{
  Registration plugin{};
  plugin.version = static_cast<LAMMPS *>(lmp)->version;    // checked in create()
  plugin.style = "pair";
  plugin.name = "egraff";
  plugin.info = "equivariant graph-neural-network force fields";
  plugin.author = "the egraff_lmp developers";
  plugin.creator = create;
  plugin.handle = handle;
  reinterpret_cast<Register>(registrar)(&plugin, lmp);
}
