// The canonical form of a JSON text, over which a manifest's seal is computed.
#pragma once

#include <string>

namespace example {

/// The object `text` with its keys sorted, without spaces, in ASCII, and without its member `left_out`: what Python's
/// `json.dumps(..., sort_keys=True, separators=(",", ":"))` writes. Fractions are kept digit by digit, since two
/// languages need not print the same number alike. Throws Error when `text` is not a JSON object.
std::string canonical_object(const std::string& text, const std::string& left_out);

}  // namespace example
