#include "settings.h"

#include "error.h"
#include "lammps.h"
#include "utils.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <sstream>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

// Accepted from decks of the authors' own pair style; here the result is the same with and without.
constexpr const char *MACE_WORD = "no_domain_decomposition";

// A keyword of a line with its values, for those that read them.
struct Words {
  LAMMPS *lmp;
  const std::string &style, &key;
  const std::string *values;
};

DeviceChoice device(const Words &words)
{
  const auto &value = words.values[0];
  if (value == "auto") return DeviceChoice::AUTO;
  if (value == "cpu") return DeviceChoice::CPU;
  if (value == "cuda") return DeviceChoice::CUDA;
  words.lmp->error->all(FLERR, "pair_style {}: expected device auto, cpu or cuda, got '{}'",
                        words.style, value);
  return DeviceChoice::AUTO;
}

int threads(const Words &words)
{
  const auto &value = words.values[0];
  if (value == "auto") return 0;
  // Nine digits fit into an int.
  if (!utils::is_integer(value) || value.size() > 9 || std::stoi(value) < 1)
    words.lmp->error->all(FLERR,
                          "pair_style {}: expected threads auto or a whole number from 1, got '{}'",
                          words.style, value);
  return std::stoi(value);
}

// Whether it is the first of two words.
bool is_first(const Words &words, const char *first, const char *second)
{
  const auto &value = words.values[0];
  if (value != first && value != second)
    words.lmp->error->all(FLERR, "pair_style {}: expected {} {} or {}, got '{}'", words.style,
                          words.key, first, second, value);
  return value == first;
}

bool is_yes(const Words &words)
{
  return is_first(words, "yes", "no");
}

// A number above 0 that a double can hold, or nothing.
std::optional<double> positive(const std::string &text)
{
  if (!utils::is_double(text)) return std::nullopt;
  const double value = std::strtod(text.c_str(), nullptr);    // infinite where it is too large
  return std::isfinite(value) && value > 0.0 ? std::optional(value) : std::nullopt;
}

DeviationLimit deviation(const Words &words)
{
  const auto &limit = words.values[0], &action = words.values[1];
  const auto value = positive(limit);
  if (!value)
    words.lmp->error->all(FLERR,
                          "pair_style {}: expected a force above 0 after 'deviation', got '{}': "
                          "write 'deviation LIMIT stop' or 'deviation LIMIT FILE'",
                          words.style, limit);
  return {*value, action == "stop" ? std::string() : action, words.style};
}

// A limit above 0; 0 for `none`, nothing for `auto`.
std::optional<double> limit(const Words &words, bool has_auto)
{
  const auto &value = words.values[0];
  if (value == "none") return 0.0;
  if (has_auto && value == "auto") return std::nullopt;
  const auto found = positive(value);
  if (!found)
    words.lmp->error->all(FLERR, "pair_style {}: expected {} {}none or a number above 0, got '{}'",
                          words.style, words.key, has_auto ? "auto, " : "", value);
  return found;
}

// Hashes as sha256sum prints them, with commas between those of several files; `none` for any.
std::vector<std::string> hashes(const Words &words)
{
  constexpr size_t DIGITS = 64;
  std::vector<std::string> found;
  std::istringstream stream(words.values[0] + ",");
  for (std::string word; std::getline(stream, word, ',');) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (word == "none")
      word.clear();
    else if (word.size() != DIGITS || word.find_first_not_of("0123456789abcdef") != word.npos)
      words.lmp->error->all(
          FLERR,
          "pair_style {}: expected sha256 none or {} hexadecimal digits (one hash per "
          "file, with commas between them), got '{}': 'sha256sum FILE' prints them",
          words.style, DIGITS, word);
    found.push_back(word);
  }
  const bool any = std::all_of(found.begin(), found.end(), [](auto &h) { return h.empty(); });
  return any ? std::vector<std::string>() : found;
}

// Which pair styles know a keyword: masses and the exchange are matters of our own files, about
// which the others say nothing.
enum class Known { EVERYWHERE, OWN_FILES };

struct Keyword {
  const char *name;
  const char *values;    // as the line of syntax shows them
  size_t n_values;
  Known known;
  bool is_limit;    // of the guards: said alone, it asks for them
  void (*read)(const Words &words, Settings &settings);
};

// All of them: what is parsed, and named in messages, is what stands here.
constexpr Keyword KEYWORDS[] = {
    {"device", "auto|cpu|cuda", 1, Known::EVERYWHERE, false,
     [](const Words &words, Settings &to) { to.device = device(words); }},
    {"threads", "auto|N", 1, Known::EVERYWHERE, false,
     [](const Words &words, Settings &to) { to.threads = threads(words); }},
    {"check", "yes|no", 1, Known::EVERYWHERE, false,
     [](const Words &words, Settings &to) { to.check = is_yes(words); }},
    {"masses", "yes|no", 1, Known::OWN_FILES, false,
     [](const Words &words, Settings &to) { to.masses = is_yes(words); }},
    {"exchange", "yes|no", 1, Known::OWN_FILES, false,
     [](const Words &words, Settings &to) { to.exchange = is_yes(words); }},
    {"deviation", "LIMIT stop|FILE", 2, Known::EVERYWHERE, false,
     [](const Words &words, Settings &to) { to.deviation = deviation(words); }},
    {"guard", "yes|no", 1, Known::EVERYWHERE, false,
     [](const Words &words, Settings &to) { to.guards.on = is_yes(words); }},
    {"max_force", "auto|none|F", 1, Known::EVERYWHERE, true,
     [](const Words &words, Settings &to) { to.guards.force = limit(words, true); }},
    {"min_distance", "auto|none|D", 1, Known::EVERYWHERE, true,
     [](const Words &words, Settings &to) { to.guards.distance = limit(words, true); }},
    {"max_temperature", "none|T", 1, Known::EVERYWHERE, true,
     [](const Words &words, Settings &to) { to.guards.temperature = *limit(words, false); }},
    {"lost_atoms", "error|ignore", 1, Known::EVERYWHERE, true,
     [](const Words &words, Settings &to) {
       to.guards.lost_atoms = is_first(words, "error", "ignore");
     }},
    {"sha256", "HASH,...", 1, Known::EVERYWHERE, false,
     [](const Words &words, Settings &to) { to.sha256 = hashes(words); }},
};

bool knows(const Style &style, const Keyword &keyword)
{
  return keyword.known == Known::EVERYWHERE || !style.is_foreign();
}

std::string names(const Style &style)
{
  std::string text;
  for (const auto &keyword : KEYWORDS)
    if (knows(style, keyword)) text += (text.empty() ? "" : ", ") + std::string(keyword.name);
  return text;
}

std::string syntax(const Style &style)
{
  std::string text = "pair_style " + style.name;
  if (style.format == Format::MACE) text += std::string(" [") + MACE_WORD + "]";
  for (const auto &keyword : KEYWORDS)
    if (knows(style, keyword)) text += fmt::format(" [{} {}]", keyword.name, keyword.values);
  return text;
}

}    // namespace

Settings parse_settings(LAMMPS *lmp, const Style &style, const std::vector<std::string> &words)
{
  Settings settings;
  settings.words = words;
  settings.masses = !style.is_foreign();
  bool guard_said = false;
  for (size_t i = 0; i < words.size();) {
    const auto &key = words[i];
    if (style.format == Format::MACE && key == MACE_WORD) {
      ++i;
      continue;
    }
    const auto keyword =
        std::find_if(std::begin(KEYWORDS), std::end(KEYWORDS),
                     [&](const auto &one) { return one.name == key && knows(style, one); });
    if (keyword == std::end(KEYWORDS))
      lmp->error->all(FLERR, "pair_style {}: expected a keyword out of {}, got '{}': {}",
                      style.name, names(style), key, syntax(style));
    const size_t n_values = keyword->n_values;
    if (i + n_values >= words.size())
      lmp->error->all(FLERR, "pair_style {}: expected {} after '{}', got the end of the line: {}",
                      style.name, n_values == 1 ? "a value" : "a limit, and 'stop' or a file,", key,
                      syntax(style));
    const auto &value = words[i + 1];
    keyword->read({lmp, style.name, key, &value}, settings);
    // A limit alone means that it should be kept; a limit lifted alone asks for nothing, and `guard
    // no` lifts all.
    const bool lifted = value == "none" || value == "ignore";
    if (keyword->is_limit && !guard_said && !lifted) settings.guards.on = true;
    guard_said = guard_said || key == "guard";
    i += 1 + n_values;
  }
  return settings;
}

}    // namespace egraff
