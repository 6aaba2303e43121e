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
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

constexpr int MESSAGE_BYTES = 1 << 28;    // MPI counts are int
constexpr int TEXT_TAG = 0;

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

// The lines of this rank's atoms.
std::string atoms_text(LAMMPS *lmp, const std::vector<double> &deviation,
                       const std::vector<std::string> &type_names)
{
  const auto *atom = lmp->atom;
  std::string text;
  for (int i = 0; i < atom->nlocal; ++i) {
    double x[3];
    lmp->domain->unmap(atom->x[i], atom->image[i], x);
    text += fmt::format("{} {} {} {:.17g} {:.17g} {:.17g} {:.17g}\n",
                        atom->tag_enable ? atom->tag[i] : 0, atom->type[i],
                        type_names[atom->type[i]], x[0], x[1], x[2], deviation[i]);
  }
  return text;
}

std::string head_text(LAMMPS *lmp)
{
  bigint mine = lmp->atom->nlocal, all = 0;
  MPI_Reduce(&mine, &all, 1, MPI_LMP_BIGINT, MPI_SUM, 0, lmp->world);
  return fmt::format("ITEM: TIMESTEP\n{}\nITEM: NUMBER OF ATOMS\n{}\n", lmp->update->ntimestep,
                     all) +
         box_text(lmp->domain) + "ITEM: ATOMS id type element xu yu zu deviation\n";
}

void send_text(LAMMPS *lmp, const std::string &text)
{
  const auto size = static_cast<bigint>(text.size());
  MPI_Send(&size, 1, MPI_LMP_BIGINT, 0, TEXT_TAG, lmp->world);
  for (bigint at = 0; at < size; at += MESSAGE_BYTES)
    MPI_Send(text.data() + at, static_cast<int>(std::min<bigint>(MESSAGE_BYTES, size - at)),
             MPI_CHAR, 0, TEXT_TAG, lmp->world);
}

std::string receive_text(LAMMPS *lmp, int rank)
{
  bigint size = 0;
  MPI_Recv(&size, 1, MPI_LMP_BIGINT, rank, TEXT_TAG, lmp->world, MPI_STATUS_IGNORE);
  std::string text(size, '\0');
  for (bigint at = 0; at < size; at += MESSAGE_BYTES)
    MPI_Recv(text.data() + at, static_cast<int>(std::min<bigint>(MESSAGE_BYTES, size - at)),
             MPI_CHAR, rank, TEXT_TAG, lmp->world, MPI_STATUS_IGNORE);
  return text;
}

bool append_text(FILE *stream, const std::string &text)
{
  return stream && std::fwrite(text.data(), 1, text.size(), stream) == text.size();
}

// One frame in the format of `dump custom`, rank by rank, so that no rank holds all atoms. A frame
// that cannot be written to its end leaves nothing.
void append_frame(LAMMPS *lmp, const DeviationLimit &limit, const std::vector<double> &deviation,
                  const std::vector<std::string> &type_names)
{
  const std::string head = head_text(lmp);
  const std::string mine = atoms_text(lmp, deviation, type_names);
  int written = 1;
  if (lmp->comm->me != 0)
    send_text(lmp, mine);
  else {
    FILE *stream = std::fopen(limit.file.c_str(), "a");
    if (stream) std::fseek(stream, 0, SEEK_END);
    const off_t before = stream ? ftello(stream) : 0;
    written = append_text(stream, head) && append_text(stream, mine);
    // What other ranks send is taken in any case, or they would wait for ever.
    for (int rank = 1; rank < lmp->comm->nprocs; ++rank) {
      const std::string text = receive_text(lmp, rank);
      written = written && append_text(stream, text);
    }
    if (stream && std::fclose(stream) != 0) written = 0;
    if (stream && !written && truncate(limit.file.c_str(), before) != 0)
      lmp->error->warning(FLERR, "pair_style {}: the last frame of '{}' is not whole", limit.style,
                          limit.file);
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
