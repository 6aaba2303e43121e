// What pair_style egraff leaves in a restart file: its keywords, and the paths and hashes of its
// model files, which are read again. The weights themselves stay in their files.

#include "pair_egraff.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "utils.h"

#include <sstream>

using namespace LAMMPS_NS;

namespace {

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

void PairEgraff::write_restart_settings(FILE *file)
{
  write_lines(file, settings_.words);
}

void PairEgraff::read_restart_settings(FILE *file)
{
  auto words = read_lines(lmp, file);
  auto arguments = pointers(words);
  settings(static_cast<int>(arguments.size()), arguments.data());
}

void PairEgraff::write_restart(FILE *file)
{
  write_restart_settings(file);
  std::vector<std::string> files, hashes;
  for (const auto &member : members_) {
    files.push_back(member.file);
    hashes.push_back(member.model->hash());
  }
  write_lines(file, files);
  write_lines(file, hashes);
  write_lines(file, elements_);
}

// A model that moved or changed is no error yet: the deck may name one by pair_coeff.
void PairEgraff::read_restart(FILE *file)
{
  read_restart_settings(file);
  const auto files = read_lines(lmp, file);
  const auto hashes = read_lines(lmp, file);
  const auto elements = read_lines(lmp, file);
  if (!allocated) allocate();
  for (int i = 1; i <= atom->ntypes; ++i)
    for (int j = i; j <= atom->ntypes; ++j) setflag[i][j] = 1;

  const std::string repeat = "repeat the pair_style and pair_coeff lines after read_restart";
  for (const auto &name : files) {
    bool readable = false;
    egraff::read_file(lmp, name, readable);
    if (!readable) {
      not_restored_ =
          "the restart file names the model " + name + ", which cannot be read: " + repeat;
      return;
    }
  }
  std::vector<std::string> words = {"*", "*"};
  words.insert(words.end(), files.begin(), files.end());
  words.insert(words.end(), elements.begin(), elements.end());
  auto arguments = pointers(words);
  coeff(static_cast<int>(arguments.size()), arguments.data());
  for (size_t m = 0; m < members_.size(); ++m)
    if (members_[m].model->hash() != hashes[m]) {
      not_restored_ = "the restart file was written with another content of " + files[m] +
                      " (sha256 " + hashes[m].substr(0, 12) + ", now " +
                      members_[m].model->hash().substr(0, 12) + "): " + repeat;
      members_.clear();
      return;
    }
  if (comm->me == 0)
    utils::logmesg(lmp, "egraff: restored pair_coeff * * {} {}\n", egraff::join(files),
                   egraff::join(elements));
}
