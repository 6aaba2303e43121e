#include "checks.h"

#include "atom_forces.h"
#include "edge_forces.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "lammps.h"
#include "lmptype.h"
#include "utils.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

// Central differences err by h^2 times the third derivative, and by the rounding of the energies
// over h; float32 energies are good to about 1e-6 eV an atom, so its steps are larger.
struct Precision {
  double displacement;    // A
  double strain;
  double derivative;    // limit, relative to the largest force or virial component (at least 1)
  double exchange;      // limit for exchange against halo, relative to the largest force
};
constexpr Precision FLOAT64 = {1e-4, 1e-5, 1e-4, 1e-9};
constexpr Precision FLOAT32 = {1e-2, 1e-3, 5e-2, 1e-4};
constexpr int CHECKED_ATOMS = 3;
constexpr int VOIGT[SYMMETRIC_COMPONENTS][2] = {{0, 0}, {1, 1}, {2, 2}, {0, 1}, {0, 2}, {1, 2}};

// Of NaN and a number std::max keeps the one or the other by chance of order, MPI_MAX likewise.
double or_infinite(double value)
{
  return std::isfinite(value) ? value : std::numeric_limits<double>::infinity();
}

class Check {
 public:
  Check(LAMMPS *lmp, Member &member, const CheckInput &input) :
      lmp_(lmp), member_(member), input_(input),
      precision_(member.contract().dtype == "float64" ? FLOAT64 : FLOAT32), moved_(input.atoms)
  {}

  void run()
  {
    // A copy: the coming evaluations overwrite it.
    const Evaluation result = member_.evaluation;
    const auto forces = atom_forces(input_.atoms, result.edge_gradients, input_.rows);
    scale_ = std::max(1.0, largest(forces));
    if (lmp_->comm->me == 0) utils::logmesg(lmp_, "egraff: checks of {}\n", member_.file);
    check_forces(forces);
    check_virial(result);
    if (input_.halo) check_halo(result, forces);
    member_.evaluation = result;
  }

 private:
  LAMMPS *lmp_;
  Member &member_;
  const CheckInput &input_;
  const Precision &precision_;
  AtomGraph moved_;
  double scale_ = 1.0;

  // Over the local atoms of all ranks.
  double largest(const std::vector<double> &values) const
  {
    double mine = 0.0, all = 0.0;
    for (int k = 0; k < 3 * lmp_->atom->nlocal; ++k)
      mine = std::max(mine, or_infinite(std::abs(values[k])));
    MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_MAX, lmp_->world);
    return all;
  }

  std::vector<double> energies(const AtomGraph &atoms, ExchangeHost *host)
  {
    std::string failure;
    try {
      member_.evaluate(atoms, lmp_->atom->type, input_.r_max, host);
    } catch (const std::exception &error) {
      failure = "pair_style " + member_.style + ": the check of " + member_.file +
                " failed: " + error.what();
      if (host && input_.exchanges && lmp_->comm->nprocs > 1) lmp_->error->one(FLERR, failure);
    }
    all_or_error(lmp_, failure);
    return member_.evaluation.energies;
  }

  ExchangeHost *host() { return input_.own_centers ? &input_.rows : nullptr; }

  // dE/dh of all ranks' energy when every edge vector r changes to r + h * change(edge).
  template <typename Change> double derivative(double h, Change change)
  {
    const auto &edges = input_.atoms.graph;
    std::vector<double> sums[2];
    for (const int sign : {1, -1}) {
      for (size_t e = 0; e < edges.n_edges(); ++e) {
        const auto d = change(e);
        for (int k = 0; k < 3; ++k)
          moved_.graph.edge_vectors[3 * e + k] = edges.edge_vectors[3 * e + k] + sign * h * d[k];
      }
      sums[sign < 0] = energies(moved_, host());
    }
    // Differences of each atom first: the total is thousands of eV.
    double mine = 0.0, all = 0.0;
    for (size_t i = 0; i < sums[0].size(); ++i) mine += sums[0][i] - sums[1][i];
    MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_SUM, lmp_->world);
    return all / (2.0 * h);
  }

  // `reason` says what a failure means; it is called on all ranks.
  template <typename Reason> void report(const std::string &what, double difference, double limit,
                                         const char *unit, Reason reason)
  {
    if (lmp_->comm->me == 0)
      utils::logmesg(lmp_, "  {:<46} {:9.2e} {}  (limit {:.0e})\n", what, difference, unit, limit);
    if (std::isfinite(difference) && difference <= limit) return;
    const std::string meaning = reason();
    lmp_->error->all(FLERR,
                     "pair_style {}: check of {} failed: {}: expected at most {:.2e} {}, got "
                     "{:.2e}: {}",
                     member_.style, member_.file, what, limit, unit, difference, meaning);
  }

  // Where a derivative misses its limit: a wrong derivative, or an energy that has none? That of a
  // smooth energy hardly changes with the step. `slope(h)` is the numerical derivative.
  template <typename Slope>
  std::string diagnosis(const char *what, const char *unit, double limit, double h, Slope slope)
  {
    const double change = std::abs(slope(h) - slope(0.5 * h));
    if (change > 0.5 * limit)
      return fmt::format("the energy is not smooth at this configuration, its numerical derivative "
                         "changes by {:.2e} {} when the step is halved: the model is rough here, "
                         "as it can be at perfectly symmetric sites and outside of its training "
                         "data; displace the atoms a little, or use another model",
                         change, unit);
    return fmt::format("the {} not the derivative of the energy at this configuration: deploy the "
                       "model again, and report this if it stays",
                       what);
  }

  // The atoms with the largest forces, one at a time, each moved along all three directions.
  void check_forces(std::vector<double> forces)
  {
    const int n_local = lmp_->atom->nlocal;
    const std::vector<double> original = forces;
    double worst = -1.0;
    int worst_atom = -1, worst_k = 0;    // -1 on the ranks that do not own it
    bigint n_nodes = input_.atoms.graph.n_local, total = 0;
    MPI_Allreduce(&n_nodes, &total, 1, MPI_LMP_BIGINT, MPI_SUM, lmp_->world);
    const int n_checked = static_cast<int>(std::min<bigint>(CHECKED_ATOMS, total));
    for (int count = 0; count < n_checked; ++count) {
      struct {
        double size;
        int rank;
      } mine = {-1.0, lmp_->comm->me}, chosen;
      int atom = -1;
      for (int i = 0; i < n_local; ++i) {
        if (input_.atoms.node_of_atom[i] < 0) continue;
        const double size =
            std::abs(forces[3 * i]) + std::abs(forces[3 * i + 1]) + std::abs(forces[3 * i + 2]);
        if (size > mine.size) {
          mine.size = size;
          atom = i;
        }
      }
      MPI_Allreduce(&mine, &chosen, 1, MPI_DOUBLE_INT, MPI_MAXLOC, lmp_->world);
      if (chosen.rank != lmp_->comm->me) atom = -1;
      for (int k = 0; k < 3; ++k) {
        const double error = force_error(original, atom, k);
        if (error <= worst) continue;
        worst = error;
        worst_atom = atom;
        worst_k = k;
      }
      if (atom >= 0) forces[3 * atom] = forces[3 * atom + 1] = forces[3 * atom + 2] = 0.0;
    }
    const double limit = precision_.derivative * scale_;
    report(fmt::format("forces, finite differences on {} atom(s)", n_checked), std::max(worst, 0.0),
           limit, "eV/A", [&] {
             return diagnosis("forces are", "eV/A", limit, precision_.displacement,
                              [&](double h) { return force_slope(worst_atom, worst_k, h); });
           });
  }

  // |F_k + dE/dx_k| of an atom of this rank (-1 on the others).
  double force_error(const std::vector<double> &forces, int atom, int k)
  {
    const double slope = force_slope(atom, k, precision_.displacement);
    double mine = atom >= 0 ? or_infinite(std::abs(forces[3 * atom + k] + slope)) : 0.0, all = 0.0;
    MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_MAX, lmp_->world);
    return all;
  }

  // dE/dx_k by central differences of step h.
  double force_slope(int atom, int k, double h)
  {
    const auto &atoms = input_.atoms;
    std::vector<double> move(3 * atoms.node_of_atom.size(), 0.0);
    if (atom >= 0) move[3 * atom + k] = 1.0;
    input_.rows.atoms_to_ghosts(move.data(), 3);
    return derivative(h, [&](size_t e) {
      const double *from = &move[3 * atoms.atom_of_node[atoms.graph.centers[e]]];
      const double *to = &move[3 * atoms.atom_of_node[atoms.graph.neighbors[e]]];
      return std::array<double, 3>{to[0] - from[0], to[1] - from[1], to[2] - from[2]};
    });
  }

  // Against -dE/d(strain).
  void check_virial(const Evaluation &result)
  {
    double mine[SYMMETRIC_COMPONENTS] = {}, virial[SYMMETRIC_COMPONENTS];
    double worst = -1.0, size = 1.0;
    int worst_v = 0;
    for_virials(input_.atoms.graph, result.edge_gradients, 1.0,
                [&](int64_t, int64_t, const double *of_edge) {
                  for (int v = 0; v < SYMMETRIC_COMPONENTS; ++v) mine[v] += of_edge[v];
                });
    MPI_Allreduce(mine, virial, SYMMETRIC_COMPONENTS, MPI_DOUBLE, MPI_SUM, lmp_->world);
    for (const double value : virial) size = std::max(size, std::abs(value));
    for (int v = 0; v < SYMMETRIC_COMPONENTS; ++v) {
      const double error = or_infinite(std::abs(strain_slope(v, precision_.strain) + virial[v]));
      if (error > worst) worst_v = v;
      worst = std::max(worst, error);
    }
    const double limit = precision_.derivative * size;
    report("virial, finite strain", worst, limit, "eV", [&] {
      return diagnosis("components of the virial are", "eV", limit, precision_.strain,
                       [&](double h) { return strain_slope(worst_v, h); });
    });
  }

  // dE/d(strain) of one component by central differences of step h.
  double strain_slope(int v, double h)
  {
    const auto &vectors = input_.atoms.graph.edge_vectors;
    const int a = VOIGT[v][0], b = VOIGT[v][1];
    return derivative(h, [&](size_t e) {
      std::array<double, 3> d = {0.0, 0.0, 0.0};
      d[a] += 0.5 * vectors[3 * e + b];
      d[b] += 0.5 * vectors[3 * e + a];
      return d;
    });
  }

  void check_halo(const Evaluation &result, const std::vector<double> &forces)
  {
    energies(*input_.halo, nullptr);
    auto other = atom_forces(*input_.halo, member_.evaluation.edge_gradients, input_.rows);
    for (size_t k = 0; k < other.size(); ++k) other[k] -= forces[k];
    double difference = largest(other), mine = 0.0, all = 0.0;
    for (size_t i = 0; i < result.energies.size(); ++i)
      mine = std::max(mine,
                      or_infinite(std::abs(result.energies[i] - member_.evaluation.energies[i])));
    MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE, MPI_MAX, lmp_->world);
    difference = std::max(difference, all);
    report(fmt::format("feature exchange, against a halo of {} x {:g} A",
                       member_.contract().halo_layers, member_.contract().r_max),
           difference, precision_.exchange * scale_, "eV/A", [] {
             return std::string("features of ghost atoms are not those of their owners: deploy "
                                "the model again, and report this if it stays");
           });
  }
};

}    // namespace

void check_member(LAMMPS *lmp, Member &member, const CheckInput &input)
{
  Check(lmp, member, input).run();
}

}    // namespace egraff
