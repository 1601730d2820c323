// Says why something was refused, through the logger of whoever loaded the library.
#pragma once

#include <NvInferRuntime.h>

namespace simple_trt {
namespace plugins {

/// Where loggers come from; null for none. The finder must outlive its use.
void set_logger_finder(nvinfer1::ILoggerFinder* finder);

/// Logs "simple_trt::<op>: <reason>" as an error: through the logger that the finder finds, or to stderr where there is
/// none. Always false, so that a check can end with `return refuse(...)`.
[[gnu::format(printf, 2, 3)]] bool refuse(const char* op, const char* reason, ...) noexcept;

}  // namespace plugins
}  // namespace simple_trt
