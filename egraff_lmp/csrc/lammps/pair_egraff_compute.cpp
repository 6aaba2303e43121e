// One step of pair_style egraff: the graph, the networks, forces and virials.

#include "pair_egraff.h"

#include "checks.h"
#include "model_table.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "neigh_list.h"
#include "platform.h"
#include "update.h"

#include <algorithm>
#include <cmath>
#include <new>

using namespace LAMMPS_NS;

namespace {

constexpr double COINCIDENT = 1e-6;    // A

}    // namespace

// Memory may end on one rank, between two calls that all ranks make: only an abort reaches the others.
void PairEgraff::compute(int eflag, int vflag)
{
  try {
    make_step(eflag, vflag);
  } catch (const std::bad_alloc &) {
    error->one(FLERR,
               "pair_style {}: out of memory on a rank with {} atoms and {} ghosts: use more ranks "
               "or nodes",
               style_.name, atom->nlocal, atom->nghost);
  }
}

void PairEgraff::make_step(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  refuse_missing_pairs();
  warn_of_heat_flux();
  build_graphs();
  evaluate();
  average_members();
  if (!force->newton_pair) zero_ghost_tallies();
  tally(eflag);
  if (!force->newton_pair) send_ghost_tallies_home();
  collect_quantities();
  print_table_once();
  if (!settings_.check || checked_) return;
  checked_ = true;
  for (auto &member : members_) {
    const bool halo = member.needs_halo(settings_.exchange);
    egraff::check_member(lmp, member,
                         {.atoms = halo ? halo_ : atoms_,
                          .halo = !halo && member.can_exchange() ? &halo_ : nullptr,
                          .own_centers = !halo,
                          .exchanges = member.exchanges(settings_.exchange),
                          .r_max = r_max(),
                          .rows = rows_});
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
                   "pair_style {}: expected all pairs of types {} and {} ({} {}), got another "
                   "style for them under pair_style hybrid: the network needs every neighbour; use "
                   "hybrid/overlay, or NULL for one of the types",
                   style_.name, i, j, elements_[i - 1], elements_[j - 1]);
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
                     "pair_style {}: {} passes messages: its centroid virials sum to the exact "
                     "virial, but a heat flux made of them is an approximation",
                     style_.name, member.file);
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
          "pair_style {}: expected 'special_bonds lj/coul 1 1 1' for atoms with bonds (atom "
          "{}), got lj {} {} {}: the network needs every neighbour",
          style_.name, atom->tag[i], special[1], special[2], special[3]);
  return {};
}

void PairEgraff::build_graphs()
{
  seen_.absent_groups = excluded_groups();
  std::string failure = special_neighbors();
  // Collective: outside of what one rank alone may leave.
  plan_.update(lmp, list, seen_, rows_);
  try {
    egraff::collect_edges(lmp, list, r_max(), plan_, atoms_);
    if (list->ghost && halo_layers())
      egraff::collect_halo(lmp, list, seen_, r_max(), halo_layers(), halo_);
    else if (folds_ghosts())
      halo_ = atoms_;    // which has no ghosts on one rank
    else
      halo_ = {};
  } catch (const std::bad_alloc &) {
    failure = fmt::format(
        "pair_style {}: out of memory for the edges of {} atoms: use more ranks or nodes",
        style_.name, atom->nlocal);
  }
  if (failure.empty()) failure = coincident();
  // Before the first exchange all ranks must be fit, or those that are would wait for ever.
  guards_.before_network(atoms_, failure);
}

// A sentence about the first two atoms in one place, or nothing: an edge without a direction gives
// finite nonsense.
std::string PairEgraff::coincident() const
{
  const auto &graph = atoms_.graph;
  for (size_t e = 0; e < graph.n_edges(); ++e) {
    const double *d = &graph.edge_vectors[3 * e];
    if (std::max({std::abs(d[0]), std::abs(d[1]), std::abs(d[2])}) < COINCIDENT)
      return fmt::format("pair_style {}: expected atoms apart from each other, got atoms {} "
                         "and {} in the same "
                         "place at step {}: delete one of them (delete_atoms overlap)",
                         style_.name, atom->tag[atoms_.atom_of_node[graph.centers[e]]],
                         atom->tag[atoms_.atom_of_node[graph.neighbors[e]]], update->ntimestep);
  }
  return {};
}

void PairEgraff::evaluate()
{
  std::string failure;
  rows_.set_plan(&plan_);
  rows_.take_bytes();
  const double start = platform::walltime();
  for (auto &member : members_) {
    const bool halo = member.needs_halo(settings_.exchange);
    const bool exchanges = member.exchanges(settings_.exchange);
    const auto &atoms = halo ? halo_ : atoms_;
    member.evaluation.want_outputs = want_quantities_ && &member == &members_.front();
    member.evaluation.want_peak = !table_printed_;
    try {
      member.evaluate(atoms, atom->type, r_max(), halo ? nullptr : &rows_);
    } catch (const std::exception &exception) {
      failure = fmt::format("pair_style {}: {} failed on a rank with {} atoms and {} edges: {}",
                            style_.name, member.file, atom->nlocal, atoms.graph.n_edges(),
                            exception.what());
      // Here the other ranks may be inside an exchange: only an abort reaches them.
      if (exchanges && comm->nprocs > 1) error->one(FLERR, failure);
    }
    // The next member may exchange features, for which every rank must be there.
    if (&member != &members_.back()) egraff::all_or_error(lmp, failure);
  }
  network_seconds_ += platform::walltime() - start;
  bytes_received_ = rows_.take_bytes();
  const auto forces = watched_forces(failure.empty());
  if (failure.empty()) failure = non_finite();
  guards_.after_network(failure, forces);
}

// The models' own forces on the local atoms, in the deck's units, for the guard of forces. Those in
// `f` still lie with the ghosts, and other styles add to them. Collective: a rank whose evaluation
// failed takes part with nothing.
std::vector<double> PairEgraff::watched_forces(bool usable)
{
  if (!guards_.watches_forces()) return {};
  const double share = energy_unit_ / static_cast<double>(members_.size());
  std::vector<double> sum(3 * static_cast<size_t>(atom->nlocal), 0.0);
  for (const auto &member : members_) {
    const auto &atoms = member.needs_halo(settings_.exchange) ? halo_ : atoms_;
    const auto forces =
        egraff::atom_forces(atoms,
                            usable ? member.evaluation.edge_gradients
                                   : std::vector<double>(3 * atoms.graph.n_edges(), 0.0),
                            rows_);
    for (size_t k = 0; k < sum.size(); ++k) sum[k] += share * forces[k];
  }
  return sum;
}

// A sentence about the first atom without a finite energy or force, or nothing.
std::string PairEgraff::non_finite() const
{
  const auto sentence = [this](const char *what, double value, int i) {
    return fmt::format(
        "pair_style {}: expected a finite {}, got {} for atom {} at step {}: the atoms are "
        "closer than anything the model was trained on, or the time step is too long",
        style_.name, what, value, atom->tag[i], update->ntimestep);
  };
  for (const auto &member : members_) {
    const auto &result = member.evaluation;
    for (int node = 0; node < atoms_.graph.n_local; ++node)
      if (!std::isfinite(result.energies[node]))
        return sentence("energy", result.energies[node], atoms_.atom_of_node[node]);
    const auto &atoms = member.needs_halo(settings_.exchange) ? halo_ : atoms_;
    for (size_t k = 0; k < result.edge_gradients.size(); ++k)
      if (!std::isfinite(result.edge_gradients[k]))
        return sentence("force", result.edge_gradients[k],
                        atoms.atom_of_node[atoms.graph.centers[k / 3]]);
  }
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

// With newton off LAMMPS clears the rows of local atoms only, and leaves what ghosts hold alone.
void PairEgraff::zero_ghost_tallies()
{
  const auto zero = [this](double **rows, int width) {
    if (atom->nghost > 0)
      std::fill_n(rows[atom->nlocal], static_cast<size_t>(atom->nghost) * width, 0.0);
  };
  zero(atom->f, 3);
  if (vflag_atom) zero(vatom, 6);
  if (cvflag_atom) zero(cvatom, PER_ATOM_VIRIAL);
}

// Every rank takes part, without atoms and ghosts too: with comm_style tiled a rank waits for all.
void PairEgraff::send_ghost_tallies_home()
{
  // A rank that never had an atom has no arrays.
  const auto send = [this](double **rows, int width) {
    rows_.ghosts_to_atoms(rows ? rows[0] : nullptr, width);
  };
  send(atom->f, 3);
  if (vflag_atom) send(vatom, 6);
  if (cvflag_atom) send(cvatom, PER_ATOM_VIRIAL);
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
    const double unit = output.is_energy ? energy_unit_ : 1.0;
    for (size_t node = 0; node < energies_.size(); ++node)
      for (size_t w = 0; w < width; ++w)
        rows[atoms_.atom_of_node[node] * width + w] =
            unit * first.evaluation.outputs[o][node * width + w];
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

std::vector<std::string> PairEgraff::quantity_names()
{
  load_restored();
  std::vector<std::string> names;
  if (members_.size() > 1) names.push_back("deviation");
  if (!members_.empty())
    for (const auto &output : members_.front().contract().outputs) names.push_back(output.name);
  return names;
}

int PairEgraff::quantity_width(const std::string &name)
{
  load_restored();
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
                            .folded = folds_ghosts(),
                            .bytes_received = bytes_received_,
                            .foreign_nodes = static_cast<bigint>(plan_.n_all - plan_.n_local),
                            .peers = static_cast<int>(plan_.peers.size()),
                            .guards = guards_.description(),
                            .nodes_local = static_cast<bigint>(atoms_.graph.n_local),
                            .owned_edges = static_cast<bigint>(atoms_.graph.n_edges()),
                            .halo_edges = static_cast<bigint>(halo_.graph.n_edges()),
                            .halo_nodes = static_cast<bigint>(halo_.graph.n_all)});
}
