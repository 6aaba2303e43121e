#include "node_plan.h"

#include "atom_graph.h"
#include "row_exchange.h"

#include "atom.h"
#include "comm.h"
#include "neigh_list.h"
#include "neighbor.h"

#include <mpi.h>

#include <algorithm>
#include <tuple>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

constexpr int TAG = 7431;
constexpr int NOT_SEEN = -1;    // in the place of an owner's rank

// A ghost in the neighbour list: its owner, its place there, and its own place.
using Ghost = std::tuple<int, int, int>;

// Ghosts in the list of a local atom that is seen, each once.
std::vector<int> ghosts_in_list(const Atom *atom, const NeighList *list, const Seen &seen)
{
  std::vector<char> found(atom->nlocal + atom->nghost, 0);
  std::vector<int> ghosts;
  for (int ii = 0; ii < list->inum; ++ii) {
    const int i = list->ilist[ii];
    if (!seen(atom, i)) continue;
    for (int jj = 0; jj < list->numneigh[i]; ++jj) {
      const int j = list->firstneigh[i][jj] & NEIGHMASK;
      if (j < atom->nlocal || found[j]) continue;
      found[j] = 1;
      ghosts.push_back(j);
    }
  }
  return ghosts;
}

}    // namespace

void NodePlan::update(LAMMPS *lmp, NeighList *list, const Seen &seen, RowExchange &rows)
{
  const int stale = !fits(lmp, seen);
  int any = 0;
  MPI_Allreduce(&stale, &any, 1, MPI_INT, MPI_MAX, lmp->world);
  if (any) make(lmp, list, seen, rows);
}

bool NodePlan::fits(LAMMPS *lmp, const Seen &seen) const
{
  const auto *atom = lmp->atom;
  // Every setup sets the count of builds to zero, which a rerun does with every frame; `ago` is zero
  // from a build to the next step.
  if (lmp->neighbor->ago == 0 || builds_ != lmp->neighbor->ncalls ||
      node_of_atom.size() != static_cast<size_t>(atom->nlocal + atom->nghost))
    return false;
  for (int i = 0; i < atom->nlocal; ++i)
    if (seen(atom, i) != (node_of_atom[i] >= 0)) return false;
  return true;
}

void NodePlan::make(LAMMPS *lmp, NeighList *list, const Seen &seen, RowExchange &rows)
{
  const auto *atom = lmp->atom;
  const int n_local_atoms = atom->nlocal, n_atoms = n_local_atoms + atom->nghost;
  const int me = lmp->comm->me;
  builds_ = lmp->neighbor->ncalls;
  // Rank and index of every atom's owner. The owner says whether the atom is seen: a ghost carries
  // the groups of the last exchange.
  std::vector<double> owners(2 * static_cast<size_t>(n_atoms));
  for (int i = 0; i < n_local_atoms; ++i) {
    owners[2 * static_cast<size_t>(i)] = seen(atom, i) ? me : NOT_SEEN;
    owners[2 * static_cast<size_t>(i) + 1] = i;
  }
  rows.atoms_to_ghosts(owners.data(), 2);

  node_of_atom.assign(n_atoms, -1);
  atom_of_node.clear();
  for (int i = 0; i < n_local_atoms; ++i) {
    if (!seen(atom, i)) continue;
    node_of_atom[i] = static_cast<int>(atom_of_node.size());
    atom_of_node.push_back(i);
  }
  n_local = static_cast<int64_t>(atom_of_node.size());

  std::vector<Ghost> ghosts;
  for (const int j : ghosts_in_list(atom, list, seen)) {
    const auto at = 2 * static_cast<size_t>(j);
    const int rank = static_cast<int>(owners[at]), index = static_cast<int>(owners[at + 1]);
    if (rank == NOT_SEEN) continue;
    if (rank == me)
      node_of_atom[j] = node_of_atom[index];
    else
      ghosts.emplace_back(rank, index, j);
  }
  std::sort(ghosts.begin(), ghosts.end());
  std::vector<int> ranks, indices;
  for (const auto &[rank, index, j] : ghosts) {
    if (ranks.empty() || ranks.back() != rank || indices.back() != index) {
      ranks.push_back(rank);
      indices.push_back(index);
      atom_of_node.push_back(j);
    }
    node_of_atom[j] = static_cast<int>(atom_of_node.size()) - 1;
  }
  n_all = static_cast<int64_t>(atom_of_node.size());
  ask_owners(lmp, ranks, indices);
}

// Every rank tells the owners of its ghosts which of their atoms it holds.
void NodePlan::ask_owners(LAMMPS *lmp, const std::vector<int> &rank_of_ghost,
                          const std::vector<int> &index_of_ghost)
{
  const int n_ranks = lmp->comm->nprocs;
  std::vector<int> wanted(n_ranks, 0), asked(n_ranks, 0);
  for (const int rank : rank_of_ghost) ++wanted[rank];
  MPI_Alltoall(wanted.data(), 1, MPI_INT, asked.data(), 1, MPI_INT, lmp->world);
  peers.clear();
  int first = 0;
  for (int rank = 0; rank < n_ranks; ++rank) {
    if (!wanted[rank] && !asked[rank]) continue;
    peers.push_back(
        {rank, std::vector<int>(asked[rank]), static_cast<int>(n_local) + first, wanted[rank]});
    first += wanted[rank];
  }
  std::vector<MPI_Request> requests;
  first = 0;
  for (auto &peer : peers) {
    requests.emplace_back();
    MPI_Irecv(peer.sent.data(), static_cast<int>(peer.sent.size()), MPI_INT, peer.rank, TAG,
              lmp->world, &requests.back());
    requests.emplace_back();
    MPI_Isend(index_of_ghost.data() + first, peer.received, MPI_INT, peer.rank, TAG, lmp->world,
              &requests.back());
    first += peer.received;
  }
  MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE);
  for (auto &peer : peers)
    for (int &index : peer.sent) index = node_of_atom[index];
}

}    // namespace egraff
