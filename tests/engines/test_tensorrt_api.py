"""Every name that we use of TensorRT is one that TensorRT 10 and 11 have, and is used as they take it.

The source is read, not run: lines that no test reaches are held to the real API too. tensorrt_api.json is the API.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from make_tensorrt_api import look
from tensorrt_api import VERSIONS, Guarded, check_call, member

from simple_trt.engines import tensorrt_config
from simple_trt.engines.builder import CompileOptions, message_log
from simple_trt.errors import SimpleTrtError

ENGINES = Path(__file__).resolve().parents[2] / "simple_trt" / "engines"
FILES = ("build_monitor", "builder", "plan_engine", "tensorrt", "tensorrt_config")
SHARED = ("build_monitor", "builder", "plan_engine")  # with TensorRT-RTX

# What the variables of these files hold. The last part of a dotted name counts: `self._engine` is `_engine`.
RECEIVERS = {
    "trt": "module",
    "builder": "Builder",
    "config": "IBuilderConfig",
    "parser": "OnnxParser",
    "parser_error": "ParserError",
    "cache": "ITimingCache",
    "empty_cache": "ITimingCache",
    "registry": "IPluginRegistry",
    "runtime": "Runtime",
    "_runtime": "Runtime",
    "_engine": "ICudaEngine",
    "_context": "IExecutionContext",
    "inspector": "EngineInspector",
}
CLASS_OF_OURS = {"runtime": {"tensorrt"}}  # `manifest.runtime` elsewhere is a text; here it is TensorRT's


@dataclass(frozen=True)
class Use:
    """One use of a name: `kind.name`, set or read, or called with `count` arguments and `keywords`."""

    file: str
    line: int
    kind: str
    name: str
    is_set: bool = False
    count: int | None = None
    keywords: tuple[str, ...] = ()

    def check(self, version: str) -> None:
        found = member(version, self.kind, self.name)
        if self.kind == "module":
            if self.count is not None and self.name in VERSIONS[version]:
                check_call(version, self.name, "__init__", self.count, self.keywords)
        elif self.count is not None:
            check_call(version, self.kind, self.name, self.count, self.keywords)
        elif self.is_set:
            assert found == "write", f"{self.kind}.{self.name} cannot be set"


def uses_of(file: str) -> Iterator[Use]:
    tree = ast.parse((ENGINES / f"{file}.py").read_text(encoding="utf-8"))
    calls = {id(node.func): node for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (kind := _kind(node.value, file)):
            call = calls.get(id(node))
            count = None if call is None else len(call.args)
            keywords = tuple(k.arg or "" for k in call.keywords) if call else ()
            is_set = isinstance(node.ctx, ast.Store)
            yield Use(file, node.lineno, kind, node.attr, is_set, count, keywords)
        elif isinstance(node, ast.ClassDef):
            yield from _overrides(node, file)


def _kind(node: ast.expr, file: str) -> str | None:
    """The class of TensorRT that `node` is an object of; for `trt.SomeEnum` and `trt.SomeClass`, that one."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "trt":
        return node.attr
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return None if file not in CLASS_OF_OURS.get(name, {file}) else RECEIVERS.get(name)


def _overrides(node: ast.ClassDef, file: str) -> Iterator[Use]:
    """The methods of a class that TensorRT calls: it hands over what its own method takes."""
    for base in node.bases:
        if isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name) and base.value.id == "trt":
            expected = {name for name, value in VERSIONS["10.3.0"][base.attr].items() if isinstance(value, list)}
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name in expected:
                    yield Use(file, item.lineno, base.attr, item.name, count=len(item.args.args) - 1)


# Names of Python itself, such as `__version__`, are not listed.
USES = [use for file in FILES for use in uses_of(file) if not use.name.startswith("__")]
BY_OTHER_MEANS = [
    Use("builder", 0, "Builder", "__init__", count=1),  # by `builder.start`
    Use("builder", 0, "Runtime", "__init__", count=1),
    Use("tensorrt", 0, "IPluginCreatorV3One", "plugin_namespace"),  # by getattr
]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("use", USES + BY_OTHER_MEANS, ids=lambda use: f"{use.file}:{use.line}-{use.kind}.{use.name}")
def test_name_is_there_and_is_used_as_it_takes(use: Use, version: str) -> None:
    use.check(version)


def test_both_versions_are_held_to() -> None:
    assert {version.split(".")[0] for version in VERSIONS} == {"10", "11"}
    assert "10.3.0" in VERSIONS, "the version of JetPack 6"


def test_every_kind_of_object_is_seen() -> None:
    """A variable that was renamed would no longer be checked."""
    seen = {use.kind for use in USES}
    assert set(RECEIVERS.values()) | {"IProgressMonitor", "ILogger", "BuilderFlag", "MemoryPoolType"} <= seen


def test_no_call_is_missed() -> None:
    """Methods of TensorRT that are called on something that the table does not know."""
    methods = {
        name for api in VERSIONS.values() for members in api.values() for name, v in members.items() if type(v) is list
    }
    seen = {(use.file, use.line, use.name) for use in USES}
    ours = {"log", "parse", "stop", "phase_start", "phase_finish", "step_complete"} | {"__init__"}
    for file in FILES:
        for node in ast.walk(ast.parse((ENGINES / f"{file}.py").read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in methods - ours:
                assert (file, node.func.lineno, node.func.attr) in seen, f"{file}:{node.lineno} {node.func.attr}"


def test_no_branch_on_the_version() -> None:
    """One code path: a version is compared only where it is refused, or recorded in a manifest."""
    for file in FILES:
        for node in ast.walk(ast.parse((ENGINES / f"{file}.py").read_text(encoding="utf-8"))):
            if isinstance(node, (ast.If, ast.IfExp)):
                assert "__version__" not in ast.unparse(node.test), f"{file}:{node.lineno}"


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("HardwareCompatibilityLevel", tensorrt_config.HARDWARE_LEVELS),
        ("ProfilingVerbosity", tensorrt_config.VERBOSITIES),
    ],
)
def test_choices_are_those_of_tensorrt(kind: str, table: dict[str, str]) -> None:
    """All that TensorRT offers may be asked for; 10.3 lacks one, which is refused there (see test_tensorrt.py)."""
    for version, api in VERSIONS.items():
        lacking = {"SAME_COMPUTE_CAPABILITY"} if version == "10.3.0" and kind == "HardwareCompatibilityLevel" else set()
        assert set(table.values()) - lacking == set(api[kind]), version


def test_guard_refuses_what_a_version_lacks() -> None:
    class Everything:
        def __getattr__(self, name: str) -> object:
            return lambda *arguments, **keywords: None

    old, new = (Guarded(version, "IBuilderConfig", Everything()) for version in ("10.3.0", "11.4.0.106"))
    old.set_calibration_profile(1)
    with pytest.raises(AttributeError, match=r"11\.4\.0\.106 has no IBuilderConfig\.set_calibration_profile"):
        new.set_calibration_profile(1)
    with pytest.raises(TypeError, match="set_timing_cache takes"):
        new.set_timing_cache(1)
    new.set_timing_cache(1, ignore_mismatch=False)
    with pytest.raises(AttributeError, match="cannot be set"):
        new.num_optimization_profiles = 3
    with pytest.raises(AttributeError, match="has no IBuilderConfig"):
        new.int8_calibrator = 3


def test_tensorrt_rtx_has_what_we_share() -> None:
    """The real module: what it says of itself, for the files that both libraries run."""
    real = pytest.importorskip("tensorrt_rtx")
    api = look(real)
    VERSIONS["rtx"] = api
    try:
        for use in USES:
            if use.file in SHARED:
                use.check("rtx")
    finally:
        del VERSIONS["rtx"]


def test_real_bindings_take_our_arguments(tmp_path: Path) -> None:
    """TensorRT-RTX's configuration is made by the same bindings: it takes every value that we set, by type."""
    rtx = pytest.importorskip("tensorrt_rtx")
    log = message_log(rtx)
    config = rtx.Builder(log).create_builder_config()
    options = CompileOptions(
        workspace=64 << 20,
        builder_optimization_level=2,
        version_compatible=True,
        hardware_compatibility_level="ampere+",
        profiling_verbosity="detailed",
    )
    tensorrt_config.check_options(rtx, options)
    tensorrt_config.set_options(rtx, config, options)
    assert config.profiling_verbosity == rtx.ProfilingVerbosity.DETAILED
    assert config.builder_optimization_level == 2
    assert config.get_memory_pool_limit(rtx.MemoryPoolType.WORKSPACE) == 64 << 20


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorRT-RTX has these calls, but no timings
def test_real_library_empties_a_timing_cache_that_it_cannot_read(tmp_path: Path) -> None:
    """It says so in a warning only, and takes the empty one: the reason for our own check."""
    rtx = pytest.importorskip("tensorrt_rtx")
    log = message_log(rtx)
    config = rtx.Builder(log).create_builder_config()
    path = tmp_path / "timings"
    tensorrt_config.attach_timing_cache(rtx, config, path, log)
    tensorrt_config.save_timing_cache(config, path)
    tensorrt_config.attach_timing_cache(rtx, config, path, log)
    path.write_bytes(b"nonsense")
    assert config.set_timing_cache(config.create_timing_cache(b"nonsense"), False)
    with pytest.raises(SimpleTrtError, match=r"refuses the timing cache .*empty timing cache"):
        tensorrt_config.attach_timing_cache(rtx, config, path, log)
