#include "deviation.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "error.h"
#include "lammps.h"
#include "timer.h"
#include "update.h"
#include "utils.h"

#include <mpi.h>

#include <cmath>
#include <cstdio>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

constexpr int COLUMNS = 6;    // id, type, unwrapped position, deviation

std::string box_text(const Domain *domain)
{
  char boundary[16];
  // "pp pp pp" and the like.
  int at = 0;
  for (int d = 0; d < 3; ++d)
    for (int side = 0; side < 2; ++side) {
      boundary[at++] = "pfsm"[domain->boundary[d][side]];
      if (side == 1) boundary[at++] = d < 2 ? ' ' : '\0';
    }
  const double tilt[3] = {domain->xy, domain->xz, domain->yz};
  std::string text =
      fmt::format("ITEM: BOX BOUNDS {}{}\n", domain->triclinic ? "xy xz yz " : "", boundary);
  for (int d = 0; d < 3; ++d)
    text += domain->triclinic
                ? fmt::format("{:.17g} {:.17g} {:.17g}\n", domain->boxlo_bound[d],
                              domain->boxhi_bound[d], tilt[d])
                : fmt::format("{:.17g} {:.17g}\n", domain->boxlo[d], domain->boxhi[d]);
  return text;
}

// All atoms' rows on rank 0, nothing elsewhere.
std::vector<double> gather_rows(LAMMPS *lmp, const std::vector<double> &deviation)
{
  auto *atom = lmp->atom;
  std::vector<double> mine, all;
  for (int i = 0; i < atom->nlocal; ++i) {
    double x[3];
    lmp->domain->unmap(atom->x[i], atom->image[i], x);
    mine.insert(mine.end(), {static_cast<double>(atom->tag_enable ? atom->tag[i] : 0),
                             static_cast<double>(atom->type[i]), x[0], x[1], x[2], deviation[i]});
  }
  const int count = static_cast<int>(mine.size());
  std::vector<int> counts(lmp->comm->nprocs), starts(lmp->comm->nprocs, 0);
  MPI_Gather(&count, 1, MPI_INT, counts.data(), 1, MPI_INT, 0, lmp->world);
  for (size_t r = 1; r < counts.size(); ++r) starts[r] = starts[r - 1] + counts[r - 1];
  if (lmp->comm->me == 0) all.resize(starts.back() + counts.back());
  MPI_Gatherv(mine.data(), count, MPI_DOUBLE, all.data(), counts.data(), starts.data(), MPI_DOUBLE,
              0, lmp->world);
  return all;
}

// One frame in the format of `dump custom`. Written at once, so that a kill leaves whole frames.
void append_frame(LAMMPS *lmp, const DeviationLimit &limit, const std::vector<double> &deviation,
                  const std::vector<std::string> &type_names)
{
  const auto rows = gather_rows(lmp, deviation);
  int written = 1;
  if (lmp->comm->me == 0) {
    std::string text = fmt::format("ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{}\n",
                                   lmp->update->ntimestep, rows.size() / COLUMNS);
    text += box_text(lmp->domain) + "ITEM: ATOMS id type element xu yu zu deviation\n";
    for (size_t r = 0; r < rows.size(); r += COLUMNS) {
      const auto type = static_cast<size_t>(rows[r + 1]);
      text += fmt::format("{:.0f} {} {} {:.17g} {:.17g} {:.17g} {:.17g}\n", rows[r], type,
                          type_names[type], rows[r + 2], rows[r + 3], rows[r + 4], rows[r + 5]);
    }
    FILE *stream = std::fopen(limit.file.c_str(), "a");
    written = stream && std::fwrite(text.data(), 1, text.size(), stream) == text.size();
    if (stream && std::fclose(stream) != 0) written = 0;
  }
  MPI_Bcast(&written, 1, MPI_INT, 0, lmp->world);
  if (!written)
    lmp->error->all(FLERR,
                    "pair_style {}: expected to append frames to '{}' (keyword deviation), got "
                    "no access: check the folder and the free space",
                    limit.style, limit.file);
}

}    // namespace

std::vector<double> force_deviation(const EnsembleForces &forces)
{
  const size_t n = forces.members.front().size();
  const auto members = static_cast<double>(forces.members.size());
  std::vector<double> deviation(n / 3, 0.0);
  for (size_t k = 0; k < n; ++k) {
    double mean = 0.0, square = 0.0;
    for (const auto &member : forces.members) mean += member[k] / members;
    for (const auto &member : forces.members)
      square += (member[k] - mean) * (member[k] - mean) / members;
    deviation[k / 3] += square;
  }
  for (auto &value : deviation) value = std::sqrt(value);
  return deviation;
}

void DeviationWatch::inspect(LAMMPS *lmp, const DeviationLimit &limit,
                             const std::vector<double> &deviation,
                             const std::vector<std::string> &type_names)
{
  if (limit.value == 0.0) return;
  struct {
    double value;
    int rank;
  } mine = {-1.0, lmp->comm->me}, largest;
  bigint id = 0;
  for (size_t i = 0; i < deviation.size(); ++i)
    if (deviation[i] > mine.value) {
      mine.value = deviation[i];
      id = lmp->atom->tag_enable ? lmp->atom->tag[i] : 0;
    }
  MPI_Allreduce(&mine, &largest, 1, MPI_DOUBLE_INT, MPI_MAXLOC, lmp->world);
  const bool above = largest.value > limit.value;
  if (above && !above_) {
    MPI_Bcast(&id, 1, MPI_LMP_BIGINT, largest.rank, lmp->world);
    if (lmp->comm->me == 0)
      utils::logmesg(lmp,
                     "egraff: step {}: the ensemble's forces on atom {} deviate by {:.4g}, beyond "
                     "the limit of {:.4g}: {}\n",
                     lmp->update->ntimestep, id, largest.value, limit.value,
                     limit.file.empty() ? "the run ends here" : "frame written to " + limit.file);
    if (limit.file.empty())
      lmp->timer->force_timeout();    // as fix halt does: output is written, the deck goes on
    else
      append_frame(lmp, limit, deviation, type_names);
  }
  above_ = above;
}

}    // namespace egraff
