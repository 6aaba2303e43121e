#include "atom_forces.h"

#include "edge_forces.h"

namespace egraff {

std::vector<double> atom_forces(const AtomGraph &atoms, const std::vector<double> &edge_gradients,
                                RowExchange &rows)
{
  std::vector<double> forces(3 * atoms.node_of_atom.size(), 0.0);
  add_forces(atoms.graph, edge_gradients, 1.0,
             [&](int64_t node) { return &forces[3 * atoms.atom_of_node[node]]; });
  rows.ghosts_to_atoms(forces.data(), 3);
  return forces;
}

}    // namespace egraff
