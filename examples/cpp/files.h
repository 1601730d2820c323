// Files as bytes, and their hashes.
#pragma once

#include <cstdint>
#include <string>

namespace example {

/// The whole file. Throws Error when it cannot be read or has more than `limit` bytes.
std::string read_file(const std::string& path, uint64_t limit = uint64_t{8} << 30);

/// SHA-256 of `bytes`, 64 hex digits.
std::string sha256(const std::string& bytes);

}  // namespace example
