#include "foreign_styles.h"

#include "comm.h"
#include "error.h"
#include "force.h"
#include "lammps.h"
#include "utils.h"

#include <mpi.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

constexpr const char *VARIABLE = "EGRAFF_PAIR_STYLES";

std::vector<std::string> split(std::string text)
{
  std::replace(text.begin(), text.end(), ',', ' ');
  std::istringstream stream(text);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return words;
}

bool contains(const std::vector<std::string> &words, const std::string &word)
{
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string joined(const std::vector<std::string> &words, const char *separator)
{
  std::string text;
  for (const auto &word : words) text += (text.empty() ? "" : separator) + word;
  return text;
}

// Rank 0's environment is everyone's: mpiexec need not hand variables on. Empty is as good as unset.
std::string variable(LAMMPS *lmp)
{
  const char *value = std::getenv(VARIABLE);
  std::string text = lmp->comm->me == 0 && value ? value : "";
  int size = static_cast<int>(text.size());
  MPI_Bcast(&size, 1, MPI_INT, 0, lmp->world);
  text.resize(size);
  MPI_Bcast(text.data(), size, MPI_CHAR, 0, lmp->world);
  return text;
}

std::vector<std::string> chosen(LAMMPS *lmp, const std::vector<std::string> &names,
                                const std::string &text)
{
  const auto words = split(text);
  for (const auto &word : words)
    if (!contains(names, word) && word != "egraff" && word != "none")
      lmp->error->all(FLERR,
                      "{}: expected names out of egraff, {} (egraff itself is always there), or "
                      "none, got '{}'",
                      VARIABLE, joined(names, ", "), word);
  std::vector<std::string> found;
  for (const auto &name : names)
    if (contains(words, name)) found.push_back(name);
  return found;
}

}    // namespace

std::vector<std::string> styles_to_register(LAMMPS *lmp, const std::vector<std::string> &names,
                                            const std::vector<void *> &own)
{
  if (const auto text = variable(lmp); !text.empty()) return chosen(lmp, names, text);
  std::vector<std::string> free, taken;
  for (const auto &name : names) {
    const auto *styles = lmp->force->pair_map;
    const auto found = styles->find(name);
    const bool others =
        found != styles->end() &&
        std::find(own.begin(), own.end(), reinterpret_cast<void *>(found->second)) == own.end();
    (others ? taken : free).push_back(name);
  }
  if (!taken.empty() && lmp->comm->me == 0)
    utils::logmesg(lmp,
                   "egraff: LAMMPS has pair_style {} already, which stays as it is; to have "
                   "egraff's set the environment variable {}={} (its value names the styles that "
                   "egraff provides)\n",
                   joined(taken, " and "), VARIABLE, joined(names, ","));
  return free;
}

}    // namespace egraff
