"""TensorRT 10 and 11: engines for the GPU they are built on, Jetson included, from the plain or the plugin graph."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from simple_trt.engines.base import LoadOptions
from simple_trt.engines.builder import BuildSteps, Compiled, CompileOptions, Progress, build_plan
from simple_trt.engines.gpu import Gpu, need_gpu
from simple_trt.engines.plan_engine import PlanEngine, import_library
from simple_trt.engines.tensorrt_config import attach_timing_cache, check_options, save_timing_cache, set_options
from simple_trt.errors import SimpleTrtError
from simple_trt.files import sha256_of

__all__ = [
    "HOST_CODE_VARIABLE",
    "PLUGINS_VARIABLE",
    "TensorRtEngine",
    "compile_plan",
    "load_plugins",
    "plugin_library",
    "plugins_made_for",
]

MODULE = "tensorrt"
PACKAGE = "on a Jetson it comes with JetPack; elsewhere pip install tensorrt"
OLDEST = (10, 0)
AMPERE = (8, 0)
HOST_CODE_VARIABLE = "SIMPLE_TRT_HOST_CODE"
DOMAIN = "simple_trt"
PLUGINS_VARIABLE = "SIMPLE_TRT_PLUGINS"
PLUGINS_FILE = "libsimple_trt_plugins.so"
PLUGINS_CURE = (
    f"set {PLUGINS_VARIABLE} to the path of {PLUGINS_FILE}, or build with --lowering plain, which needs no plugins"
)
# What the library has inside: the version whose headers it was compiled with.
PLUGINS_MADE_FOR = re.compile(rb"simple_trt plugins for TensorRT (\d+)\.(\d+)")


class TensorRtEngine(PlanEngine):
    """Runs a TensorRT plan on a GPU of the model that it was built on, with the very version that built it.

    A plan that was built to be compatible also runs on other GPUs, or on newer versions; the latter carries code, which
    is run only where `LoadOptions.host_code` or the environment variable SIMPLE_TRT_HOST_CODE=1 allows it.
    """

    runtime = MODULE
    module = MODULE
    package = PACKAGE

    def _check_version(self, version: str) -> None:
        built = self.manifest.versions.get(self.module, "nothing")
        if not (self._version_compatible and _numbers(version) >= _numbers(built) >= OLDEST):
            super()._check_version(version)

    def _check_gpu(self, gpu: Gpu) -> None:
        built = self.manifest.device
        level = built.get("hardware_compatibility_level")
        if level == "ampere+":
            if gpu.compute_capability < AMPERE:
                raise self._refusal("device.hardware_compatibility_level", level, gpu.sm)
            return
        if built.get("compute_capability") != gpu.sm:
            raise self._refusal("device.compute_capability", str(built.get("compute_capability")), gpu.sm)
        if level != "same-compute-capability" and built.get("gpu") != gpu.name:
            raise self._refusal("device.gpu", str(built.get("gpu")), gpu.name)

    def _prepare(self, trt: Any, log: Any) -> None:
        if self._version_compatible and not _host_code_allowed(self.options):
            raise SimpleTrtError(
                f"'{self.plan}' is version-compatible: it carries a runtime, which is run as it is",
                f"if you built it or trust who did, set {HOST_CODE_VARIABLE}=1; or build without --version-compatible",
            )
        if self.manifest.lowering == "plugin":
            load_plugins(trt, log)

    def _set_up(self, runtime: Any) -> None:
        if self._version_compatible:
            runtime.engine_host_code_allowed = True

    @property
    def _version_compatible(self) -> bool:
        return self.manifest.device.get("version_compatible") is True


class _Steps(BuildSteps):
    def __init__(self, trt: Any, options: CompileOptions) -> None:
        self._trt = trt
        self._options = options

    def prepare(self, log: Any) -> None:
        if self._options.lowering == "plugin":
            load_plugins(self._trt, log)

    def configure(self, config: Any, log: Any) -> None:
        set_options(self._trt, config, self._options)
        if self._options.timing_cache is not None:
            attach_timing_cache(self._trt, config, self._options.timing_cache, log)

    def finish(self, config: Any) -> None:
        if self._options.timing_cache is not None:
            save_timing_cache(config, self._options.timing_cache)


def compile_plan(graph: Path, plan: Path, options: CompileOptions, progress: Progress | None = None) -> Compiled:
    """Compile an ONNX graph for GPU 0 of this machine. Heeds all options but those of other targets.

    A graph of the lowering `plugin` has nodes of our own domain, served by our plugin library.

    Raises:
        UsageError: this TensorRT does not have what an option asks for.
        SimpleTrtError: TensorRT is missing or older than 10, there is no GPU, the plugin library is missing, the
            timing cache is refused, or the graph cannot be built.
    """
    trt = import_library(MODULE, PACKAGE)
    _check_age(trt.__version__)
    check_options(trt, options)
    gpu = need_gpu(None, "building for the target tensorrt")
    warnings = build_plan(trt, graph, plan, _Steps(trt, options), progress)
    return Compiled(MODULE, {MODULE: trt.__version__, **_plugins(options)}, _device(gpu, options), warnings)


def _device(gpu: Gpu, options: CompileOptions) -> dict[str, Any]:
    """What the plan runs on, for the manifest; what was not asked for is left out."""
    device: dict[str, Any] = {"gpu": gpu.name, "compute_capability": gpu.sm}
    if options.version_compatible:
        device["version_compatible"] = True
    if options.hardware_compatibility_level != "none":
        device["hardware_compatibility_level"] = options.hardware_compatibility_level
    return device


def _plugins(options: CompileOptions) -> dict[str, str]:
    """The hash of the plugin library that the plan was built with: programs without Python check it before loading."""
    path = plugin_library() if options.lowering == "plugin" else None
    return {PLUGINS_FILE: f"sha256:{sha256_of(path)}"} if path else {}


def plugin_library() -> Path | None:
    """Our plugin library: where $SIMPLE_TRT_PLUGINS says, else beside the package; None when it is in neither place."""
    named = os.environ.get(PLUGINS_VARIABLE)
    path = Path(named) if named else Path(__file__).resolve().parents[1] / PLUGINS_FILE
    return path if path.is_file() else None


def plugins_made_for(plugins: Path) -> str:
    """The TensorRT, as `10.3`, whose headers a plugin library was compiled with; empty when it does not say."""
    found = PLUGINS_MADE_FOR.search(plugins.read_bytes())
    return f"{found[1].decode()}.{found[2].decode()}" if found else ""


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
    if any(getattr(creator, "plugin_namespace", None) == DOMAIN for creator in registry.all_creators):
        return  # creators of kinds that are not ours may have no namespace
    _check_made_for(trt.__version__, path)
    try:
        loaded = registry.load_library(str(path))
    except (RuntimeError, OSError) as error:
        raise SimpleTrtError(f"TensorRT {trt.__version__} cannot load '{path}': {error}", PLUGINS_CURE) from error
    if loaded is None:
        raise SimpleTrtError(f"TensorRT {trt.__version__} cannot load '{path}': {log.last_words()}", PLUGINS_CURE)


def _host_code_allowed(options: LoadOptions) -> bool:
    return os.environ.get(HOST_CODE_VARIABLE) == "1" if options.host_code is None else options.host_code


def _numbers(version: str) -> tuple[int, ...]:
    """`10.3.0` -> (10, 3, 0); empty for what is no version."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else ()


def _check_made_for(version: str, plugins: Path) -> None:
    """TensorRT 10 and 11 disagree about how a plugin finds its logger: the wrong one crashes at the first complaint."""
    made_for = plugins_made_for(plugins)
    major = version.split(".")[0]
    if made_for and made_for.split(".")[0] != major:
        raise SimpleTrtError(
            f"'{plugins}' was made for TensorRT {made_for}, this is {version}",
            f"build it with TensorRT_ROOT at the headers of TensorRT {major}, see plugins/README.md",
        )


def _check_age(version: str) -> None:
    if _numbers(".".join(version.split(".")[:2])) < OLDEST:
        raise SimpleTrtError(
            f"TensorRT {version} is too old: version 10 or newer is needed", f"install a newer one: {PACKAGE}"
        )
