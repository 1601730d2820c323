// What TensorRT brings to a plugin's life: a logger, a resource context, and expressions over dimensions.
#pragma once

#include <NvInfer.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace harness {

/// Keeps the errors.
class Logger final : public nvinfer1::ILogger {
 public:
  void log(Severity severity, const char* message) noexcept override {
    if (severity <= Severity::kERROR) errors.emplace_back(message);
  }
  std::vector<std::string> errors;
};

/// Finds a logger, or none, or throws, as the interface allows it to.
class LoggerFinder final : public nvinfer1::ILoggerFinder {
 public:
  nvinfer1::ILogger* findLogger() override {
    if (throws) throw std::runtime_error("no logger");
    return logger;
  }
  nvinfer1::ILogger* logger = nullptr;
  bool throws = false;
};

class ResourceContext final : public nvinfer1::IPluginResourceContext {
 public:
  nvinfer1::IGpuAllocator* getGpuAllocator() const noexcept override { return nullptr; }
  nvinfer1::IErrorRecorder* getErrorRecorder() const noexcept override { return nullptr; }
};

/// A constant, or a dimension that is known only when the engine runs (`value` is what it will be).
class Expression final : public nvinfer1::IDimensionExpr {
 public:
  Expression(int64_t value, bool constant) : value(value), view_(value, constant) { mImpl = &view_; }
  const int64_t value;

 private:
  struct View final : nvinfer1::apiv::VDimensionExpr {
    View(int64_t value, bool constant) : value(value), constant(constant) {}
    bool isConstant() const override { return constant; }
    int64_t getConstantValue() const override { return constant ? value : std::numeric_limits<int64_t>::min(); }
    bool isSizeTensor() const override { return false; }
    const int64_t value;
    const bool constant;
  };
  View view_;
};

/// Owns the expressions it makes. Our plugins only copy dimensions and make constants; anything else is an error.
class Expressions final : public nvinfer1::IExprBuilder {
 public:
  Expressions() : view_(*this) { mImpl = &view_; }
  const Expression* make(int64_t value, bool constant) {
    made_.push_back(std::make_unique<Expression>(value, constant));
    return made_.back().get();
  }

 private:
  struct View final : nvinfer1::apiv::VExprBuilder {
    explicit View(Expressions& owner) : owner(owner) {}
    const nvinfer1::IDimensionExpr* constant(int64_t value) override { return owner.make(value, true); }
    const nvinfer1::IDimensionExpr* operation(nvinfer1::DimensionOperation, const nvinfer1::IDimensionExpr&,
                                              const nvinfer1::IDimensionExpr&) override {
      return nullptr;
    }
    const nvinfer1::IDimensionExpr* declareSizeTensor(int32_t, const nvinfer1::IDimensionExpr&,
                                                      const nvinfer1::IDimensionExpr&) override {
      return nullptr;
    }
    Expressions& owner;
  };
  View view_;
  std::vector<std::unique_ptr<Expression>> made_;
};

}  // namespace harness
