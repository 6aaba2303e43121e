// How far the members of an ensemble disagree, and what to do when it is too far.

#pragma once

#include "settings.h"

#include <string>
#include <vector>

namespace egraff {

// Forces of one step, per local atom (n_local x 3) in the deck's units.
struct EnsembleForces {
  std::vector<std::vector<double>> members;
};

// sigma_i = sqrt(mean over members |F_i - mean F_i|^2), n_local (Zhang et al., Comput. Phys. Commun.
// 253, 107206 (2020), Eq. 5).
std::vector<double> force_deviation(const EnsembleForces &forces);

// Watches the largest deviation of a run.
class DeviationWatch {
 public:
  // Collective over `world`. Beyond the limit the run is ended after this step, or the frame is
  // appended to the file: once each time the limit is crossed. `type_names` from type 1.
  void inspect(LAMMPS_NS::LAMMPS *lmp, const DeviationLimit &limit,
               const std::vector<double> &deviation, const std::vector<std::string> &type_names);

 private:
  bool above_ = false;
};

}    // namespace egraff
