// From LAMMPS' neighbour list to the graph that a network sees.

#pragma once

#include "deployed_model.h"
#include "node_plan.h"

#include <vector>

namespace LAMMPS_NS {
class Atom;
class LAMMPS;
class NeighList;
}    // namespace LAMMPS_NS

namespace egraff {

// Nodes are atoms whose type the models know; local ones come first, in LAMMPS' order. An edge has its
// own vector, so that two atoms may have several, and boxes below the cutoff need nothing special.
struct AtomGraph {
  Graph graph;
  std::vector<int> atom_of_node;    // graph.n_all
  std::vector<int> node_of_atom;    // local + ghost atoms; -1: not a node
};

// Which atoms the models see.
struct Seen {
  std::vector<bool> types;    // per LAMMPS type
  int absent_groups = 0;      // group bits of atoms that are left out

  bool operator()(const LAMMPS_NS::Atom *atom, int i) const;
};

// All nodes of the plan nearer than r_max, at the moment, to its local nodes.
void collect_edges(LAMMPS_NS::LAMMPS *lmp, LAMMPS_NS::NeighList *list, double r_max,
                   const NodePlan &plan, AtomGraph &result);

// The same with the edges of ghosts up to `layers` - 1 edges away from a local atom, for a network
// that does not exchange: every node is a centre. `list` must hold the neighbours of ghosts.
void collect_halo(LAMMPS_NS::LAMMPS *lmp, LAMMPS_NS::NeighList *list, const Seen &seen,
                  double r_max, int layers, AtomGraph &result);

// `whole` without the edges from r_max on, and the way back: `evaluation.edge_gradients` of the
// nearer edges to those of `whole`, zero for the others.
Graph nearer_than(const Graph &whole, double r_max);
void spread_gradients(const Graph &whole, double r_max, Evaluation &evaluation);

}    // namespace egraff
