#include "files.h"

#include <openssl/evp.h>

#include <fstream>

#include "error.h"

namespace example {

std::string read_file(const std::string& path, uint64_t limit) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  const std::streamoff size = file ? static_cast<std::streamoff>(file.tellg()) : -1;
  if (size < 0) throw Error("cannot read '" + path + "'", "check the path and its permissions");
  if (static_cast<uint64_t>(size) > limit) {
    throw Error("'" + path + "' has " + std::to_string(size) + " bytes, at most " + std::to_string(limit) + " are read",
                "it is not what it should be: give another file");
  }
  std::string bytes(static_cast<size_t>(size), '\0');
  file.seekg(0);
  if (!file.read(&bytes[0], size)) throw Error("cannot read all of '" + path + "'", "copy it again");
  return bytes;
}

std::string sha256(const std::string& bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int length = 0;
  if (!EVP_Digest(bytes.data(), bytes.size(), digest, &length, EVP_sha256(), nullptr)) {
    throw Error("OpenSSL cannot compute SHA-256", "install another build of OpenSSL");
  }
  std::string text;
  for (unsigned int i = 0; i < length; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

}  // namespace example
