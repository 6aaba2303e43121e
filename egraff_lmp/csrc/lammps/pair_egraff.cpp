#include "pair_egraff.h"

#include "edge_forces.h"
#include "ghost_cutoff.h"
#include "pair_egraff_state.h"
#include "sha256.h"

#include "atom.h"
#include "citeme.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "group.h"
#include "memory.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "platform.h"
#include "update.h"
#include "utils.h"

#include <algorithm>
#include <cstring>
#include <utility>

using namespace LAMMPS_NS;

namespace {

// Flags of Neighbor::add_request(); LAMMPS' own header for them is not installed.
constexpr int REQUEST_FULL = NeighConst::REQ_FULL;
constexpr int REQUEST_HALO = NeighConst::REQ_FULL | NeighConst::REQ_GHOST;

}    // namespace

PairEgraff::PairEgraff(LAMMPS *lmp, const egraff::Style &style) :
    Pair(lmp), state_(std::make_unique<State>(lmp, this, style))
{
  single_enable = 0;
  restartinfo = 1;
  one_coeff = 1;
  manybody_flag = 1;
  no_virial_fdotr_compute = 1;    // the virial is summed from edges
  centroidstressflag = CENTROID_AVAIL;
}

PairEgraff::~PairEgraff()
{
  egraff::GhostCutoff::require(lmp, this, 0.0);
  if (allocated) {
    memory->destroy(setflag);
    memory->destroy(cutsq);
    memory->destroy(cutghost);
  }
}

void PairEgraff::allocate()
{
  allocated = 1;
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  memory->create(cutghost, n, n, "pair:cutghost");
}

void PairEgraff::settings(int narg, char **arg)
{
  state_->settings =
      egraff::parse_settings(lmp, state_->style, std::vector<std::string>(arg, arg + narg));
  // Device and threads are claimed with the models: pair_coeff comes again, too.
  state_->members.clear();
  state_->restored = {};
}

bool PairEgraff::is_file(const std::string &word)
{
  int found = 0;
  if (comm->me == 0) found = platform::file_is_readable(word);
  MPI_Bcast(&found, 1, MPI_INT, 0, world);
  return found || word.find_first_of("./") != std::string::npos;
}

std::string PairEgraff::coeff_syntax() const
{
  return fmt::format("write 'pair_coeff * * {} Element1 Element2 ...', one element per atom type",
                     state_->style.is_foreign() ? "file" : "model.pt");
}

void PairEgraff::coeff(int narg, char **arg)
{
  const std::string syntax = coeff_syntax();
  if (narg < 2 || std::strcmp(arg[0], "*") != 0 || std::strcmp(arg[1], "*") != 0)
    error->all(FLERR, "pair_coeff {}: expected '* *' first, got '{} {}': {}", state_->style.name,
               narg > 0 ? arg[0] : "", narg > 1 ? arg[1] : "", syntax);
  if (narg == 2)
    error->all(
        FLERR,
        "pair_coeff {}: expected a model file and {} element(s) after '* *', got nothing: {}",
        state_->style.name, atom->ntypes, syntax);

  // More words than types: the first ones may be further files, of an ensemble.
  const int n_types = atom->ntypes;
  int n_files = 1;
  while (2 + n_files < narg - n_types && is_file(arg[2 + n_files])) ++n_files;
  use_models({arg + 2, arg + 2 + n_files}, {arg + 2 + n_files, arg + narg}, {});
}

// `elements` names that of each type; `hashes` has the SHA-256 that each file must have, or is empty.
void PairEgraff::use_models(const std::vector<std::string> &files,
                            const std::vector<std::string> &elements,
                            const std::vector<std::string> &hashes)
{
  state_->restored = {};
  load_members(files, hashes);
  state_->elements = elements;
  const int n_types = atom->ntypes;
  const auto &first = state_->members.front();
  if (static_cast<int>(state_->elements.size()) != n_types)
    error->all(
        FLERR,
        "pair_coeff {}: expected {} element(s), one per atom type, got {} ('{}'); {} knows {}",
        state_->style.name, n_types, state_->elements.size(), egraff::join(state_->elements),
        first.file, egraff::join(first.contract().species));
  const bool hybrid = utils::strmatch(force->pair_style, "^hybrid");
  for (int type = 1; type <= n_types && !hybrid; ++type)
    if (state_->elements[type - 1] == "NULL")
      error->all(FLERR,
                 "pair_coeff {}: expected an element for type {}, got NULL: every atom type "
                 "needs one unless pair_style hybrid gives it another style; {} knows {}",
                 state_->style.name, type, first.file, egraff::join(first.contract().species));
  for (auto &member : state_->members)
    member.species_of_type = egraff::map_species(lmp, member, state_->elements);

  auto &known = state_->seen.types;
  known.assign(n_types + 1, false);
  for (int type = 1; type <= n_types; ++type) known[type] = state_->elements[type - 1] != "NULL";
  if (std::count(known.begin(), known.end(), true) == 0)
    error->all(FLERR,
               "pair_coeff {}: expected an element for at least one type, got NULL for "
               "all of them: {}",
               state_->style.name, coeff_syntax());
  if (!allocated) allocate();
  for (int i = 1; i <= n_types; ++i)
    for (int j = i; j <= n_types; ++j) setflag[i][j] = known[i] && known[j];
}

// Nothing of a file with another hash is loaded.
void PairEgraff::load_members(const std::vector<std::string> &files,
                              const std::vector<std::string> &hashes)
{
  state_->members.clear();
  state_->quantities.clear();
  state_->table_printed = state_->checked = false;
  if (!state_->settings.sha256.empty() && state_->settings.sha256.size() != files.size())
    error->all(FLERR,
               "pair_style {}: expected one sha256 for each of {} model file(s), got {}: put "
               "commas between them, and none for a file that may be any",
               state_->style.name, files.size(), state_->settings.sha256.size());
  for (const auto &file : files) {
    bool readable = false;
    const std::string bytes = egraff::read_file(lmp, file, readable);
    if (!readable)
      error->all(FLERR, "pair_coeff {}: expected a model file, but '{}' cannot be read: {}",
                 state_->style.name, file,
                 hashes.empty() ? "check the path (relative to where lmp was started)"
                                : "the restart file names it; " + egraff::RestoredFiles::REPEAT);
    if (!hashes.empty()) {
      const std::string hash = egraff::sha256(bytes), &expected = hashes.at(state_->members.size());
      if (hash != expected)
        error->all(FLERR,
                   "pair_style {}: the restart file was written with another content of {} (sha256 "
                   "{:.12}, now {:.12}): {}",
                   state_->style.name, file, expected, hash, egraff::RestoredFiles::REPEAT);
    }
    if (!state_->settings.sha256.empty())
      egraff::require_sha256(lmp, state_->style.name, file, bytes,
                             state_->settings.sha256[state_->members.size()]);
    std::string failure;
    egraff::Member member;
    member.style = state_->style.name;
    member.file = file;
    try {
      state_->resources = egraff::claim_resources(lmp, state_->style.name, state_->settings.device,
                                                  state_->settings.threads);
      member.model = std::make_unique<egraff::DeployedModel>(
          bytes, file, state_->style.format, state_->resources.device, state_->resources.threads);
      if (state_->settings.check && member.model->has_self_test()) {
        const double difference = member.model->self_test();
        if (comm->me == 0)
          utils::logmesg(lmp,
                         "egraff: self test of {} passed, largest force difference {:.1e} eV/A\n",
                         file, difference);
      }
    } catch (const egraff::UserError &user_error) {
      failure = user_error.what();
    } catch (const std::exception &exception) {
      // Out of memory, for one: on one rank alone, too.
      failure = fmt::format("pair_coeff {}: {} could not be loaded on a rank: {}",
                            state_->style.name, file, exception.what());
    }
    if (!failure.empty() && !hashes.empty()) failure += "; " + egraff::RestoredFiles::REPEAT;
    egraff::all_or_error(lmp, failure);
    state_->members.push_back(std::move(member));
  }
  if (state_->settings.deviation.value > 0.0 && state_->members.size() < 2)
    error->all(FLERR,
               "pair_style {}: expected several model files in pair_coeff for the "
               "keyword deviation, got one",
               state_->style.name);

  // Comm sizes its buffers by these. Features of networks travel by a plan of their own.
  comm_forward = comm_reverse = comm_reverse_off = egraff::VIRIAL_COMPONENTS;
  if (lmp->citeme)
    for (const auto &member : state_->members)
      for (const auto &citation : member.contract().citations)
        lmp->citeme->add("pair_style " + state_->style.name + ", model " +
                         member.contract().architecture + ":\n\n" + citation + "\n\n");
}

double PairEgraff::r_max() const
{
  double r = 0.0;
  for (const auto &member : state_->members) r = std::max(r, member.contract().r_max);
  return r;
}

// On one rank all ghosts are images of its own atoms: files that cannot exchange need no halo there.
bool PairEgraff::folds_ghosts() const
{
  if (comm->nprocs > 1) return false;
  bool needed = false;
  for (const auto &member : state_->members) {
    if (member.can_exchange()) return false;
    needed = needed || member.needs_halo(state_->settings.exchange);
  }
  return needed;
}

int PairEgraff::halo_layers() const
{
  if (folds_ghosts()) return 0;
  int layers = 0;
  for (const auto &member : state_->members)
    if (member.needs_halo(state_->settings.exchange))
      layers = std::max(layers, member.contract().halo_layers);
  // Before the first step of a checked run the exchange is compared with a halo.
  if (state_->settings.check && !state_->checked)
    for (const auto &member : state_->members)
      if (member.can_exchange()) layers = std::max(layers, member.contract().halo_layers);
  return layers;
}

void PairEgraff::init_style()
{
  load_restored();
  if (state_->members.empty())
    error->all(FLERR, "pair_style {}: no model was loaded: a pair_coeff line is missing",
               state_->style.name);
  refuse_unsupported();
  state_->energy_unit = std::strcmp(update->unit_style, "real") == 0
                            ? utils::get_conversion_factor(utils::ENERGY, utils::METAL2REAL)
                            : 1.0;
  if (state_->settings.masses)
    for (const auto &member : state_->members) egraff::check_masses(lmp, member);
  warn_of_units();
  state_->guards.prepare(state_->style.name, state_->settings.guards, state_->members,
                         state_->elements, state_->energy_unit);
  reserve_halo();
  state_->plan.forget();
  // Under hybrid the parent copied these before the model was known; Comm sizes its buffers next.
  if (force->pair != this) {
    force->pair->comm_forward = std::max(force->pair->comm_forward, comm_forward);
    force->pair->comm_reverse = std::max(force->pair->comm_reverse, comm_reverse);
    force->pair->comm_reverse_off = std::max(force->pair->comm_reverse_off, comm_reverse_off);
    force->pair->ghostneigh = std::max(force->pair->ghostneigh, ghostneigh);
  }
  neighbor->add_request(this, halo_layers() ? REQUEST_HALO : REQUEST_FULL);
}

// Ghosts as far as a halo reaches, and the neighbours of ghosts, while the neighbour list itself
// stays at r_max.
void PairEgraff::reserve_halo()
{
  const int layers = halo_layers();
  ghostneigh = layers > 0;
  if (layers && comm->mode != Comm::SINGLE)
    error->all(FLERR,
               "pair_style {}: expected 'comm_modify mode single' for {}, got mode multi: its halo "
               "of ghost atoms needs one cutoff for all types",
               state_->style.name, halo_reason());
  if (layers && neighbor->style != Neighbor::BIN && neighbor->style != Neighbor::NSQ)
    error->all(FLERR,
               "pair_style {}: expected 'neighbor SKIN bin' (or nsq) for {}, got neighbor multi: "
               "LAMMPS has no neighbour list of ghost atoms in that style",
               state_->style.name, halo_reason());
  egraff::GhostCutoff::require(lmp, this, layers ? layers * r_max() + neighbor->skin : 0.0);
}

// What asks for a halo, in the words of the deck.
std::string PairEgraff::halo_reason() const
{
  for (const auto &member : state_->members) {
    if (!member.needs_halo(state_->settings.exchange)) continue;
    return member.can_exchange() ? "'exchange no'" : member.file + ", which exchanges no features";
  }
  return "'check yes'";
}

void PairEgraff::refuse_unsupported()
{
  const std::string units = update->unit_style;
  if (units != "metal" && units != "real")
    error->all(FLERR,
               "pair_style {}: expected 'units metal' (A, eV, ps) or 'units real' (A, "
               "kcal/mol, fs), got 'units {}'",
               state_->style.name, units);
  if (utils::strmatch(update->integrate_style, "^respa"))
    error->all(FLERR,
               "pair_style {}: expected 'run_style verlet', got respa: the energy "
               "cannot be split into inner and outer parts",
               state_->style.name);
  if (neighbor->nex_type + neighbor->nex_mol > 0 || excluded_groups() < 0)
    error->all(FLERR,
               "pair_style {}: expected no excluded pairs, got 'neigh_modify exclude': the "
               "network needs every neighbour; 'exclude group ID all' takes whole atoms out",
               state_->style.name);
  refuse_group_commands();
}

// Atoms outside of such groups are no neighbours, or no ghosts, of those inside.
void PairEgraff::refuse_group_commands()
{
  if (neighbor->includegroup)
    error->all(FLERR,
               "pair_style {}: expected no 'neigh_modify include', got group {}: the network needs "
               "every neighbour; leave the line out, and give the group to the fixes in its place",
               state_->style.name, group->names[neighbor->includegroup]);
  // LAMMPS does not tell a pair style of 'comm_modify group', which needs 'atom_modify first'.
  if (atom->firstgroupname)
    error->all(FLERR,
               "pair_style {}: expected no 'atom_modify first' (nor 'comm_modify group', which "
               "needs it), got group {}: the network needs every atom as a ghost; leave the lines "
               "out",
               state_->style.name, atom->firstgroupname);
  // Ghosts carry the groups of the last neighbour-list build, their owners those of this step.
  for (int k = 0; k < neighbor->nex_group; ++k)
    for (const int excluded : {neighbor->ex1_group[k], neighbor->ex2_group[k]})
      if (group->dynamic[excluded])
        error->all(FLERR,
                   "pair_style {}: expected a static group in 'neigh_modify exclude group', got "
                   "the dynamic group {}: its members change between neighbour-list builds",
                   state_->style.name, group->names[excluded]);
}

// The authors' own styles convert nothing: there a model of kcal/mol runs in real units as it is.
void PairEgraff::warn_of_units()
{
  if (!state_->style.is_foreign() || state_->units_warned ||
      std::strcmp(update->unit_style, "real") != 0)
    return;
  state_->units_warned = true;
  if (comm->me == 0)
    error->warning(FLERR,
                   "pair_style {}: the file does not say its units: its energies are taken for eV "
                   "and converted to kcal/mol; do not use it so if it was trained in kcal/mol",
                   state_->style.name);
}

// Group bits of atoms that `neigh_modify exclude group ID all` takes out of everything (as fix gcmc
// does for atoms on trial); -1 if other pairs are excluded.
int PairEgraff::excluded_groups() const
{
  int groups = 0;
  for (int k = 0; k < neighbor->nex_group; ++k) {
    // Group 0 is `all`. The bits in `neighbor` are not set before its init(), which comes later.
    const int first = neighbor->ex1_group[k], second = neighbor->ex2_group[k];
    if (first != 0 && second != 0) return -1;
    groups |= group->bitmask[first == 0 ? second : first];
  }
  return groups;
}

double PairEgraff::init_one(int i, int j)
{
  cutghost[i][j] = cutghost[j][i] = r_max();
  return r_max();
}

double PairEgraff::memory_usage()
{
  const auto edges =
      static_cast<double>(std::max(state_->atoms.graph.n_edges(), state_->halo.graph.n_edges()));
  double network = 0.0;
  for (const auto &member : state_->members)
    network = std::max(network, static_cast<double>(member.evaluation.peak_bytes));
  return network + edges * (6 * sizeof(double) + 2 * sizeof(int64_t));
}

void *PairEgraff::extract(const char *name, int &dim)
{
  dim = 0;
  if (std::strcmp(name, "network_seconds") == 0) return &state_->network_seconds;
  if (std::strcmp(name, "exchange_seconds") == 0)
    return const_cast<double *>(state_->rows.seconds_address());
  return nullptr;
}

int PairEgraff::pack_forward_comm(int n, int *sent, double *buffer, int, int *)
{
  return state_->rows.pack_forward(n, sent, buffer);
}

void PairEgraff::unpack_forward_comm(int n, int first, double *buffer)
{
  state_->rows.unpack_forward(n, first, buffer);
}

int PairEgraff::pack_reverse_comm(int n, int first, double *buffer)
{
  return state_->rows.pack_reverse(n, first, buffer);
}

void PairEgraff::unpack_reverse_comm(int n, int *owned, double *buffer)
{
  state_->rows.unpack_reverse(n, owned, buffer);
}
