#include "resources.h"

#include "comm.h"
#include "error.h"
#include "lammps.h"
#include "universe.h"

#include <mpi.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

using CoreMask = std::array<uint64_t, CPU_SETSIZE / 64>;

CoreMask my_cores()
{
  CoreMask mask{};
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return mask;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) mask[core / 64] |= uint64_t(1) << (core % 64);
  return mask;
}

int count(const CoreMask &mask)
{
  int cores = 0;
  for (const uint64_t word : mask) cores += __builtin_popcountll(word);
  return std::max(cores, 1);
}

// A user who sets OMP_NUM_THREADS means it as an upper bound.
int threads_from_environment(int fallback)
{
  const char *text = std::getenv("OMP_NUM_THREADS");
  const int wanted = text ? std::atoi(text) : 0;
  return wanted > 0 ? std::min(wanted, fallback) : fallback;
}

// The first of these variables that holds a number from `least` on, or -1.
int number_from(std::initializer_list<const char *> names, int least)
{
  for (const char *name : names)
    if (const char *text = std::getenv(name); text && *text >= '0' && *text <= '9')
      if (const int number = std::atoi(text); number >= least) return number;
  return -1;
}

// Several LAMMPS instances, or partitions of one, share the cores and GPUs of a node, and must not be
// asked by a collective call: they need not run the same commands. The launcher knows how many ranks
// it started here, and this one's place among them, however it dealt ranks to nodes.
int launched_on_node(LAMMPS *lmp)
{
  const int ranks = number_from(
      {"MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE"}, 1);
  if (ranks > 0) return ranks;
  return lmp->universe->nworlds > 1 ? lmp->universe->nprocs : 1;
}

int place_on_node(LAMMPS *lmp)
{
  const int place = number_from({"MPI_LOCALRANKID", "OMPI_COMM_WORLD_LOCAL_RANK",
                                 "MV2_COMM_WORLD_LOCAL_RANK", "SLURM_LOCALID"},
                                0);
  return place >= 0 ? place : lmp->universe->me;
}

Device choose_device(LAMMPS *lmp, const std::string &style, DeviceChoice choice, int rank_on_node,
                     int ranks_on_node)
{
  const int gpus = choice == DeviceChoice::CPU ? 0 : cuda_device_count();
  if (gpus == 0) {
    if (choice == DeviceChoice::CUDA)
      throw UserError("pair_style " + style +
                      ": expected a GPU for 'device cuda', got none that torch can "
                      "use: use 'device cpu', or install a CUDA build of torch and its driver");
    return {};
  }
  // Replicas (-partition, NEB) share the GPUs of their node.
  const auto *universe = lmp->universe;
  const int place = universe->nworlds > 1 ? place_on_node(lmp) : rank_on_node;
  if (universe->nworlds == 1 && choice == DeviceChoice::CUDA && ranks_on_node > gpus)
    throw UserError("pair_style " + style + ": expected at most one rank to a GPU, got " +
                    std::to_string(ranks_on_node) + " ranks for " + std::to_string(gpus) +
                    " GPU(s) on a node: start fewer ranks, or use 'device cpu'");
  return {true, place % gpus};
}

}    // namespace

Resources claim_resources(LAMMPS *lmp, const std::string &style, DeviceChoice choice,
                          int threads_wanted)
{
  Resources resources;
  MPI_Comm node;
  MPI_Comm_split_type(lmp->world, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node);
  int rank_on_node = 0;
  MPI_Comm_rank(node, &rank_on_node);
  MPI_Comm_size(node, &resources.ranks_on_node);
  const CoreMask mine = my_cores();
  CoreMask all{};
  MPI_Allreduce(mine.data(), all.data(), static_cast<int>(all.size()), MPI_UINT64_T, MPI_BOR, node);
  MPI_Comm_free(&node);

  resources.cores_on_node = count(all);
  const int share =
      std::max(1, std::min(resources.cores_on_node / resources.ranks_on_node, count(mine)));
  if (threads_wanted > share)
    throw UserError("pair_style " + style + ": expected at most " + std::to_string(share) +
                    " thread(s) per rank (" + std::to_string(resources.cores_on_node) + " cores, " +
                    std::to_string(resources.ranks_on_node) +
                    " ranks on this node), got 'threads " + std::to_string(threads_wanted) +
                    "': use 'threads auto' or fewer ranks");
  const int fair =
      std::max(1, std::min(share, resources.cores_on_node /
                                      std::max(resources.ranks_on_node, launched_on_node(lmp))));
  resources.threads = threads_wanted ? threads_wanted : threads_from_environment(fair);
  resources.device = choose_device(lmp, style, choice, rank_on_node, resources.ranks_on_node);
  return resources;
}

void all_or_error(LAMMPS *lmp, const std::string &failure)
{
  int me = 0, size = 0;
  MPI_Comm_rank(lmp->world, &me);
  MPI_Comm_size(lmp->world, &size);
  const int mine = failure.empty() ? size : me;
  int first = size;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, lmp->world);
  if (first == size) return;
  int length = static_cast<int>(failure.size());
  MPI_Bcast(&length, 1, MPI_INT, first, lmp->world);
  std::string message = failure;
  message.resize(length);
  MPI_Bcast(message.data(), length, MPI_CHAR, first, lmp->world);
  lmp->error->all(FLERR, message);
}

}    // namespace egraff
