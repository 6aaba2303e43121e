#include "guards.h"

#include "commands.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "fix.h"
#include "force.h"
#include "lammps.h"
#include "modify.h"
#include "neighbor.h"
#include "output.h"
#include "update.h"

#include <mpi.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

// Below the shortest distance of the training data the network extrapolates, but thermal motion
// gets a little below it in any long run: that is warned of. At 0.8 of it a bond is compressed
// further than anything but a collapse explains.
constexpr double STOP_FRACTION = 0.8;
// A force this many times the largest of the training data is no configuration that the data knew,
// and one of 50 eV/A at least is no force of a molecule or a solid near equilibrium, where data with
// small forces would set too small a limit. Files that do not state their data get a limit at which
// hydrogen moves by an angstrom in a step of 0.3 fs.
constexpr double FORCE_FACTOR = 10.0;
constexpr double LEAST_FORCE = 50.0;        // eV/A
constexpr double UNKNOWN_FORCE = 1000.0;    // eV/A

// Of LAMMPS' package MC.
constexpr const char *TRIAL_FIXES[] = {"gcmc",          "widom", "atom/swap",        "mol/swap",
                                       "neighbor/swap", "sgcmc", "charge/regulation"};

// Ranks of severity; what is added to them lies between 0 and 1.
constexpr double CLOSE = 1.0, STRONG = 2.0, NOWHERE = 3.0, FAILURE = 5.0;

double square(const double *v)
{
  return v[0] * v[0] + v[1] * v[1] + v[2] * v[2];
}

bool is_finite(const double *v)
{
  return std::isfinite(v[0]) && std::isfinite(v[1]) && std::isfinite(v[2]);
}

// Every rank's IDs on all ranks, sorted.
std::vector<tagint> gathered(LAMMPS *lmp, const std::vector<tagint> &mine)
{
  const int n_ranks = lmp->comm->nprocs, count = static_cast<int>(mine.size());
  std::vector<int> counts(n_ranks), starts(n_ranks, 0);
  MPI_Allgather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, lmp->world);
  std::partial_sum(counts.begin(), counts.end() - 1, starts.begin() + 1);
  std::vector<tagint> all(starts.back() + counts.back());
  MPI_Allgatherv(mine.data(), count, MPI_LMP_TAGINT, all.data(), counts.data(), starts.data(),
                 MPI_LMP_TAGINT, lmp->world);
  std::sort(all.begin(), all.end());
  return all;
}

std::vector<tagint> without(const std::vector<tagint> &from, const std::vector<tagint> &others)
{
  std::vector<tagint> rest;
  std::set_difference(from.begin(), from.end(), others.begin(), others.end(),
                      std::back_inserter(rest));
  return rest;
}

std::vector<tagint> sorted_tags(const Atom *atom)
{
  std::vector<tagint> tags(atom->tag, atom->tag + atom->nlocal);
  std::sort(tags.begin(), tags.end());
  return tags;
}

}    // namespace

void Guards::prepare(const std::string &style, const GuardLimits &limits,
                     const std::vector<Member> &members, const std::vector<std::string> &elements,
                     double energy_unit)
{
  style_ = style;
  limits_ = limits;
  elements_ = elements;
  force_unit_ = energy_unit == 1.0 ? "eV/A" : "kcal/mol/A";
  set_distances(members);
  set_force(members, energy_unit);
  trials_ = has_trials();
  tags_before_ = limits_.on && lmp_->atom->tag ? sorted_tags(lmp_->atom) : std::vector<tagint>();
}

// Per pair of types: of several files that state it, the one that saw the atoms closest.
void Guards::set_distances(const std::vector<Member> &members)
{
  const size_t n = elements_.size() + 1;
  const double everywhere = limits_.distance.value_or(0.0);
  stop_square_.assign(n * n, everywhere * everywhere);
  warn_square_ = stop_square_;
  distances_known_ = false;
  if (limits_.distance) return;
  for (const auto &member : members)
    for (const auto &known : member.contract().shortest_distances)
      for (size_t i = 1; i < n; ++i)
        for (size_t j = 1; j < n; ++j) {
          const auto &[first, second] = known.elements;
          if (!(elements_[i - 1] == first && elements_[j - 1] == second) &&
              !(elements_[i - 1] == second && elements_[j - 1] == first))
            continue;
          auto &warn = warn_square_[i * n + j];
          const double shortest = known.angstrom * known.angstrom;
          warn = warn == 0.0 ? shortest : std::min(warn, shortest);
          stop_square_[i * n + j] = STOP_FRACTION * STOP_FRACTION * warn;
          distances_known_ = true;
        }
}

void Guards::set_force(const std::vector<Member> &members, double energy_unit)
{
  force_from_training_ = false;
  if (limits_.force) {
    max_force_ = *limits_.force;
    return;
  }
  double largest = 0.0;
  for (const auto &member : members)
    largest = std::max(largest, member.contract().largest_training_force);
  force_from_training_ = FORCE_FACTOR * largest > LEAST_FORCE;
  max_force_ =
      energy_unit * (largest > 0.0 ? std::max(LEAST_FORCE, FORCE_FACTOR * largest) : UNKNOWN_FORCE);
}

// Fixes that move, insert or swap atoms on trial ask the pair style for the energy: what they try is
// often a bad structure, which they reject. Frames of `rerun` are evaluated whatever they hold.
bool Guards::has_trials() const
{
  const auto &fixes = lmp_->modify->get_fix_list();
  return std::any_of(fixes.begin(), fixes.end(), [](const Fix *fix) {
    const std::string style = fix->style;
    return std::any_of(std::begin(TRIAL_FIXES), std::end(TRIAL_FIXES),
                       [&](const char *name) { return style == name; });
  });
}

bool Guards::in_dynamics() const
{
  return limits_.on && lmp_->update->whichflag == 1 && !trials_ && !in_rerun(lmp_);
}

bool Guards::watches_forces() const
{
  return in_dynamics() && max_force_ > 0.0;
}

void Guards::before_network(const AtomGraph &atoms, const std::string &failure)
{
  Finding finding = {failure.empty() ? 0.0 : FAILURE, failure}, warning;
  if (failure.empty()) finding = non_finite_position();
  if (finding.severity == 0.0 && in_dynamics()) finding = too_close(atoms, warning);

  const bool hot = in_dynamics() && limits_.temperature > 0.0;
  double kinetic = 0.0;
  for (int i = 0; hot && i < lmp_->atom->nlocal; ++i) kinetic += twice_kinetic(i);
  // Sums of small whole numbers and numbers of atoms are exact in doubles.
  const double mine[] = {finding.severity > 0.0 ? 1.0 : 0.0,
                         warning.severity > 0.0 && !warned_ ? 1.0 : 0.0,
                         static_cast<double>(lmp_->atom->nlocal), kinetic};
  double all[std::size(mine)];
  MPI_Allreduce(mine, all, static_cast<int>(std::size(mine)), MPI_DOUBLE, MPI_SUM, lmp_->world);
  const auto [failures, warnings, n_atoms, all_kinetic] = all;
  if (failures > 0.0) stop(finding);
  if (limits_.on && limits_.lost_atoms) stop_if_lost(static_cast<bigint>(n_atoms));
  if (hot) stop_if_hot(temperature(all_kinetic));
  if (warnings > 0.0) {
    warned_ = true;
    const auto worst_warning = worst(warning);
    if (lmp_->comm->me == 0) lmp_->error->warning(FLERR, worst_warning.sentence);
  }
}

void Guards::after_network(const std::string &failure, const std::vector<double> &forces)
{
  Finding finding = {failure.empty() ? 0.0 : FAILURE, failure};
  if (failure.empty()) finding = too_strong(forces);
  const int mine = finding.severity > 0.0;
  int any = 0;
  MPI_Allreduce(&mine, &any, 1, MPI_INT, MPI_MAX, lmp_->world);
  if (any) stop(finding);
}

std::string Guards::atom_name(int i) const
{
  const int type = lmp_->atom->type[i];
  return fmt::format("{} ({})", lmp_->atom->tag[i],
                     elements_[type - 1] == "NULL" ? fmt::format("type {}", type)
                                                   : elements_[type - 1]);
}

// In the order of the IDs, which is the same on the ranks of both atoms.
std::string Guards::pair_name(int i, int j) const
{
  const bool swapped = lmp_->atom->tag[i] > lmp_->atom->tag[j];
  return atom_name(swapped ? j : i) + " and " + atom_name(swapped ? i : j);
}

// `egraff run` tells by this what a simulation did from what its user did.
std::string Guards::at_step() const
{
  return fmt::format("pair_style {}: guard at step {}: ", style_, lmp_->update->ntimestep);
}

// Restarts are written after the forces of their step: none holds what was stopped here.
std::string Guards::last_restart() const
{
  const auto *output = lmp_->output;
  if (!output->restart_flag || output->last_restart < 0) return {};
  std::string file;
  if (output->restart_flag_double && !output->restart_flag_single)
    file = std::string(" ") + (output->restart_toggle ? output->restart2a : output->restart2b);
  return fmt::format("; the last restart{} is of step {}", file, output->last_restart);
}

// LAMMPS itself looks for them when it next builds its lists, which it never does for positions that
// are not numbers; and an edge to nowhere is no edge.
Guards::Finding Guards::non_finite_position() const
{
  const auto *atom = lmp_->atom;
  Finding found;
  for (int i = 0; i < atom->nlocal; ++i) {
    if (is_finite(atom->x[i])) continue;
    // The one with the smallest ID, so that the message does not depend on the ranks.
    const double severity = NOWHERE + 1.0 / (1.0 + static_cast<double>(atom->tag[i]));
    if (severity <= found.severity) continue;
    found = {
        severity,
        at_step() +
            fmt::format("expected finite positions, got {} {} {} for atom {}: a fix or another "
                        "style gave it no finite force or velocity, or the time step is too "
                        "long",
                        atom->x[i][0], atom->x[i][1], atom->x[i][2], atom_name(i)) +
            last_restart()};
  }
  return found;
}

Guards::Finding Guards::too_close(const AtomGraph &atoms, Finding &warning) const
{
  const auto &graph = atoms.graph;
  const int *type = lmp_->atom->type;
  double nearest = 1.0, near = 1.0;    // squares over those of the limits
  int64_t stopped = -1, warned = -1;
  for (size_t e = 0; e < graph.n_edges(); ++e) {
    const double d = square(&graph.edge_vectors[3 * e]);
    const auto types = pair(type[atoms.atom_of_node[graph.centers[e]]],
                            type[atoms.atom_of_node[graph.neighbors[e]]]);
    if (d >= warn_square_[types]) continue;
    if (const double ratio = d / stop_square_[types]; ratio < nearest) {
      nearest = ratio;
      stopped = static_cast<int64_t>(e);
    }
    if (const double ratio = d / warn_square_[types]; ratio < near) {
      near = ratio;
      warned = static_cast<int64_t>(e);
    }
  }
  if (warned < 0) return {};
  const int64_t e = stopped >= 0 ? stopped : warned;
  const int i = atoms.atom_of_node[graph.centers[e]], j = atoms.atom_of_node[graph.neighbors[e]];
  const auto types = pair(type[i], type[j]);
  const double apart = std::sqrt(square(&graph.edge_vectors[3 * e]));
  const double shortest = std::sqrt(warn_square_[types]);
  if (stopped < 0) {
    warning = {2.0 - near,
               fmt::format("pair_style {}: step {}: atoms {} are {:.4g} A apart, closer than any "
                           "such pair of the training data ({:.4g} A): the forces there are "
                           "extrapolated (this is said once)",
                           style_, lmp_->update->ntimestep, pair_name(i, j), apart, shortest)};
    return {};
  }
  const std::string origin =
      limits_.distance ? "keyword min_distance"
                       : fmt::format("{:g} of the shortest in the training data, {:.4g} A",
                                     STOP_FRACTION, shortest);
  return {CLOSE + 1.0 - nearest,
          at_step() +
              fmt::format("expected atoms {} at least {:.4g} A apart ({}), got {:.4g} A: shorten "
                          "the time step, minimize a bad start first, or train on such "
                          "configurations; 'min_distance' sets the limit",
                          pair_name(i, j), std::sqrt(stop_square_[types]), origin, apart) +
              last_restart()};
}

Guards::Finding Guards::too_strong(const std::vector<double> &forces) const
{
  if (!watches_forces()) return {};
  double largest = max_force_;
  int atom = -1;
  for (size_t i = 0; i < forces.size() / 3; ++i) {
    const double size = std::sqrt(square(&forces[3 * i]));
    if (size <= largest) continue;    // NaN is stronger than all
    largest = size;
    atom = static_cast<int>(i);
    if (!std::isfinite(size)) break;
  }
  if (atom < 0) return {};
  const std::string origin =
      limits_.force ? " (keyword max_force)"
      : force_from_training_
          ? fmt::format(" ({:g} times the largest in the training data)", FORCE_FACTOR)
          : std::string();
  return {std::isfinite(largest) ? STRONG + 1.0 - max_force_ / largest : FAILURE,
          at_step() +
              fmt::format("expected forces of at most {:.4g} {}{}, got {:.4g} on atom {}: shorten "
                          "the time step, minimize a bad start first, or train on such "
                          "configurations; 'max_force' sets the limit",
                          max_force_, force_unit_, origin, largest, atom_name(atom)) +
              last_restart()};
}

double Guards::twice_kinetic(int i) const
{
  const auto *atom = lmp_->atom;
  const double mass = atom->rmass ? atom->rmass[i] : atom->mass[atom->type[i]];
  return mass * square(atom->v[i]);
}

// Three degrees of freedom belong to the centre of mass, as in compute temp; a drift of all atoms
// counts as heat. In the middle of a step: velocities are half a step old.
double Guards::temperature(double twice_kinetic) const
{
  const auto dimension = lmp_->domain->dimension;
  const auto n = static_cast<double>(std::max<bigint>(lmp_->atom->natoms - 1, 1));
  return twice_kinetic * lmp_->force->mvv2e / (dimension * n * lmp_->force->boltz);
}

void Guards::stop_if_hot(double temperature)
{
  // Written so that NaN is too hot.
  if (temperature <= limits_.temperature) return;
  const auto *atom = lmp_->atom;
  int fastest = -1;
  double most = -1.0;
  for (int i = 0; i < atom->nlocal; ++i) {
    const double kinetic = twice_kinetic(i);
    if (kinetic <= most) continue;    // NaN is fastest
    most = kinetic;
    fastest = i;
    if (!std::isfinite(kinetic)) break;
  }
  Finding mine;
  if (fastest >= 0)
    mine = {std::isfinite(most) ? 1.0 + most / (1.0 + most) : FAILURE,
            at_step() +
                fmt::format("expected a temperature of at most {:g} K (keyword max_temperature), "
                            "got {:.4g} K; the fastest atom is {}: shorten the time step, or look "
                            "at the start and the model",
                            limits_.temperature, temperature, atom_name(fastest)) +
                last_restart()};
  stop(mine);
}

// Atoms are lost when LAMMPS hands them from rank to rank, before forces are computed.
void Guards::stop_if_lost(bigint n_atoms)
{
  const auto *atom = lmp_->atom;
  if (n_atoms != atom->natoms) {
    const std::string sentence =
        at_step() +
        fmt::format("expected {} atoms, got {}{}: they left a box that is not periodic, or moved "
                    "too far between two neighbour lists: enlarge the box, shorten the time step, "
                    "use 'neigh_modify every 1 delay 0 check yes', or say 'lost_atoms ignore'",
                    atom->natoms, n_atoms, lost_atoms()) +
        last_restart();
    lmp_->error->all(FLERR, sentence);
  }
  if (lmp_->neighbor->ago == 0) tags_before_ = sorted_tags(atom);
}

// Those that left a rank and arrived on none. Collective; both lists are short.
std::string Guards::lost_atoms() const
{
  if (!lmp_->atom->tag_enable) return {};
  const auto now = sorted_tags(lmp_->atom);
  const auto departed = gathered(lmp_, without(tags_before_, now));
  const auto arrived = gathered(lmp_, without(now, tags_before_));
  const auto lost = without(departed, arrived);
  if (lost.empty()) return {};
  return fmt::format(", without atom {}{}", lost.front(),
                     lost.size() > 1 ? fmt::format(" and {} more", lost.size() - 1) : "");
}

// Of all ranks' findings the most severe one, on all ranks; of equal ones the first rank's.
Guards::Finding Guards::worst(Finding mine) const
{
  struct {
    double severity;
    int rank;
  } own = {mine.severity, lmp_->comm->me}, chosen;
  MPI_Allreduce(&own, &chosen, 1, MPI_DOUBLE_INT, MPI_MAXLOC, lmp_->world);
  int length = static_cast<int>(mine.sentence.size());
  MPI_Bcast(&length, 1, MPI_INT, chosen.rank, lmp_->world);
  mine.sentence.resize(length);
  MPI_Bcast(mine.sentence.data(), length, MPI_CHAR, chosen.rank, lmp_->world);
  return {chosen.severity, mine.sentence};
}

void Guards::stop(const Finding &mine)
{
  lmp_->error->all(FLERR, worst(mine).sentence);
}

std::string Guards::description() const
{
  if (!limits_.on) return {};
  std::string text = "non-finite numbers";
  if (limits_.lost_atoms) text += ", lost atoms";
  if (trials_) return text + " (forces, distances and temperatures not: a fix makes trial moves)";
  if (max_force_ > 0.0) text += fmt::format(", forces above {:.4g} {}", max_force_, force_unit_);
  if (limits_.distance && *limits_.distance > 0.0)
    text += fmt::format(", distances below {:g} A", *limits_.distance);
  if (distances_known_)
    text += fmt::format(", distances below {:g} of the training data's", STOP_FRACTION);
  if (limits_.temperature > 0.0)
    text += fmt::format(", temperatures above {:g} K", limits_.temperature);
  if (!limits_.distance && !distances_known_)
    text += " (no distances: the file does not state those of its training data)";
  return text;
}

}    // namespace egraff
