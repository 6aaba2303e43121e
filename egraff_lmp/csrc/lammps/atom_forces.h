// Forces of a model on the atoms of LAMMPS.

#pragma once

#include "atom_graph.h"
#include "row_exchange.h"

#include <vector>

namespace egraff {

// Forces on atoms (local + ghost, 3 each) from the gradients of the edges, ghosts' parts sent to
// their owners. Collective.
std::vector<double> atom_forces(const AtomGraph &atoms, const std::vector<double> &edge_gradients,
                                RowExchange &rows);

}    // namespace egraff
