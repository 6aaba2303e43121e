// What kind of file a pair style was given, told from the names inside its zip archive, before any
// of it is run.

#pragma once

#include "deployed_model.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace egraff {

class Archive {
 public:
  // Throws UserError, with the next step for the user, if `bytes` is anything but a file of
  // `format`; `where` names it.
  Archive(const std::string &bytes, const std::string &where, Format format);

  // A text stored beside the network (`_extra_files` of torch.jit.save), if there is one.
  std::optional<std::string> extra(const std::string &name) const;

 private:
  const std::string &bytes_;
  const std::string where_;
};

}    // namespace egraff
