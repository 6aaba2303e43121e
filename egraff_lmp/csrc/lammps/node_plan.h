// Which atoms are the nodes of a graph, and whose they are: made once for a neighbour list.
//
// A ghost is an image of an atom. One whose atom is this rank's own is that atom's node; all images of
// an atom of another rank are one node, and only atoms that are in the neighbour list of an own atom
// are nodes at all. So a feature travels once, straight from its owner, and on one rank none does.

#pragma once

#include "lammps.h"
#include "lmptype.h"

#include <cstdint>
#include <vector>

namespace LAMMPS_NS {
class NeighList;
}    // namespace LAMMPS_NS

namespace egraff {

class RowExchange;
struct Seen;

struct NodePlan {
  // Another rank that this one exchanges rows with.
  struct Peer {
    int rank = 0;
    std::vector<int> sent;          // own nodes, in the order in which the peer holds them
    int first = 0, received = 0;    // its nodes here
  };

  int64_t n_local = 0, n_all = 0;    // own nodes come first, in LAMMPS' order
  std::vector<int> atom_of_node;     // of a ghost's node the first of its images
  std::vector<int> node_of_atom;     // local + ghost atoms; -1: not a node
  std::vector<Peer> peers;           // in the order of their ranks

  // Makes a plan, if on any rank the present one does not fit: LAMMPS has built its neighbour list
  // anew, or another atom is seen (Monte Carlo fixes change types between builds). Collective.
  void update(LAMMPS_NS::LAMMPS *lmp, LAMMPS_NS::NeighList *list, const Seen &seen,
              RowExchange &rows);

  // Before the first step of a run: the next update makes a plan.
  void forget() { builds_ = -1; }

 private:
  LAMMPS_NS::bigint builds_ = -1;    // LAMMPS' count when the plan was made

  bool fits(LAMMPS_NS::LAMMPS *lmp, const Seen &seen) const;
  void make(LAMMPS_NS::LAMMPS *lmp, LAMMPS_NS::NeighList *list, const Seen &seen,
            RowExchange &rows);
  void ask_owners(LAMMPS_NS::LAMMPS *lmp, const std::vector<int> &rank_of_ghost,
                  const std::vector<int> &index_of_ghost);
};

}    // namespace egraff
