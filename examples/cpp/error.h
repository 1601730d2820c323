// What a user is told when something cannot be done.
#pragma once

#include <stdexcept>
#include <string>

namespace example {

/// A failure that the user can act on: what is wrong, and what to do about it.
struct Error : std::runtime_error {
  Error(const std::string& cause, const std::string& cure) : std::runtime_error(cause), cure(cure) {}
  std::string cure;
};

}  // namespace example
