#include "pair_egraff.h"

#include "checks.h"
#include "model_table.h"

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
#include <cmath>
#include <cstring>
#include <new>
#include <utility>

using namespace LAMMPS_NS;

namespace {

// Flags of Neighbor::add_request(); LAMMPS' own header for them is not installed.
constexpr int REQUEST_FULL = NeighConst::REQ_FULL;
constexpr int REQUEST_HALO = NeighConst::REQ_FULL | NeighConst::REQ_GHOST;
constexpr int PER_ATOM_VIRIAL = 9;    // doubles; newton off sends them home

}    // namespace

PairEgraff::PairEgraff(LAMMPS *lmp) : Pair(lmp), rows_(lmp, this)
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
  settings_ = egraff::parse_settings(lmp, std::vector<std::string>(arg, arg + narg));
  // Device and threads are claimed with the models: pair_coeff comes again, too.
  members_.clear();
}

bool PairEgraff::is_file(const std::string &word)
{
  int found = 0;
  if (comm->me == 0) found = platform::file_is_readable(word);
  MPI_Bcast(&found, 1, MPI_INT, 0, world);
  return found || word.find_first_of("./") != std::string::npos;
}

void PairEgraff::coeff(int narg, char **arg)
{
  const std::string syntax =
      "write 'pair_coeff * * model.pt Element1 Element2 ...', one element per atom type";
  if (narg < 2 || std::strcmp(arg[0], "*") != 0 || std::strcmp(arg[1], "*") != 0)
    error->all(FLERR, "pair_coeff egraff: expected '* *' first, got '{} {}': {}",
               narg > 0 ? arg[0] : "", narg > 1 ? arg[1] : "", syntax);
  if (narg == 2)
    error->all(
        FLERR,
        "pair_coeff egraff: expected a model file and {} element(s) after '* *', got nothing: {}",
        atom->ntypes, syntax);

  // More words than types: the first ones may be further files, of an ensemble.
  const int n_types = atom->ntypes;
  int n_files = 1;
  while (2 + n_files < narg - n_types && is_file(arg[2 + n_files])) ++n_files;
  load_members(std::vector<std::string>(arg + 2, arg + 2 + n_files));
  elements_.assign(arg + 2 + n_files, arg + narg);
  const auto &first = members_.front();
  if (static_cast<int>(elements_.size()) != n_types)
    error->all(
        FLERR,
        "pair_coeff egraff: expected {} element(s), one per atom type, got {} ('{}'); {} knows {}",
        n_types, elements_.size(), egraff::join(elements_), first.file,
        egraff::join(first.contract().species));
  const bool hybrid = utils::strmatch(force->pair_style, "^hybrid");
  for (int type = 1; type <= n_types && !hybrid; ++type)
    if (elements_[type - 1] == "NULL")
      error->all(FLERR,
                 "pair_coeff egraff: expected an element for type {}, got NULL: every atom type "
                 "needs one unless pair_style hybrid gives it another style; {} knows {}",
                 type, first.file, egraff::join(first.contract().species));
  for (auto &member : members_)
    member.species_of_type = egraff::map_species(lmp, member.contract(), member.file, elements_);

  auto &known = seen_.types;
  known.assign(n_types + 1, false);
  for (int type = 1; type <= n_types; ++type) known[type] = elements_[type - 1] != "NULL";
  if (std::count(known.begin(), known.end(), true) == 0)
    error->all(FLERR,
               "pair_coeff egraff: expected an element for at least one type, got NULL for "
               "all of them: {}",
               syntax);
  if (!allocated) allocate();
  for (int i = 1; i <= n_types; ++i)
    for (int j = i; j <= n_types; ++j) setflag[i][j] = known[i] && known[j];
}

void PairEgraff::load_members(const std::vector<std::string> &files)
{
  members_.clear();
  quantities_.clear();
  table_printed_ = checked_ = false;
  not_restored_.clear();
  for (const auto &file : files) {
    bool readable = false;
    const std::string bytes = egraff::read_file(lmp, file, readable);
    if (!readable)
      error->all(FLERR,
                 "pair_coeff egraff: expected a model file, but '{}' cannot be read: check the "
                 "path (relative to where lmp was started)",
                 file);
    std::string failure;
    egraff::Member member;
    member.file = file;
    try {
      resources_ = egraff::claim_resources(lmp, settings_.device, settings_.threads);
      member.model = std::make_unique<egraff::DeployedModel>(bytes, file, resources_.device);
      if (settings_.check) {
        const double difference = member.model->self_test();
        if (comm->me == 0)
          utils::logmesg(lmp,
                         "egraff: self test of {} passed, largest force difference {:.1e} eV/A\n",
                         file, difference);
      }
    } catch (const egraff::UserError &user_error) {
      failure = user_error.what();
    }
    egraff::all_or_error(lmp, failure);
    members_.push_back(std::move(member));
  }
  if (settings_.deviation.value > 0.0 && members_.size() < 2)
    error->all(FLERR, "pair_style egraff: expected several model files in pair_coeff for the "
                      "keyword deviation, got one");

  // Comm sizes its buffers by these.
  int widest = PER_ATOM_VIRIAL;
  for (const auto &member : members_)
    for (const int width : member.contract().exchange_widths)
      widest = std::max(widest, egraff::RowExchange::doubles_for(
                                    width * (member.contract().dtype == "float64" ? 8 : 4)));
  comm_forward = comm_reverse = comm_reverse_off = widest;
  if (lmp->citeme)
    for (const auto &member : members_)
      for (const auto &citation : member.contract().citations)
        lmp->citeme->add("pair_style egraff, model " + member.contract().architecture + ":\n\n" +
                         citation + "\n\n");
}

double PairEgraff::r_max() const
{
  double r = 0.0;
  for (const auto &member : members_) r = std::max(r, member.contract().r_max);
  return r;
}

int PairEgraff::halo_layers() const
{
  int layers = 0;
  for (const auto &member : members_)
    if (member.needs_halo(settings_.exchange))
      layers = std::max(layers, member.contract().halo_layers);
  // Before the first step of a checked run the exchange is compared with a halo.
  if (settings_.check && !checked_)
    for (const auto &member : members_)
      if (member.can_exchange()) layers = std::max(layers, member.contract().halo_layers);
  return layers;
}

void PairEgraff::init_style()
{
  if (members_.empty())
    error->all(FLERR, "pair_style egraff: no model was loaded: {}",
               not_restored_.empty() ? "a pair_coeff line is missing" : not_restored_);
  refuse_unsupported();
  energy_unit_ = std::strcmp(update->unit_style, "real") == 0
                     ? utils::get_conversion_factor(utils::ENERGY, utils::METAL2REAL)
                     : 1.0;
  if (settings_.masses)
    for (const auto &member : members_)
      egraff::check_masses(lmp, member.contract(), member.species_of_type);
  reserve_halo();
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
  if (ghost_cutoff_before_ >= 0.0) comm->cutghostuser = ghost_cutoff_before_;
  ghost_cutoff_before_ = -1.0;
  if (!layers) return;
  if (comm->mode != Comm::SINGLE)
    error->all(FLERR, "pair_style egraff: expected 'comm_modify mode single' for a model without "
                      "feature exchange, got mode multi");
  ghost_cutoff_before_ = comm->cutghostuser;
  comm->cutghostuser = std::max(comm->cutghostuser, layers * r_max() + neighbor->skin);
}

void PairEgraff::refuse_unsupported()
{
  const std::string units = update->unit_style;
  if (units != "metal" && units != "real")
    error->all(FLERR,
               "pair_style egraff: expected 'units metal' (A, eV, ps) or 'units real' (A, "
               "kcal/mol, fs), got 'units {}'",
               units);
  if (utils::strmatch(update->integrate_style, "^respa"))
    error->all(FLERR, "pair_style egraff: expected 'run_style verlet', got respa: the energy "
                      "cannot be split into inner and outer parts");
  if (neighbor->nex_type + neighbor->nex_mol > 0 || excluded_groups() < 0)
    error->all(FLERR,
               "pair_style egraff: expected no excluded pairs, got 'neigh_modify exclude': the "
               "network needs every neighbour; 'exclude group ID all' takes whole atoms out");
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

void PairEgraff::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  refuse_missing_pairs();
  warn_of_heat_flux();
  build_graphs();
  evaluate();
  average_members();
  tally(eflag);
  if (!force->newton_pair) send_ghost_tallies_home();
  collect_quantities();
  print_table_once();
  if (!settings_.check || checked_) return;
  checked_ = true;
  for (auto &member : members_) {
    const bool halo = member.needs_halo(settings_.exchange);
    egraff::check_member(
        lmp, member,
        {halo ? halo_ : atoms_, !halo && member.can_exchange() ? &halo_ : nullptr, r_max(), rows_});
  }
}

// pair_style hybrid may have given some pairs of our types to another style: their edges would be
// missing without a word.
void PairEgraff::refuse_missing_pairs()
{
  if (!list->ijskip) return;
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = 1; j <= atom->ntypes; ++j)
      if (seen_.types[i] && seen_.types[j] && (list->iskip[i] || list->ijskip[i][j]))
        error->all(FLERR,
                   "pair_style egraff: expected all pairs of types {} and {} ({} {}), got another "
                   "style for them under pair_style hybrid: the network needs every neighbour; use "
                   "hybrid/overlay, or NULL for one of the types",
                   i, j, elements_[i - 1], elements_[j - 1]);
}

// Message passing spreads the energy of a centre over its neighbours' neighbours; edges alone do not
// say which (Langer et al., Phys. Rev. B 108, L100302 (2023)).
void PairEgraff::warn_of_heat_flux()
{
  if (!cvflag_atom || heat_flux_warned_) return;
  heat_flux_warned_ = true;
  for (const auto &member : members_)
    if (member.contract().halo_layers > 1 && comm->me == 0)
      error->warning(FLERR,
                     "pair_style egraff: {} passes messages: its centroid virials sum to the exact "
                     "virial, but a heat flux made of them is an approximation",
                     member.file);
}

// A sentence about the first atom that has bonded neighbours which special_bonds leaves out.
std::string PairEgraff::special_neighbors() const
{
  const double *special = force->special_lj;
  if (atom->molecular == Atom::ATOMIC ||
      (special[1] == 1.0 && special[2] == 1.0 && special[3] == 1.0))
    return {};
  for (int i = 0; i < atom->nlocal; ++i)
    if (seen_(atom, i) && (!atom->nspecial || atom->nspecial[i][2] > 0))
      return fmt::format(
          "pair_style egraff: expected 'special_bonds lj/coul 1 1 1' for atoms with bonds (atom "
          "{}), got lj {} {} {}: the network needs every neighbour",
          atom->tag[i], special[1], special[2], special[3]);
  return {};
}

void PairEgraff::build_graphs()
{
  seen_.absent_groups = excluded_groups();
  std::string failure = special_neighbors();
  try {
    egraff::collect_edges(lmp, list, seen_, r_max(), atoms_);
    if (list->ghost && halo_layers())
      egraff::collect_halo(lmp, list, seen_, r_max(), halo_layers(), halo_);
    else
      halo_ = {};
  } catch (const std::bad_alloc &) {
    failure = fmt::format(
        "pair_style egraff: out of memory for the edges of {} atoms: use more ranks or nodes",
        atom->nlocal);
  }
  // Before the first exchange all ranks must be fit, or those that are would wait for ever.
  egraff::all_or_error(lmp, failure);
}

void PairEgraff::evaluate()
{
  std::string failure;
  rows_.set_nodes(atoms_.graph.n_local, atoms_.graph.n_all, atoms_.node_of_atom);
  rows_.take_bytes();
  const double start = platform::walltime();
  for (auto &member : members_) {
    const bool halo = member.needs_halo(settings_.exchange);
    const bool exchanges = member.exchanges(settings_.exchange);
    const auto &atoms = halo ? halo_ : atoms_;
    member.evaluation.want_outputs = want_quantities_ && &member == &members_.front();
    try {
      member.evaluate(atoms, atom->type, r_max(), halo ? nullptr : &rows_);
    } catch (const std::exception &exception) {
      failure = fmt::format("pair_style egraff: {} failed on a rank with {} atoms and {} edges: {}",
                            member.file, atom->nlocal, atoms.graph.n_edges(), exception.what());
      // Here the other ranks may be inside an exchange: only an abort reaches them.
      if (exchanges && comm->nprocs > 1) error->one(FLERR, failure);
      break;
    }
  }
  network_seconds_ += platform::walltime() - start;
  bytes_received_ = rows_.take_bytes();
  if (failure.empty()) failure = non_finite();
  egraff::all_or_error(lmp, failure);
}

// A sentence about the first atom without a finite energy, or nothing.
std::string PairEgraff::non_finite() const
{
  for (const auto &member : members_)
    for (int64_t node = 0; node < atoms_.graph.n_local; ++node)
      if (!std::isfinite(member.evaluation.energies[node]))
        return fmt::format(
            "pair_style egraff: expected a finite energy, got {} for atom {} at step {}: the atoms "
            "are closer than anything the model was trained on, or the time step is too long",
            member.evaluation.energies[node], atom->tag[atoms_.atom_of_node[node]],
            update->ntimestep);
  return {};
}

void PairEgraff::average_members()
{
  const double share = 1.0 / static_cast<double>(members_.size());
  energies_.assign(atoms_.graph.n_local, 0.0);
  for (const auto &member : members_)
    for (size_t k = 0; k < energies_.size(); ++k)
      energies_[k] += share * member.evaluation.energies[k];
}

// With g = dE/dr_ij and r_ij = r_j - r_i: F_i += g, F_j -= g, virial = -sum r_ij x g. The 6-component
// virial of an edge is shared by its ends. The 9-component (centroid) one belongs to the neighbour,
// -g being the force that the energy at the centre exerts on it (Surblys et al., Phys. Rev. E 99,
// 051301 (2019); Fan et al., Phys. Rev. B 92, 094301 (2015)).
void PairEgraff::tally(int eflag)
{
  double **f = atom->f;
  // LAMMPS clears and returns the forces on ghosts with newton on only.
  if (!force->newton_pair)
    for (int i = atom->nlocal; i < atom->nlocal + atom->nghost; ++i)
      f[i][0] = f[i][1] = f[i][2] = 0;
  const double share = energy_unit_ / static_cast<double>(members_.size());
  for (const auto &member : members_) {
    const auto &atoms = member.needs_halo(settings_.exchange) ? halo_ : atoms_;
    for (size_t e = 0; e < atoms.graph.n_edges(); ++e) {
      const double *r = &atoms.graph.edge_vectors[3 * e];
      const double *gradient = &member.evaluation.edge_gradients[3 * e];
      const double g[3] = {share * gradient[0], share * gradient[1], share * gradient[2]};
      const int i = atoms.atom_of_node[atoms.graph.centers[e]];
      const int j = atoms.atom_of_node[atoms.graph.neighbors[e]];
      for (int k = 0; k < 3; ++k) {
        f[i][k] += g[k];
        f[j][k] -= g[k];
      }
      if (!vflag_either) continue;
      const double v[PER_ATOM_VIRIAL] = {-r[0] * g[0], -r[1] * g[1], -r[2] * g[2],
                                         -r[0] * g[1], -r[0] * g[2], -r[1] * g[2],
                                         -r[1] * g[0], -r[2] * g[0], -r[2] * g[1]};
      for (int k = 0; k < 6; ++k) {
        if (vflag_global) virial[k] += v[k];
        if (vflag_atom) {
          vatom[i][k] += 0.5 * v[k];
          vatom[j][k] += 0.5 * v[k];
        }
      }
      if (cvflag_atom)
        for (int k = 0; k < PER_ATOM_VIRIAL; ++k) cvatom[j][k] += v[k];
    }
  }
  if (!eflag) return;
  for (size_t node = 0; node < energies_.size(); ++node) {
    const double energy = energy_unit_ * energies_[node];
    if (eflag_global) eng_vdwl += energy;
    if (eflag_atom) eatom[atoms_.atom_of_node[node]] += energy;
  }
}

// With newton off LAMMPS leaves what ghosts hold alone.
void PairEgraff::send_ghost_tallies_home()
{
  if (atom->nlocal + atom->nghost == 0) return;
  rows_.ghosts_to_atoms(atom->f[0], 3);
  if (vflag_atom) rows_.ghosts_to_atoms(vatom[0], 6);
  if (cvflag_atom) rows_.ghosts_to_atoms(cvatom[0], PER_ATOM_VIRIAL);
}

void PairEgraff::collect_quantities()
{
  quantities_.clear();
  const auto n_local = static_cast<size_t>(atom->nlocal);
  const auto &first = members_.front();
  for (size_t o = 0; o < first.evaluation.outputs.size(); ++o) {
    const auto &output = first.contract().outputs[o];
    auto &rows = quantities_[output.name];
    rows.assign(n_local * output.width, 0.0);
    const auto width = static_cast<size_t>(output.width);
    for (size_t node = 0; node < energies_.size(); ++node)
      std::copy_n(&first.evaluation.outputs[o][node * width], width,
                  &rows[atoms_.atom_of_node[node] * width]);
  }
  if (members_.size() < 2) return;
  egraff::EnsembleForces forces;
  for (const auto &member : members_) {
    const auto &atoms = member.needs_halo(settings_.exchange) ? halo_ : atoms_;
    forces.members.push_back(egraff::atom_forces(atoms, member.evaluation.edge_gradients, rows_));
    forces.members.back().resize(3 * n_local);
    for (auto &component : forces.members.back()) component *= energy_unit_;
  }
  auto &deviation = quantities_["deviation"] = egraff::force_deviation(forces);
  std::vector<std::string> names = {"?"};
  names.insert(names.end(), elements_.begin(), elements_.end());
  deviation_watch_.inspect(lmp, settings_.deviation, deviation, names);
}

std::vector<std::string> PairEgraff::quantity_names() const
{
  std::vector<std::string> names;
  if (members_.size() > 1) names.push_back("deviation");
  if (!members_.empty())
    for (const auto &output : members_.front().contract().outputs) names.push_back(output.name);
  return names;
}

int PairEgraff::quantity_width(const std::string &name) const
{
  if (members_.size() > 1 && name == "deviation") return 1;
  if (!members_.empty())
    for (const auto &output : members_.front().contract().outputs)
      if (output.name == name) return output.width;
  return 0;
}

const std::vector<double> *PairEgraff::quantity(const std::string &name) const
{
  const auto found = quantities_.find(name);
  return found == quantities_.end() ? nullptr : &found->second;
}

void PairEgraff::print_table_once()
{
  if (table_printed_) return;
  table_printed_ = true;
  egraff::print_table(lmp, {.members = members_,
                            .elements = elements_,
                            .resources = resources_,
                            .exchange_allowed = settings_.exchange,
                            .bytes_received = bytes_received_,
                            .nodes_local = static_cast<bigint>(atoms_.graph.n_local),
                            .owned_edges = static_cast<bigint>(atoms_.graph.n_edges()),
                            .halo_edges = static_cast<bigint>(halo_.graph.n_edges()),
                            .halo_nodes = static_cast<bigint>(halo_.graph.n_all)});
}

double PairEgraff::memory_usage()
{
  const auto edges = static_cast<double>(std::max(atoms_.graph.n_edges(), halo_.graph.n_edges()));
  double network = 0.0;
  for (const auto &member : members_)
    network = std::max(network, member.contract().memory_bytes_per_edge * edges);
  return network + edges * (6 * sizeof(double) + 2 * sizeof(int64_t));
}

void *PairEgraff::extract(const char *name, int &dim)
{
  dim = 0;
  if (std::strcmp(name, "network_seconds") == 0) return &network_seconds_;
  if (std::strcmp(name, "exchange_seconds") == 0)
    return const_cast<double *>(rows_.seconds_address());
  return nullptr;
}

int PairEgraff::pack_forward_comm(int n, int *sent, double *buffer, int, int *)
{
  return rows_.pack_forward(n, sent, buffer);
}

void PairEgraff::unpack_forward_comm(int n, int first, double *buffer)
{
  rows_.unpack_forward(n, first, buffer);
}

int PairEgraff::pack_reverse_comm(int n, int first, double *buffer)
{
  return rows_.pack_reverse(n, first, buffer);
}

void PairEgraff::unpack_reverse_comm(int n, int *owned, double *buffer)
{
  rows_.unpack_reverse(n, owned, buffer);
}
