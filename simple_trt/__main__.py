"""`python -m simple_trt` is `simple-trt`."""

from __future__ import annotations

import sys

from simple_trt.cli import main

if __name__ == "__main__":
    sys.exit(main())
