#include "model_table.h"

#include "atom.h"
#include "comm.h"
#include "lammps.h"
#include "utils.h"

#include <mpi.h>

#include <algorithm>
#include <vector>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

std::string bytes_text(double bytes)
{
  if (bytes < 1e4) return fmt::format("{:.0f} B", bytes);
  if (bytes < 1e7) return fmt::format("{:.1f} kB", bytes / 1e3);
  if (bytes < 1e10) return fmt::format("{:.1f} MB", bytes / 1e6);
  return fmt::format("{:.1f} GB", bytes / 1e9);
}

std::string types_text(LAMMPS *lmp, const TableData &data)
{
  std::string text = "  type        mass  element\n";
  for (int type = 1; type <= lmp->atom->ntypes; ++type) {
    const std::string mass =
        lmp->atom->mass ? fmt::format("{:10.3f}", lmp->atom->mass[type]) : "  per atom";
    const auto &element = data.elements[type - 1];
    text += fmt::format("  {:<4}  {}  {}\n", type, mass,
                        element == "NULL" ? "NULL (another pair style)" : element);
  }
  return text;
}

double ratio(double a, double b)
{
  return b > 0.0 ? a / b : 1.0;
}

// Sums over ranks, the largest of a rank, and of each member the most memory that a rank's tensors took.
struct Totals {
  double sum[6];
  double largest[2];    // owned edges, peers
  std::vector<double> memory;
};

Totals reduce(LAMMPS *lmp, const TableData &data)
{
  const double sums[6] = {static_cast<double>(data.owned_edges),
                          static_cast<double>(data.halo_edges),
                          data.bytes_received,
                          static_cast<double>(data.nodes_local),
                          static_cast<double>(data.halo_nodes),
                          static_cast<double>(data.foreign_nodes)};
  const double most[2] = {sums[0], static_cast<double>(data.peers)};
  std::vector<double> own;
  for (const auto &member : data.members)
    own.push_back(static_cast<double>(member.evaluation.peak_bytes));
  Totals totals{{}, {}, std::vector<double>(own.size(), 0.0)};
  MPI_Reduce(sums, totals.sum, 6, MPI_DOUBLE, MPI_SUM, 0, lmp->world);
  MPI_Reduce(most, totals.largest, 2, MPI_DOUBLE, MPI_MAX, 0, lmp->world);
  MPI_Reduce(own.data(), totals.memory.data(), static_cast<int>(own.size()), MPI_DOUBLE, MPI_MAX, 0,
             lmp->world);
  return totals;
}

std::string member_text(const Member &member, const TableData &data, const Totals &totals)
{
  const auto &contract = member.contract();
  std::string text = fmt::format("egraff: {}\n", member.file);
  text += fmt::format("  {} {}, {} layer(s), r_max {:g} A, sha256 {:.12}\n", contract.architecture,
                      contract.dtype, contract.n_layers, contract.r_max, member.model->hash());
  const bool halo = member.needs_halo(data.exchange_allowed);
  const double evaluated = totals.sum[halo ? 1 : 0], owned = totals.sum[0];
  text += fmt::format("  edges evaluated / edges owned: {:.0f} / {:.0f} = {:.2f}\n", evaluated,
                      owned, ratio(evaluated, owned));
  if (halo && data.folded)
    text +=
        fmt::format("  no feature exchange in this file, nor needed on one rank; on more a halo of "
                    "{} x {:g} A\n",
                    contract.halo_layers, contract.r_max);
  else if (halo)
    text += fmt::format("  no feature exchange{}: a halo of {} x {:g} A, {:.1f} times the atoms\n",
                        member.can_exchange() ? " (exchange no)" : " in this file",
                        contract.halo_layers, contract.r_max, ratio(totals.sum[4], totals.sum[3]));
  return text;
}

}    // namespace

void print_table(LAMMPS *lmp, const TableData &data)
{
  const Totals totals = reduce(lmp, data);
  if (lmp->comm->me != 0) return;

  std::string text;
  double memory = 0.0;
  bool local = true;
  for (size_t m = 0; m < data.members.size(); ++m) {
    const auto &member = data.members[m];
    text += member_text(member, data, totals);
    const double own = totals.memory[m];
    if (data.members.size() > 1)
      text += fmt::format("  its first evaluation took {:.2g} s{}\n", member.seconds,
                          own > 0.0 ? " and about " + bytes_text(own) : std::string());
    // The tensors of one member are held at a time.
    memory = std::max(memory, own);
    local = local && member.contract().halo_layers <= 1;
  }
  text += types_text(lmp, data);
  if (data.members.size() > 1)
    text += fmt::format("  ensemble of {}: a step costs all of them, forces are their mean\n",
                        data.members.size());
  const auto &resources = data.resources;
  const std::string device =
      resources.device.cuda ? fmt::format("cuda:{}", resources.device.index) : "cpu";
  text += fmt::format("  {} rank(s) ({} on this node), device {}, {} thread(s) per rank\n",
                      lmp->comm->nprocs, resources.ranks_on_node, device, resources.threads);
  text += fmt::format("  exchanged a step: {}{}\n", bytes_text(totals.sum[2]),
                      local ? " (strictly local)" : "");
  if (lmp->comm->nprocs > 1) {
    text += fmt::format("  atoms held of other ranks: {:.0f}, of at most {:.0f} rank(s) each\n",
                        totals.sum[5], totals.largest[1]);
    text += fmt::format("  edges of the busiest rank / mean: {:.2f}\n",
                        ratio(totals.largest[0] * lmp->comm->nprocs, totals.sum[0]));
  }
  if (memory > 0.0)
    text += fmt::format("  memory of the network on the busiest rank, measured: {}\n",
                        bytes_text(memory));
  if (!data.guards.empty()) text += "  the run ends at: " + data.guards + "\n";
  utils::logmesg(lmp, text);
}

}    // namespace egraff
