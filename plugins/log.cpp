#include "log.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>

namespace simple_trt {
namespace plugins {
namespace {

std::atomic<nvinfer1::ILoggerFinder*> logger_finder{nullptr};

nvinfer1::ILogger* find_logger() noexcept {
  try {
    nvinfer1::ILoggerFinder* const finder = logger_finder.load();
    return finder ? finder->findLogger() : nullptr;
  } catch (...) {  // the finder is not ours and may throw
    return nullptr;
  }
}

}  // namespace

void set_logger_finder(nvinfer1::ILoggerFinder* finder) { logger_finder.store(finder); }

bool refuse(const char* op, const char* reason, ...) noexcept {
  char message[512];
  const int prefix = std::snprintf(message, sizeof(message), "simple_trt::%s: ", op);
  va_list arguments;
  va_start(arguments, reason);
  std::vsnprintf(message + prefix, sizeof(message) - static_cast<size_t>(prefix), reason, arguments);
  va_end(arguments);
  if (nvinfer1::ILogger* const logger = find_logger()) {
    logger->log(nvinfer1::ILogger::Severity::kERROR, message);
  } else {
    std::fprintf(stderr, "%s\n", message);
  }
  return false;
}

}  // namespace plugins
}  // namespace simple_trt
