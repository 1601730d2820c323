// The least a test program needs: a check that says where it failed, and a count.
#pragma once

#include <cstdio>

inline int failed_checks = 0;

#define CHECK(condition)                                                  \
  do {                                                                    \
    if (!(condition)) {                                                   \
      ++failed_checks;                                                    \
      std::printf("%s:%d: failed: %s\n", __FILE__, __LINE__, #condition); \
    }                                                                     \
  } while (false)
