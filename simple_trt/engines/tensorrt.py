"""TensorRT 10 and 11: engines for the GPU they are built on, Jetson included, from the plain or the plugin graph."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from simple_trt.engines.builder import BuildSteps, Compiled, CompileOptions, Progress, build_plan
from simple_trt.engines.device import DeviceEngine, import_library
from simple_trt.engines.gpu import Gpu, need_gpu
from simple_trt.errors import SimpleTrtError
from simple_trt.files import reported_os_errors, whole_file

__all__ = ["PLUGINS_VARIABLE", "TensorRtEngine", "compile_plan", "load_plugins", "plugin_library"]

MODULE = "tensorrt"
PACKAGE = "on a Jetson it comes with JetPack; elsewhere pip install tensorrt"
OLDEST = (10, 0)
DOMAIN = "simple_trt"
PLUGINS_VARIABLE = "SIMPLE_TRT_PLUGINS"
PLUGINS_FILE = "libsimple_trt_plugins.so"
PLUGINS_CURE = (
    f"set {PLUGINS_VARIABLE} to the path of {PLUGINS_FILE}, or build with --lowering plain, which needs no plugins"
)
# What the library has inside: the version whose headers it was compiled with.
PLUGINS_MADE_FOR = re.compile(rb"simple_trt plugins for TensorRT (\d+)\.(\d+)")


class TensorRtEngine(DeviceEngine):
    """Runs a TensorRT plan on a GPU of the model that it was built on, with the very version that built it."""

    runtime = MODULE
    module = MODULE
    package = PACKAGE

    def _check_gpu(self, gpu: Gpu) -> None:
        built = self.manifest.device
        if built.get("compute_capability") != gpu.sm:
            raise self._refusal("device.compute_capability", str(built.get("compute_capability")), gpu.sm)
        if built.get("gpu") != gpu.name:
            raise self._refusal("device.gpu", str(built.get("gpu")), gpu.name)

    def _prepare(self, trt: Any, log: Any) -> None:
        if self.manifest.lowering == "plugin":
            load_plugins(trt, log)


class _Steps(BuildSteps):
    def __init__(self, trt: Any, options: CompileOptions) -> None:
        self._trt = trt
        self._options = options
        self.notes: list[str] = []

    def prepare(self, log: Any) -> None:
        if self._options.lowering == "plugin":
            load_plugins(self._trt, log)

    def configure(self, config: Any) -> None:
        config.profiling_verbosity = self._trt.ProfilingVerbosity.DETAILED
        if self._options.workspace is not None:
            config.set_memory_pool_limit(self._trt.MemoryPoolType.WORKSPACE, self._options.workspace)
        path = self._options.timing_cache
        if path is None:
            return
        known = path.read_bytes() if path.is_file() else b""
        if not config.set_timing_cache(config.create_timing_cache(known), False):
            self.notes.append(f"the timing cache '{path}' is of another GPU or version: it is made anew")
            config.set_timing_cache(config.create_timing_cache(b""), False)

    def finish(self, config: Any) -> None:
        if self._options.timing_cache is not None:
            with whole_file(self._options.timing_cache) as temporary:
                temporary.write_bytes(memoryview(config.get_timing_cache().serialize()))


def compile_plan(graph: Path, plan: Path, options: CompileOptions, progress: Progress | None = None) -> Compiled:
    """Compile an ONNX graph for GPU 0 of this machine. Heeds `lowering`, `workspace` and `timing_cache`.

    A graph of the lowering `plugin` has nodes of our own domain, served by our plugin library.

    Raises:
        SimpleTrtError: TensorRT is missing or older than 10, there is no GPU, the plugin library is missing, or the
            graph cannot be built.
    """
    trt = import_library(MODULE, PACKAGE)
    _check_age(trt.__version__)
    gpu = need_gpu(None, "building for the target tensorrt")
    steps = _Steps(trt, options)
    if options.timing_cache is not None:
        with reported_os_errors(options.timing_cache):
            options.timing_cache.parent.mkdir(parents=True, exist_ok=True)
    warnings = build_plan(trt, graph, plan, steps, progress)
    device = {"gpu": gpu.name, "compute_capability": gpu.sm}
    return Compiled(MODULE, {MODULE: trt.__version__}, device, steps.notes + warnings)


def plugin_library() -> Path | None:
    """Our plugin library: where $SIMPLE_TRT_PLUGINS says, else beside the package; None when it is in neither place."""
    named = os.environ.get(PLUGINS_VARIABLE)
    path = Path(named) if named else Path(__file__).resolve().parents[1] / PLUGINS_FILE
    return path if path.is_file() else None


def load_plugins(trt: Any, log: Any) -> None:
    """Make our plugins known to TensorRT; loading them twice is fine.

    Raises:
        SimpleTrtError: the library is missing, was made for another major version, or TensorRT refuses it.
    """
    path = plugin_library()
    if path is None:
        named = os.environ.get(PLUGINS_VARIABLE)
        where = f"'{named}', where {PLUGINS_VARIABLE} points" if named else "the package's folder"
        raise SimpleTrtError(
            f"the plugin library {PLUGINS_FILE} is not at {where}" if named else f"no {PLUGINS_FILE} in {where}",
            PLUGINS_CURE,
        )
    registry = trt.get_plugin_registry()
    if any(creator.plugin_namespace == DOMAIN for creator in registry.all_creators):
        return
    _check_made_for(trt.__version__, path)
    try:
        loaded = registry.load_library(str(path))
    except (RuntimeError, OSError) as error:
        raise SimpleTrtError(f"TensorRT {trt.__version__} cannot load '{path}': {error}", PLUGINS_CURE) from error
    if loaded is None:
        raise SimpleTrtError(f"TensorRT {trt.__version__} cannot load '{path}': {log.last_words()}", PLUGINS_CURE)


def _check_made_for(version: str, plugins: Path) -> None:
    """TensorRT 10 and 11 disagree about how a plugin finds its logger: the wrong one crashes at the first complaint."""
    made_for = PLUGINS_MADE_FOR.search(plugins.read_bytes())
    major = version.split(".")[0]
    if made_for and made_for[1].decode() != major:
        raise SimpleTrtError(
            f"'{plugins}' was made for TensorRT {made_for[1].decode()}.{made_for[2].decode()}, this is {version}",
            f"build it with TensorRT_ROOT at the headers of TensorRT {major}, see plugins/README.md",
        )


def _check_age(version: str) -> None:
    parts = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if parts < OLDEST:
        raise SimpleTrtError(
            f"TensorRT {version} is too old: version 10 or newer is needed", f"install a newer one: {PACKAGE}"
        )
