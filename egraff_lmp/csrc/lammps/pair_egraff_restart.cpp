// What pair_style egraff leaves in a restart file: its keywords, and the paths and hashes of its
// model files, which are read again. The weights themselves stay in their files.

#include "pair_egraff.h"

#include "ghost_cutoff.h"
#include "pair_egraff_state.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "utils.h"

#include <sstream>

using namespace LAMMPS_NS;

const std::string egraff::RestoredFiles::REPEAT =
    "repeat the pair_style and pair_coeff lines after read_restart";

namespace {

const std::string LAYOUT = "layout 2";

std::string joined(const std::vector<std::string> &lines)
{
  std::string text;
  for (const auto &line : lines) text += line + "\n";
  return text;
}

std::vector<std::string> split(const std::string &text)
{
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Rank 0 writes; a length and the bytes.
void write_lines(FILE *file, const std::vector<std::string> &lines)
{
  const std::string text = joined(lines);
  const int size = static_cast<int>(text.size());
  std::fwrite(&size, sizeof(int), 1, file);
  std::fwrite(text.data(), 1, text.size(), file);
}

// Rank 0 reads, all get it.
std::vector<std::string> read_lines(LAMMPS *lmp, FILE *file)
{
  int size = 0;
  if (lmp->comm->me == 0) utils::sfread(FLERR, &size, sizeof(int), 1, file, nullptr, lmp->error);
  MPI_Bcast(&size, 1, MPI_INT, 0, lmp->world);
  std::string text(size, '\0');
  if (lmp->comm->me == 0)
    utils::sfread(FLERR, text.data(), 1, text.size(), file, nullptr, lmp->error);
  MPI_Bcast(text.data(), size, MPI_CHAR, 0, lmp->world);
  return split(text);
}

std::vector<char *> pointers(std::vector<std::string> &words)
{
  std::vector<char *> result;
  for (auto &word : words) result.push_back(word.data());
  return result;
}

}    // namespace

// Before the keywords stand two lines of our own: the layout, and the ghost cutoffs (A) with and
// without a halo, since LAMMPS' header keeps only the raised one.
void PairEgraff::write_restart_settings(FILE *file)
{
  const auto cutoff = egraff::GhostCutoff::current(lmp);
  std::vector<std::string> lines = {LAYOUT,
                                    fmt::format("{:.17g} {:.17g}", cutoff.user, cutoff.raised)};
  lines.insert(lines.end(), state_->settings.words.begin(), state_->settings.words.end());
  write_lines(file, lines);
}

void PairEgraff::read_restart_settings(FILE *file)
{
  auto lines = read_lines(lmp, file);
  if (lines.size() < 2 || lines[0] != LAYOUT)
    error->all(FLERR,
               "pair_style {}: expected a restart file of this version of egraff_lmp, got one of "
               "another: write it again, or start from a data file",
               state_->style.name);
  egraff::GhostCutoff cutoff;
  std::istringstream(lines[1]) >> cutoff.user >> cutoff.raised;
  egraff::GhostCutoff::restore(lmp, this, cutoff);
  lines.erase(lines.begin(), lines.begin() + 2);
  auto arguments = pointers(lines);
  settings(static_cast<int>(arguments.size()), arguments.data());
}

void PairEgraff::write_restart(FILE *file)
{
  write_restart_settings(file);
  auto state = state_->restored;
  if (!state_->members.empty()) state.elements = state_->elements;
  for (const auto &member : state_->members) {
    state.files.push_back(member.file);
    state.hashes.push_back(member.model->hash());
  }
  write_lines(file, state.files);
  write_lines(file, state.hashes);
  write_lines(file, state.elements);
}

// A model that moved or changed, or a device that is not here, is no error yet: the deck may go on
// with lines of its own.
void PairEgraff::read_restart(FILE *file)
{
  read_restart_settings(file);
  const auto files = read_lines(lmp, file);
  const auto hashes = read_lines(lmp, file);
  state_->restored = {files, hashes, read_lines(lmp, file)};
  if (hashes.size() != files.size())
    error->all(FLERR,
               "pair_style {}: expected a hash for each of the {} model files in the restart file, "
               "got {}: the file is damaged; use an earlier one, or a data file",
               state_->style.name, files.size(), hashes.size());
  if (!allocated) allocate();
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = i; j <= atom->ntypes; ++j) setflag[i][j] = 1;
}

void PairEgraff::load_restored()
{
  if (!state_->members.empty() || state_->restored.files.empty()) return;
  const auto kept = state_->restored;
  use_models(kept.files, kept.elements, kept.hashes);
  if (comm->me == 0)
    utils::logmesg(lmp, "egraff: restored pair_coeff * * {} {}\n", egraff::join(kept.files),
                   egraff::join(kept.elements));
}
