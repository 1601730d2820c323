"""Makes pickled calls on a sanitized module and pickles what came of them: ``CHILD MODULE FOLDER CALLS RESULTS``."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from tests.kernels.emulator import load


def main() -> None:
    module_name, folder, request, reply = sys.argv[1:]
    module = load(module_name, Path(folder))
    results = []
    for name, arguments in pickle.loads(Path(request).read_bytes()):
        result = getattr(module, name)(*arguments)
        results.append((arguments, result))
    Path(reply).write_bytes(pickle.dumps(results))


main()
