// One step of pair_style egraff: the graph, the networks, forces and virials.

#include "pair_egraff.h"

#include "atom_forces.h"
#include "checks.h"
#include "edge_forces.h"
#include "model_table.h"
#include "pair_egraff_state.h"

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
               state_->style.name, atom->nlocal, atom->nghost);
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
  if (!state_->settings.check || state_->checked) return;
  state_->checked = true;
  for (auto &member : state_->members) {
    const bool halo = member.needs_halo(state_->settings.exchange);
    egraff::check_member(lmp, member,
                         {.atoms = halo ? state_->halo : state_->atoms,
                          .halo = !halo && member.can_exchange() ? &state_->halo : nullptr,
                          .own_centers = !halo,
                          .exchanges = member.exchanges(state_->settings.exchange),
                          .r_max = r_max(),
                          .rows = state_->rows});
  }
}

// pair_style hybrid may have given some pairs of our types to another style: their edges would be
// missing without a word.
void PairEgraff::refuse_missing_pairs()
{
  if (!list->ijskip) return;
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = 1; j <= atom->ntypes; ++j)
      if (state_->seen.types[i] && state_->seen.types[j] && (list->iskip[i] || list->ijskip[i][j]))
        error->all(FLERR,
                   "pair_style {}: expected all pairs of types {} and {} ({} {}), got another "
                   "style for them under pair_style hybrid: the network needs every neighbour; use "
                   "hybrid/overlay, or NULL for one of the types",
                   state_->style.name, i, j, state_->elements[i - 1], state_->elements[j - 1]);
}

// Message passing spreads the energy of a centre over its neighbours' neighbours; edges alone do not
// say which (Langer et al., Phys. Rev. B 108, L100302 (2023)).
void PairEgraff::warn_of_heat_flux()
{
  if (!cvflag_atom || state_->heat_flux_warned) return;
  state_->heat_flux_warned = true;
  for (const auto &member : state_->members)
    if (member.contract().halo_layers > 1 && comm->me == 0)
      error->warning(FLERR,
                     "pair_style {}: {} passes messages: its centroid virials sum to the exact "
                     "virial, but a heat flux made of them is an approximation",
                     state_->style.name, member.file);
}

// A sentence about the first atom that has bonded neighbours which special_bonds leaves out.
std::string PairEgraff::special_neighbors() const
{
  const double *special = force->special_lj;
  if (atom->molecular == Atom::ATOMIC ||
      (special[1] == 1.0 && special[2] == 1.0 && special[3] == 1.0))
    return {};
  for (int i = 0; i < atom->nlocal; ++i)
    if (state_->seen(atom, i) && (!atom->nspecial || atom->nspecial[i][2] > 0))
      return fmt::format(
          "pair_style {}: expected 'special_bonds lj/coul 1 1 1' for atoms with bonds (atom "
          "{}), got lj {} {} {}: the network needs every neighbour",
          state_->style.name, atom->tag[i], special[1], special[2], special[3]);
  return {};
}

void PairEgraff::build_graphs()
{
  state_->seen.absent_groups = excluded_groups();
  std::string failure = special_neighbors();
  // Collective: outside of what one rank alone may leave.
  state_->plan.update(lmp, list, state_->seen, state_->rows);
  try {
    egraff::collect_edges(lmp, list, r_max(), state_->plan, state_->atoms);
    if (list->ghost && halo_layers())
      egraff::collect_halo(lmp, list, state_->seen, r_max(), halo_layers(), state_->halo);
    else if (folds_ghosts())
      state_->halo = state_->atoms;    // which has no ghosts on one rank
    else
      state_->halo = {};
  } catch (const std::bad_alloc &) {
    failure = fmt::format(
        "pair_style {}: out of memory for the edges of {} atoms: use more ranks or nodes",
        state_->style.name, atom->nlocal);
  }
  if (failure.empty()) failure = coincident();
  // Before the first exchange all ranks must be fit, or those that are would wait for ever.
  state_->guards.before_network(state_->atoms, failure);
}

// A sentence about the first two atoms in one place, or nothing: an edge without a direction gives
// finite nonsense.
std::string PairEgraff::coincident() const
{
  const auto &graph = state_->atoms.graph;
  for (size_t e = 0; e < graph.n_edges(); ++e) {
    const double *d = &graph.edge_vectors[3 * e];
    if (std::max({std::abs(d[0]), std::abs(d[1]), std::abs(d[2])}) < COINCIDENT)
      return fmt::format(
          "pair_style {}: expected atoms apart from each other, got atoms {} "
          "and {} in the same "
          "place at step {}: delete one of them (delete_atoms overlap)",
          state_->style.name, atom->tag[state_->atoms.atom_of_node[graph.centers[e]]],
          atom->tag[state_->atoms.atom_of_node[graph.neighbors[e]]], update->ntimestep);
  }
  return {};
}

void PairEgraff::evaluate()
{
  std::string failure;
  state_->rows.set_plan(&state_->plan);
  state_->rows.take_bytes();
  const double start = platform::walltime();
  for (auto &member : state_->members) {
    const bool halo = member.needs_halo(state_->settings.exchange);
    const bool exchanges = member.exchanges(state_->settings.exchange);
    const auto &atoms = halo ? state_->halo : state_->atoms;
    member.evaluation.want_outputs = state_->want_quantities && &member == &state_->members.front();
    member.evaluation.want_peak = !state_->table_printed;
    try {
      member.evaluate(atoms, atom->type, r_max(), halo ? nullptr : &state_->rows);
    } catch (const std::exception &exception) {
      failure = fmt::format("pair_style {}: {} failed on a rank with {} atoms and {} edges: {}",
                            state_->style.name, member.file, atom->nlocal, atoms.graph.n_edges(),
                            exception.what());
      // Here the other ranks may be inside an exchange: only an abort reaches them.
      if (exchanges && comm->nprocs > 1) error->one(FLERR, failure);
    }
    // The next member may exchange features, for which every rank must be there.
    if (&member != &state_->members.back()) egraff::all_or_error(lmp, failure);
  }
  state_->network_seconds += platform::walltime() - start;
  state_->bytes_received = state_->rows.take_bytes();
  const auto forces = watched_forces(failure.empty());
  if (failure.empty()) failure = non_finite();
  state_->guards.after_network(failure, forces);
}

// The models' own forces on the local atoms, in the deck's units, for the guard of forces. Those in
// `f` still lie with the ghosts, and other styles add to them. Collective: a rank whose evaluation
// failed takes part with nothing.
std::vector<double> PairEgraff::watched_forces(bool usable)
{
  if (!state_->guards.watches_forces()) return {};
  const double share = state_->energy_unit / static_cast<double>(state_->members.size());
  std::vector<double> sum(3 * static_cast<size_t>(atom->nlocal), 0.0);
  for (const auto &member : state_->members) {
    const auto &atoms = state_->graph_of(member);
    const auto forces =
        egraff::atom_forces(atoms,
                            usable ? member.evaluation.edge_gradients
                                   : std::vector<double>(3 * atoms.graph.n_edges(), 0.0),
                            state_->rows);
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
        state_->style.name, what, value, atom->tag[i], update->ntimestep);
  };
  for (const auto &member : state_->members) {
    const auto &result = member.evaluation;
    for (int node = 0; node < state_->atoms.graph.n_local; ++node)
      if (!std::isfinite(result.energies[node]))
        return sentence("energy", result.energies[node], state_->atoms.atom_of_node[node]);
    const auto &atoms = state_->graph_of(member);
    for (size_t k = 0; k < result.edge_gradients.size(); ++k)
      if (!std::isfinite(result.edge_gradients[k]))
        return sentence("force", result.edge_gradients[k],
                        atoms.atom_of_node[atoms.graph.centers[k / 3]]);
  }
  return {};
}

void PairEgraff::average_members()
{
  const double share = 1.0 / static_cast<double>(state_->members.size());
  state_->energies.assign(state_->atoms.graph.n_local, 0.0);
  for (const auto &member : state_->members)
    for (size_t k = 0; k < state_->energies.size(); ++k)
      state_->energies[k] += share * member.evaluation.energies[k];
}

// The 6-component virial of an edge is shared by its ends. The 9-component (centroid) one belongs
// to the neighbour, on which the energy at the centre exerts the force -g (see edge_forces.h;
// Surblys et al., Phys. Rev. E 99, 051301 (2019); Fan et al., Phys. Rev. B 92, 094301 (2015)).
void PairEgraff::tally(int eflag)
{
  double **f = atom->f;
  const double share = state_->energy_unit / static_cast<double>(state_->members.size());
  for (const auto &member : state_->members) {
    const auto &atoms = state_->graph_of(member);
    const auto &gradients = member.evaluation.edge_gradients;
    egraff::add_forces(atoms.graph, gradients, share,
                       [&](int64_t node) { return f[atoms.atom_of_node[node]]; });
    if (!vflag_either) continue;
    const auto take = [&](int64_t center, int64_t neighbor, const double *v) {
      const int i = atoms.atom_of_node[center], j = atoms.atom_of_node[neighbor];
      for (int k = 0; k < egraff::SYMMETRIC_COMPONENTS; ++k) {
        if (vflag_global) virial[k] += v[k];
        if (vflag_atom) {
          vatom[i][k] += 0.5 * v[k];
          vatom[j][k] += 0.5 * v[k];
        }
      }
      if (cvflag_atom)
        for (int k = 0; k < egraff::VIRIAL_COMPONENTS; ++k) cvatom[j][k] += v[k];
    };
    egraff::for_virials(atoms.graph, gradients, share, take);
  }
  if (!eflag) return;
  for (size_t node = 0; node < state_->energies.size(); ++node) {
    const double energy = state_->energy_unit * state_->energies[node];
    if (eflag_global) eng_vdwl += energy;
    if (eflag_atom) eatom[state_->atoms.atom_of_node[node]] += energy;
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
  if (cvflag_atom) zero(cvatom, egraff::VIRIAL_COMPONENTS);
}

// Every rank takes part, without atoms and ghosts too: with comm_style tiled a rank waits for all.
void PairEgraff::send_ghost_tallies_home()
{
  // A rank that never had an atom has no arrays.
  const auto send = [this](double **rows, int width) {
    state_->rows.ghosts_to_atoms(rows ? rows[0] : nullptr, width);
  };
  send(atom->f, 3);
  if (vflag_atom) send(vatom, 6);
  if (cvflag_atom) send(cvatom, egraff::VIRIAL_COMPONENTS);
}

void PairEgraff::collect_quantities()
{
  state_->quantities.clear();
  const auto n_local = static_cast<size_t>(atom->nlocal);
  const auto &first = state_->members.front();
  for (size_t o = 0; o < first.evaluation.outputs.size(); ++o) {
    const auto &output = first.contract().outputs[o];
    auto &rows = state_->quantities[output.name];
    rows.assign(n_local * output.width, 0.0);
    const auto width = static_cast<size_t>(output.width);
    const double unit = output.is_energy ? state_->energy_unit : 1.0;
    for (size_t node = 0; node < state_->energies.size(); ++node)
      for (size_t w = 0; w < width; ++w)
        rows[state_->atoms.atom_of_node[node] * width + w] =
            unit * first.evaluation.outputs[o][node * width + w];
  }
  if (state_->members.size() < 2) return;
  egraff::EnsembleForces forces;
  for (const auto &member : state_->members) {
    const auto &atoms = state_->graph_of(member);
    forces.members.push_back(
        egraff::atom_forces(atoms, member.evaluation.edge_gradients, state_->rows));
    forces.members.back().resize(3 * n_local);
    for (auto &component : forces.members.back()) component *= state_->energy_unit;
  }
  auto &deviation = state_->quantities["deviation"] = egraff::force_deviation(forces);
  std::vector<std::string> names = {"?"};
  names.insert(names.end(), state_->elements.begin(), state_->elements.end());
  state_->deviation_watch.inspect(lmp, state_->settings.deviation, deviation, names);
}

std::vector<std::string> PairEgraff::quantity_names()
{
  load_restored();
  std::vector<std::string> names;
  if (state_->members.size() > 1) names.push_back("deviation");
  if (!state_->members.empty())
    for (const auto &output : state_->members.front().contract().outputs)
      names.push_back(output.name);
  return names;
}

void PairEgraff::want_quantities()
{
  state_->want_quantities = true;
}

int PairEgraff::quantity_width(const std::string &name)
{
  load_restored();
  if (state_->members.size() > 1 && name == "deviation") return 1;
  if (!state_->members.empty())
    for (const auto &output : state_->members.front().contract().outputs)
      if (output.name == name) return output.width;
  return 0;
}

const std::vector<double> *PairEgraff::quantity(const std::string &name) const
{
  const auto found = state_->quantities.find(name);
  return found == state_->quantities.end() ? nullptr : &found->second;
}

void PairEgraff::print_table_once()
{
  if (state_->table_printed) return;
  state_->table_printed = true;
  egraff::print_table(
      lmp, {.members = state_->members,
            .elements = state_->elements,
            .resources = state_->resources,
            .exchange_allowed = state_->settings.exchange,
            .folded = folds_ghosts(),
            .bytes_received = state_->bytes_received,
            .foreign_nodes = static_cast<bigint>(state_->plan.n_all - state_->plan.n_local),
            .peers = static_cast<int>(state_->plan.peers.size()),
            .guards = state_->guards.description(),
            .nodes_local = static_cast<bigint>(state_->atoms.graph.n_local),
            .owned_edges = static_cast<bigint>(state_->atoms.graph.n_edges()),
            .halo_edges = static_cast<bigint>(state_->halo.graph.n_edges()),
            .halo_nodes = static_cast<bigint>(state_->halo.graph.n_all)});
}
