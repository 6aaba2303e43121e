#include "settings.h"

#include "error.h"
#include "lammps.h"
#include "utils.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdlib>
#include <sstream>

using namespace LAMMPS_NS;

namespace egraff {
namespace {

// Accepted from decks of the authors' own pair style; here the result is the same with and without.
constexpr const char *MACE_WORD = "no_domain_decomposition";

// Masses and the exchange are matters of our own files: the others say nothing about them.
std::vector<std::string> keywords(const Style &style)
{
  std::vector<std::string> names = {"device", "threads", "check"};
  if (!style.is_foreign()) names.insert(names.end(), {"masses", "exchange"});
  names.insert(names.end(), {"deviation", "guard", "max_force", "min_distance", "max_temperature",
                             "lost_atoms", "sha256"});
  return names;
}

std::string syntax(const Style &style)
{
  std::string text = "pair_style " + style.name;
  if (style.format == Format::MACE) text += std::string(" [") + MACE_WORD + "]";
  text += " [device auto|cpu|cuda] [threads auto|N] [check yes|no]";
  if (!style.is_foreign()) text += " [masses yes|no] [exchange yes|no]";
  return text + " [deviation LIMIT stop|FILE] [guard yes|no] [max_force auto|none|F] [min_distance "
                "auto|none|D] [max_temperature none|T] [lost_atoms error|ignore] [sha256 HASH,...]";
}

DeviceChoice parse_device(LAMMPS *lmp, const std::string &style, const std::string &value)
{
  if (value == "auto") return DeviceChoice::AUTO;
  if (value == "cpu") return DeviceChoice::CPU;
  if (value == "cuda") return DeviceChoice::CUDA;
  lmp->error->all(FLERR, "pair_style {}: expected device auto, cpu or cuda, got '{}'", style,
                  value);
  return DeviceChoice::AUTO;
}

int parse_threads(LAMMPS *lmp, const std::string &style, const std::string &value)
{
  if (value == "auto") return 0;
  // Nine digits fit into an int.
  if (!utils::is_integer(value) || value.size() > 9 || std::stoi(value) < 1)
    lmp->error->all(FLERR,
                    "pair_style {}: expected threads auto or a whole number from 1, got '{}'",
                    style, value);
  return std::stoi(value);
}

bool parse_yes_no(LAMMPS *lmp, const std::string &style, const std::string &key,
                  const std::string &value)
{
  if (value != "yes" && value != "no")
    lmp->error->all(FLERR, "pair_style {}: expected {} yes or no, got '{}'", style, key, value);
  return value == "yes";
}

// A number above 0 that a double can hold, or nothing.
std::optional<double> positive(const std::string &text)
{
  if (!utils::is_double(text)) return std::nullopt;
  const double value = std::strtod(text.c_str(), nullptr);    // infinite where it is too large
  return std::isfinite(value) && value > 0.0 ? std::optional(value) : std::nullopt;
}

DeviationLimit parse_deviation(LAMMPS *lmp, const std::string &style, const std::string &limit,
                               const std::string &action)
{
  const auto value = positive(limit);
  if (!value)
    lmp->error->all(FLERR,
                    "pair_style {}: expected a force above 0 after 'deviation', got '{}': "
                    "write 'deviation LIMIT stop' or 'deviation LIMIT FILE'",
                    style, limit);
  return {*value, action == "stop" ? std::string() : action, style};
}

// A limit above 0; 0 for `none`, nothing for `auto`.
std::optional<double> parse_limit(LAMMPS *lmp, const std::string &style, const std::string &key,
                                  const std::string &value, bool has_auto)
{
  if (value == "none") return 0.0;
  if (has_auto && value == "auto") return std::nullopt;
  const auto limit = positive(value);
  if (!limit)
    lmp->error->all(FLERR, "pair_style {}: expected {} {}none or a number above 0, got '{}'", style,
                    key, has_auto ? "auto, " : "", value);
  return limit;
}

bool parse_lost_atoms(LAMMPS *lmp, const std::string &style, const std::string &value)
{
  if (value != "error" && value != "ignore")
    lmp->error->all(FLERR, "pair_style {}: expected lost_atoms error or ignore, got '{}'", style,
                    value);
  return value == "error";
}

// Hashes as sha256sum prints them, with commas between those of several files; `none` for any.
std::vector<std::string> parse_sha256(LAMMPS *lmp, const std::string &style,
                                      const std::string &value)
{
  constexpr size_t DIGITS = 64;
  std::vector<std::string> hashes;
  std::istringstream stream(value + ",");
  for (std::string word; std::getline(stream, word, ',');) {
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (word == "none")
      word.clear();
    else if (word.size() != DIGITS || word.find_first_not_of("0123456789abcdef") != word.npos)
      lmp->error->all(FLERR,
                      "pair_style {}: expected sha256 none or {} hexadecimal digits (one hash per "
                      "file, with commas between them), got '{}': 'sha256sum FILE' prints them",
                      style, DIGITS, word);
    hashes.push_back(word);
  }
  const bool any = std::all_of(hashes.begin(), hashes.end(), [](auto &h) { return h.empty(); });
  return any ? std::vector<std::string>() : hashes;
}

// The keywords of the guards; false for another one.
bool parse_guard(LAMMPS *lmp, const std::string &style, const std::string &key,
                 const std::string &value, GuardLimits &guards)
{
  if (key == "guard")
    guards.on = parse_yes_no(lmp, style, key, value);
  else if (key == "max_force")
    guards.force = parse_limit(lmp, style, key, value, true);
  else if (key == "min_distance")
    guards.distance = parse_limit(lmp, style, key, value, true);
  else if (key == "max_temperature")
    guards.temperature = *parse_limit(lmp, style, key, value, false);
  else if (key == "lost_atoms")
    guards.lost_atoms = parse_lost_atoms(lmp, style, value);
  else
    return false;
  return true;
}

}    // namespace

Settings parse_settings(LAMMPS *lmp, const Style &style, const std::vector<std::string> &words)
{
  Settings settings;
  settings.words = words;
  settings.masses = !style.is_foreign();
  const auto keys = keywords(style);
  bool guard_said = false;
  for (size_t i = 0; i < words.size();) {
    const auto &key = words[i];
    if (style.format == Format::MACE && key == MACE_WORD) {
      ++i;
      continue;
    }
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) {
      std::string known;
      for (const auto &name : keys) known += (known.empty() ? "" : ", ") + name;
      lmp->error->all(FLERR, "pair_style {}: expected a keyword out of {}, got '{}': {}",
                      style.name, known, key, syntax(style));
    }
    const size_t n_values = key == "deviation" ? 2 : 1;
    if (i + n_values >= words.size())
      lmp->error->all(FLERR, "pair_style {}: expected {} after '{}', got the end of the line: {}",
                      style.name, n_values == 1 ? "a value" : "a limit, and 'stop' or a file,", key,
                      syntax(style));
    const auto &name = style.name;
    const auto &value = words[i + 1];
    if (key == "device") settings.device = parse_device(lmp, name, value);
    if (key == "threads") settings.threads = parse_threads(lmp, name, value);
    if (key == "check") settings.check = parse_yes_no(lmp, name, key, value);
    if (key == "masses") settings.masses = parse_yes_no(lmp, name, key, value);
    if (key == "exchange") settings.exchange = parse_yes_no(lmp, name, key, value);
    if (key == "deviation") settings.deviation = parse_deviation(lmp, name, value, words[i + 2]);
    if (key == "sha256") settings.sha256 = parse_sha256(lmp, name, value);
    // A limit alone means that it should be kept; a limit lifted alone asks for nothing, and `guard
    // no` lifts all.
    if (parse_guard(lmp, name, key, value, settings.guards)) {
      const bool lifted = value == "none" || value == "ignore";
      if (key != "guard" && !guard_said && !lifted) settings.guards.on = true;
      guard_said = guard_said || key == "guard";
    }
    i += 1 + n_values;
  }
  return settings;
}

}    // namespace egraff
