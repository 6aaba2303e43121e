// The keywords of `pair_style egraff`.

#pragma once

#include "resources.h"

#include <string>
#include <vector>

namespace egraff {

// What happens when the members of an ensemble differ by more than a limit.
struct DeviationLimit {
  double value = 0.0;    // force per atom, in the deck's units; 0: no limit
  std::string file;      // frames are appended here; empty: the run is stopped
};

struct Settings {
  DeviceChoice device = DeviceChoice::AUTO;
  int threads = 0;    // 0: auto
  bool check = false;
  bool masses = true;
  bool exchange = true;    // no: by a halo, whatever the file can do
  DeviationLimit deviation;
  std::vector<std::string> words;    // as the deck wrote them, for restart files
};

// Collective over `world`: an error on all ranks names what was expected and what was got.
Settings parse_settings(LAMMPS_NS::LAMMPS *lmp, const std::vector<std::string> &words);

}    // namespace egraff
