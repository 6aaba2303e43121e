#include "atom_graph.h"

#include "atom.h"
#include "lammps.h"
#include "neigh_list.h"

#include <utility>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

bool is_nearer(const double *d, double r_max)
{
  return d[0] * d[0] + d[1] * d[1] + d[2] * d[2] < r_max * r_max;
}

void clear(AtomGraph &result, size_t n_atoms)
{
  result.graph.edge_vectors.clear();
  result.graph.centers.clear();
  result.graph.neighbors.clear();
  result.atom_of_node.clear();
  result.node_of_atom.assign(n_atoms, -1);
}

void add_node(AtomGraph &result, int atom)
{
  result.node_of_atom[atom] = static_cast<int>(result.atom_of_node.size());
  result.atom_of_node.push_back(atom);
}

// Calls visit(j, d) for every neighbour j of atom i nearer than r_max for which known(j) holds; d =
// r_j - r_i.
template <typename Known, typename Visit> void for_neighbors(const Atom *atom,
                                                             const NeighList *list, Known known,
                                                             double r_max, int i, Visit visit)
{
  double **x = atom->x;
  const int *neighbors = list->firstneigh[i];
  for (int jj = 0; jj < list->numneigh[i]; ++jj) {
    const int j = neighbors[jj] & NEIGHMASK;
    if (!known(j)) continue;
    const double d[3] = {x[j][0] - x[i][0], x[j][1] - x[i][1], x[j][2] - x[i][2]};
    if (is_nearer(d, r_max)) visit(j, d);
  }
}

void add_edge(Graph &graph, int64_t center, int64_t neighbor, const double *d)
{
  graph.edge_vectors.insert(graph.edge_vectors.end(), d, d + 3);
  graph.centers.push_back(center);
  graph.neighbors.push_back(neighbor);
}

void reserve(Graph &graph, size_t n_edges)
{
  graph.edge_vectors.reserve(3 * n_edges);
  graph.centers.reserve(n_edges);
  graph.neighbors.reserve(n_edges);
}

}    // namespace

bool Seen::operator()(const Atom *atom, int i) const
{
  return types[atom->type[i]] && !(atom->mask[i] & absent_groups);
}

void collect_edges(LAMMPS *lmp, NeighList *list, double r_max, const NodePlan &plan,
                   AtomGraph &result)
{
  auto &graph = result.graph;
  const size_t edges_before = graph.n_edges();
  clear(result, 0);
  result.atom_of_node = plan.atom_of_node;
  result.node_of_atom = plan.node_of_atom;
  graph.n_local = graph.n_centers = plan.n_local;
  graph.n_all = plan.n_all;
  // From one step to the next the number changes little; a vector that grows by itself may take
  // twice the memory.
  reserve(graph, edges_before + edges_before / 64);
  for (int ii = 0; ii < list->inum; ++ii) {
    const int i = list->ilist[ii];
    const int center = result.node_of_atom[i];
    if (center < 0) continue;
    for_neighbors(
        lmp->atom, list, [&](int j) { return result.node_of_atom[j] >= 0; }, r_max, i,
        [&](int j, const double *d) { add_edge(graph, center, result.node_of_atom[j], d); });
  }
}

void collect_halo(LAMMPS *lmp, NeighList *list, const Seen &seen, double r_max, int layers,
                  AtomGraph &result)
{
  const auto *atom = lmp->atom;
  const int n_local = atom->nlocal;
  clear(result, n_local + atom->nghost);
  auto &graph = result.graph;
  for (int i = 0; i < n_local; ++i)
    if (seen(atom, i)) add_node(result, i);
  graph.n_local = static_cast<int64_t>(result.atom_of_node.size());

  // Breadth first: the nodes found in one round are the centres of the next.
  size_t begin = 0;
  for (int layer = 0; layer < layers; ++layer) {
    const size_t end = result.atom_of_node.size();
    for (size_t center = begin; center < end; ++center)
      for_neighbors(
          atom, list, [&](int j) { return seen(atom, j); }, r_max, result.atom_of_node[center],
          [&](int j, const double *d) {
            if (result.node_of_atom[j] < 0) add_node(result, j);
            add_edge(graph, static_cast<int64_t>(center), result.node_of_atom[j], d);
          });
    begin = end;
  }
  graph.n_all = graph.n_centers = static_cast<int64_t>(result.atom_of_node.size());
}

Graph nearer_than(const Graph &whole, double r_max)
{
  Graph near;
  near.n_local = whole.n_local;
  near.n_centers = whole.n_centers;
  near.n_all = whole.n_all;
  for (size_t e = 0; e < whole.n_edges(); ++e) {
    const double *d = &whole.edge_vectors[3 * e];
    if (is_nearer(d, r_max)) add_edge(near, whole.centers[e], whole.neighbors[e], d);
  }
  return near;
}

void spread_gradients(const Graph &whole, double r_max, Evaluation &evaluation)
{
  std::vector<double> spread(3 * whole.n_edges(), 0.0);
  size_t from = 0;
  for (size_t e = 0; e < whole.n_edges(); ++e)
    if (is_nearer(&whole.edge_vectors[3 * e], r_max))
      for (int k = 0; k < 3; ++k) spread[3 * e + k] = evaluation.edge_gradients[from++];
  evaluation.edge_gradients = std::move(spread);
}

}    // namespace egraff
