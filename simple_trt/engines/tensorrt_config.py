"""What a person may ask of TensorRT's builder, in the terms of its configuration; `trt` is the module `tensorrt`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from simple_trt.engines.builder import CompileOptions
from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.files import reported_os_errors, whole_file

__all__ = ["OPTIMIZATION_LEVELS", "attach_timing_cache", "check_options", "save_timing_cache", "set_options"]

OPTIMIZATION_LEVELS = range(6)
HARDWARE_LEVELS = {
    "none": "NONE",
    "ampere+": "AMPERE_PLUS",
    "same-compute-capability": "SAME_COMPUTE_CAPABILITY",  # TensorRT 10.9 and newer
}
VERBOSITIES = {"layer-names-only": "LAYER_NAMES_ONLY", "detailed": "DETAILED", "none": "NONE"}


def check_options(trt: Any, options: CompileOptions) -> None:
    """Refuse what this TensorRT cannot do, before anything is started.

    Raises:
        UsageError: an unknown level or verbosity, one that this version of TensorRT does not have, or a
            version-compatible engine with plugins.
    """
    level = options.builder_optimization_level
    if level is not None and level not in OPTIMIZATION_LEVELS:
        raise UsageError(
            f"no builder optimisation level {level}",
            f"choose one from 0 to {OPTIMIZATION_LEVELS[-1]}; 3 is the default",
        )
    _member(trt, "HardwareCompatibilityLevel", HARDWARE_LEVELS, options.hardware_compatibility_level)
    _member(trt, "ProfilingVerbosity", VERBOSITIES, options.profiling_verbosity)
    if options.version_compatible and options.lowering == "plugin":
        raise UsageError(
            "a version-compatible engine runs on the runtime that it carries, which does not know our plugins",
            "use --lowering plain",
        )


def set_options(trt: Any, config: Any, options: CompileOptions) -> None:
    """Put `options`, which `check_options` let pass, into an `IBuilderConfig`."""
    config.profiling_verbosity = _member(trt, "ProfilingVerbosity", VERBOSITIES, options.profiling_verbosity)
    if options.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace)
    if options.builder_optimization_level is not None:
        config.builder_optimization_level = options.builder_optimization_level
    if options.version_compatible:
        config.set_flag(trt.BuilderFlag.VERSION_COMPATIBLE)
    config.hardware_compatibility_level = _member(
        trt, "HardwareCompatibilityLevel", HARDWARE_LEVELS, options.hardware_compatibility_level
    )


def attach_timing_cache(trt: Any, config: Any, path: Path, log: Any) -> None:
    """Let the builder use the timings of the file `path`; where there is none, it begins with no timings.

    Raises:
        UsageError: `path` is a folder.
        SimpleTrtError: the file cannot be read, or TensorRT does not use it: it is of another GPU, another version, or
            damaged.
    """
    known = _read(path)
    cache = config.create_timing_cache(known)
    if cache is None or _emptied(config, cache, known) or not config.set_timing_cache(cache, False):
        raise SimpleTrtError(
            f"TensorRT {trt.__version__} refuses the timing cache '{path}', made on another GPU, by another version, "
            f"or damaged: {log.last_words('timing cache')}",
            "name another file with --timing-cache, one for each machine, or delete this one",
        )


def _emptied(config: Any, cache: Any, known: bytes) -> bool:
    """Whether the timings of a file are lost: what TensorRT cannot read it replaces, with a warning, by no timings."""
    held = bytes(memoryview(cache.serialize()))
    empty_cache = config.create_timing_cache(b"")
    return bool(known) and held != known and len(held) <= len(memoryview(empty_cache.serialize()))


def save_timing_cache(config: Any, path: Path) -> None:
    """Write what the builder timed to `path`, whole or not at all.

    Raises:
        SimpleTrtError: the place cannot be written to, or the disk is full.
    """
    cache = config.get_timing_cache()
    with whole_file(path) as temporary:
        temporary.write_bytes(memoryview(cache.serialize()))


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(f"'{path}' is a folder", "give --timing-cache the name of a file")
    with reported_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise SimpleTrtError(f"cannot read the timing cache '{path}' ({error.strerror})", "check the file") from error


def _member(trt: Any, kind: str, names: dict[str, str], asked: str) -> Any:
    """The member of TensorRT's enumeration `kind` that `asked` stands for."""
    members = getattr(trt, kind).__members__
    if names.get(asked) not in members:
        offered = ", ".join(name for name, member in names.items() if member in members)
        raise UsageError(f"TensorRT {trt.__version__} has no {kind} '{asked}'", f"choose one of: {offered}")
    return members[names[asked]]
