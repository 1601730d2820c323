// People in photos, in C++ alone: ENGINE and its manifest in, one line of JSON a photo out.
//
//   simple_trt_people ENGINE PHOTO... [--plugins LIBRARY] [--threshold SCORE]
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "error.h"
#include "manifest.h"
#include "network.h"
#include "people.h"
#include "photo.h"

namespace {

constexpr char kUsage[] = "usage: simple_trt_people ENGINE PHOTO... [--plugins LIBRARY] [--threshold SCORE]\n";

struct Options {
  std::vector<std::string> paths;  // the engine, then photos
  std::string plugins;
  double threshold = 0.2;
};

double score(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(value >= 0 && value <= 1)) {
    throw example::Error("--threshold: expected a score from 0 to 1, got '" + text + "'", kUsage);
  }
  return value;
}

Options parse(int count, char** words) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string word = words[i];
    if (word != "--plugins" && word != "--threshold") {
      options.paths.push_back(word);
    } else if (++i == count) {
      throw example::Error(word + " needs a value", kUsage);
    } else if (word == "--plugins") {
      options.plugins = words[i];
    } else {
      options.threshold = score(words[i]);
    }
  }
  if (options.paths.size() < 2) throw example::Error("an engine and a photo are needed", kUsage);
  return options;
}

double ms_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

void run(const Options& options) {
  const example::Engine engine = example::read_engine(options.paths[0]);
  const auto network = example::open_network(engine, options.plugins);
  for (size_t i = 1; i < options.paths.size(); ++i) {
    const example::Photo photo = example::read_photo(options.paths[i]);
    const auto start = std::chrono::steady_clock::now();
    network->prepare(photo);
    const double preprocess = ms_since(start);
    const example::Found found = network->infer();
    const double inference = ms_since(start) - preprocess;
    std::puts(example::people_json(found, photo, engine.manifest, options.threshold, preprocess, inference).c_str());
  }
}

}  // namespace

int main(int count, char** words) {
  try {
    run(parse(count, words));
    return 0;
  } catch (const example::Error& error) {
    std::fprintf(stderr, "error: %s\n  cure: %s\n", error.what(), error.cure.c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n  cure: please report it\n", error.what());
  }
  return 1;
}
