#include "model_table.h"

#include "atom.h"
#include "comm.h"
#include "lammps.h"
#include "utils.h"

#include <mpi.h>

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
  const auto &contract = data.model.contract();
  std::string text = "  type        mass  element\n";
  for (int type = 1; type <= lmp->atom->ntypes; ++type) {
    const std::string mass =
        lmp->atom->mass ? fmt::format("{:10.3f}", lmp->atom->mass[type]) : "  per atom";
    text +=
        fmt::format("  {:<4}  {}  {}\n", type, mass, contract.species[data.species_of_type[type]]);
  }
  return text;
}

}    // namespace

void print_table(LAMMPS *lmp, const TableData &data)
{
  const auto &contract = data.model.contract();
  const auto edges = static_cast<double>(data.edges);
  double sums[3] = {edges, static_cast<double>(data.owned_edges), data.bytes_received}, totals[3];
  MPI_Reduce(sums, totals, 3, MPI_DOUBLE, MPI_SUM, 0, lmp->world);
  double busiest = 0.0;
  MPI_Reduce(&edges, &busiest, 1, MPI_DOUBLE, MPI_MAX, 0, lmp->world);
  if (lmp->comm->me != 0) return;

  const double owned = totals[1];
  const auto &resources = data.resources;
  const std::string device =
      resources.device.cuda ? fmt::format("cuda:{}", resources.device.index) : "cpu";
  std::string text = fmt::format("egraff: {}\n", data.file);
  text += fmt::format("  {} {}, {} layer(s), r_max {:g} A, sha256 {:.12}\n", contract.architecture,
                      contract.dtype, contract.n_layers, contract.r_max, data.model.hash());
  text += types_text(lmp, data);
  text += fmt::format("  {} rank(s) ({} on this node), device {}, {} thread(s) per rank\n",
                      lmp->comm->nprocs, resources.ranks_on_node, device, resources.threads);
  text += fmt::format("  edges evaluated / edges owned: {:.0f} / {:.0f} = {:.2f}\n", totals[0],
                      owned, owned > 0.0 ? totals[0] / owned : 1.0);
  text += fmt::format("  exchanged a step: {}{}\n", bytes_text(totals[2]),
                      contract.exchange_widths.empty() ? " (strictly local)" : "");
  text += fmt::format("  memory of the busiest rank, estimated: {}\n",
                      bytes_text(busiest * contract.memory_bytes_per_edge));
  utils::logmesg(lmp, text);
}

}    // namespace egraff
