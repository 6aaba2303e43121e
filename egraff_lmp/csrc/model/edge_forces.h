// From the gradient of the energy with respect to edge vectors to forces and virials.
//
// With g = dE/dr_ij and r_ij = r_j - r_i: F_i += g, F_j -= g, virial = -sum r_ij x g.

#pragma once

#include "deployed_model.h"

#include <vector>

namespace egraff {

// Components of the virial of an edge: xx, yy, zz, xy, xz, yz, then yx, zx, zy, the direction of r
// before that of g. Summed over all edges it is symmetric, and the first six suffice.
constexpr int VIRIAL_COMPONENTS = 9;
constexpr int SYMMETRIC_COMPONENTS = 6;

// Adds `unit` times the forces. `force_on(node)` points to the three components on a node.
// `gradients`: E x 3, as in Evaluation.
template <class ForceOn> void add_forces(const Graph &graph, const std::vector<double> &gradients,
                                         double unit, ForceOn force_on)
{
  for (size_t e = 0; e < graph.n_edges(); ++e) {
    double *on_center = force_on(graph.centers[e]), *on_neighbor = force_on(graph.neighbors[e]);
    for (int k = 0; k < 3; ++k) {
      const double g = unit * gradients[3 * e + k];
      on_center[k] += g;
      on_neighbor[k] -= g;
    }
  }
}

// Calls take(center, neighbor, virial) for every edge, with `unit` times its virial.
template <class Take>
void for_virials(const Graph &graph, const std::vector<double> &gradients, double unit, Take take)
{
  for (size_t e = 0; e < graph.n_edges(); ++e) {
    const double *r = &graph.edge_vectors[3 * e], *gradient = &gradients[3 * e];
    const double g[3] = {unit * gradient[0], unit * gradient[1], unit * gradient[2]};
    const double virial[VIRIAL_COMPONENTS] = {-r[0] * g[0], -r[1] * g[1], -r[2] * g[2],
                                              -r[0] * g[1], -r[0] * g[2], -r[1] * g[2],
                                              -r[1] * g[0], -r[2] * g[0], -r[2] * g[1]};
    take(graph.centers[e], graph.neighbors[e], virial);
  }
}

}    // namespace egraff
