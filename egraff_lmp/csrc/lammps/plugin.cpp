// Registers the pair styles egraff, nequip, allegro and mace, compute egraff/atom and fix
// egraff/checkpoint, when LAMMPS loads this library from LAMMPS_PLUGIN_PATH.

#include "compute_egraff_atom.h"
#include "fix_egraff_checkpoint.h"
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
  void *creator;    // of pair styles: (LAMMPS *), of others: (LAMMPS *, int, char **)
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

Pair *create(LAMMPS *lmp, const char *name, egraff::Format format)
{
  require_same_version(lmp);
  return new PairEgraff(lmp, {name, format});
}

// LAMMPS' interface tells a creator nothing but the LAMMPS instance.
Pair *create_egraff(LAMMPS *lmp)
{
  return create(lmp, "egraff", egraff::Format::CONTRACT);
}

Pair *create_nequip(LAMMPS *lmp)
{
  return create(lmp, "nequip", egraff::Format::NEQUIP);
}

Pair *create_allegro(LAMMPS *lmp)
{
  return create(lmp, "allegro", egraff::Format::ALLEGRO);
}

Pair *create_mace(LAMMPS *lmp)
{
  return create(lmp, "mace", egraff::Format::MACE);
}

Compute *create_compute(LAMMPS *lmp, int narg, char **arg)
{
  require_same_version(lmp);
  return new ComputeEgraffAtom(lmp, narg, arg);
}

Fix *create_fix(LAMMPS *lmp, int narg, char **arg)
{
  require_same_version(lmp);
  return new FixEgraffCheckpoint(lmp, narg, arg);
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
  const auto add_pair = [&](const char *name, const char *info, Pair *(*creator)(LAMMPS *)) {
    plugin.name = name;
    plugin.info = info;
    plugin.creator = reinterpret_cast<void *>(creator);
    add(&plugin, lmp);
  };
  add_pair("egraff", "equivariant graph-neural-network force fields", &create_egraff);
  add_pair("nequip", "NequIP, as exported by nequip-compile", &create_nequip);
  add_pair("allegro", "Allegro, as exported by nequip-compile", &create_allegro);
  add_pair("mace", "MACE, as exported by mace_create_lammps_model", &create_mace);

  plugin.style = "compute";
  plugin.name = "egraff/atom";
  plugin.info = "per-atom results of pair_style egraff";
  plugin.creator = reinterpret_cast<void *>(&create_compute);
  add(&plugin, lmp);

  plugin.style = "fix";
  plugin.name = "egraff/checkpoint";
  plugin.info = "restart files by wall time, and a clean end on a signal";
  plugin.creator = reinterpret_cast<void *>(&create_fix);
  add(&plugin, lmp);
}
