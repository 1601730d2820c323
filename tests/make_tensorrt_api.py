"""Writes tensorrt_api.json: which names TensorRT's Python API has, version by version, and what its calls take.

    python tests/make_tensorrt_api.py

Needs pip, a package index and gcc; no GPU and no TensorRT. The wheels with the bindings (about 1 MB each) link to three
libraries of TensorRT that are not installable here, but take only nine functions from them. With empty libraries in
their place the real bindings can be imported, so what is written is what they say of themselves. One version is read
from the package tensorrt-stubs, as a second witness. Only facts are kept: names, parameters, what can be set.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

OUT = Path(__file__).with_name("tensorrt_api.json")
BINDINGS = {"10.3.0": "tensorrt-cu12-bindings", "11.4.0.106": "tensorrt-cu13-bindings"}  # 10.3: that of JetPack 6
STUBS = {"10.13.0.35": "tensorrt-stubs==10.13.0.35.1"}
CLASSES = (
    "Builder",
    "EngineInspector",
    "IBuilderConfig",
    "ICudaEngine",
    "IExecutionContext",
    "ILogger",
    "IPluginCreatorV3One",
    "IPluginRegistry",
    "IProgressMonitor",
    "ITimingCache",
    "OnnxParser",
    "ParserError",
    "Runtime",
)
ENUMS = (
    "BuilderFlag",
    "HardwareCompatibilityLevel",
    "LayerInformationFormat",
    "MemoryPoolType",
    "NetworkDefinitionCreationFlag",
    "ProfilingVerbosity",
    "TensorIOMode",
)
LIBRARIES = ("nvinfer", "nvonnxparser", "nvinfer_plugin")
FUNCTIONS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)

Api = dict[str, Any]
"""class -> name -> list of overloads, each a list of parameters (`name` or `name=`) | "read" | "write" | "member"; the
class `module` lists the names of the module itself."""


def main() -> None:
    """Fetch, look, write."""
    found: dict[str, Api] = {}
    with tempfile.TemporaryDirectory() as folder:
        for version, package in BINDINGS.items():
            found[version] = _from_bindings(Path(folder) / version, f"{package}=={version}")
        for version, package in STUBS.items():
            found[version] = _from_stubs(Path(folder) / version, package)
    lines = [f"{json.dumps(version)}: {_rows(found[version])}" for version in sorted(found, key=_number)]
    OUT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def _rows(api: Api) -> str:
    """One line a class."""
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(api[name])}" for name in sorted(api)) + "\n}"


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _fetch(folder: Path, package: str) -> None:
    words = ["download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(folder), package]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True)
    for wheel in folder.glob("*.whl"):
        zipfile.ZipFile(wheel).extractall(folder)


def _from_bindings(folder: Path, package: str) -> Api:
    _fetch(folder, package)
    major = package.partition("==")[2].partition(".")[0]
    source = folder / "empty.c"
    source.write_text("".join(f"void* {name}(void) {{ return 0; }}\n" for name in FUNCTIONS), encoding="utf-8")
    for name in LIBRARIES:
        file = f"lib{name}.so.{major}"
        out = folder / "tensorrt_bindings" / file
        subprocess.run(["gcc", "-shared", "-fPIC", f"-Wl,-soname,{file}", "-o", out, source], check=True)
    script = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(OUT.parent)!r}]\n" + (
        "import json, make_tensorrt_api, tensorrt_bindings\n"
        "print(json.dumps(make_tensorrt_api.look(tensorrt_bindings)))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, text=True, stdout=subprocess.PIPE)
    api: Api = json.loads(done.stdout)
    return api


def look(trt: Any) -> Api:
    """What an imported module says of itself; `trt` may be any module with TensorRT's interface."""
    api: Api = {name: _class(getattr(trt, name)) for name in CLASSES if hasattr(trt, name)}
    api |= {name: dict.fromkeys(sorted(getattr(trt, name).__members__), "member") for name in ENUMS}
    api["module"] = {name: "read" for name in sorted(dir(trt)) if not name.startswith("_")}
    return api


def _class(kind: type) -> Api:
    names = [name for name in dir(kind) if not name.startswith("_")]
    members = {name: _member(getattr(kind, name)) for name in names}
    return {"__init__": _overloads(kind.__init__.__doc__ or ""), **members}  # type: ignore[misc]


def _member(value: Any) -> Any:
    if isinstance(value, property):
        return "read" if value.fset is None else "write"
    if callable(value) and not isinstance(value, type):
        return _overloads(value.__doc__ or "")
    return "member"


def _overloads(text: str) -> list[list[str]]:
    """The parameters of each signature in a docstring of pybind11, without `self`."""
    lines = [line for line in text.splitlines() if re.match(r"(\d+\. )?\w+\((?!\*args)", line)]
    return [_parameters(re.sub(r"^\d+\. ", "", line)) for line in lines]


def _parameters(signature: str) -> list[str]:
    plain = re.sub(r"<[^>]*>", "None", signature)  # defaults that are no Python, such as <Flag.A: 1>
    plain = plain.replace("::", ".")  # names of C++ types
    loose = plain.replace("(", "(*, ", 1)  # some have a parameter without a default after one that has one
    function = ast.parse(f"def {loose}: ...").body[0]
    assert isinstance(function, ast.FunctionDef)
    return _names(function.args)


def _names(arguments: ast.arguments) -> list[str]:
    plain = [*arguments.posonlyargs, *arguments.args]
    required = len(plain) - len(arguments.defaults)
    optional = {argument.arg for argument in plain[required:]}
    optional |= {
        argument.arg
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is not None
    }
    names = [argument.arg for argument in (*plain, *arguments.kwonlyargs)]
    return [f"{name}=" if name in optional else name for name in names if name != "self"]


def _from_stubs(folder: Path, package: str) -> Api:
    _fetch(folder, package)
    modules = [_parsed(folder / "tensorrt_bindings" / name) for name in ("tensorrt.pyi", "__init__.pyi")]
    kinds = {node.name: node for node in modules[0].body if isinstance(node, ast.ClassDef)}
    api: Api = {name: _stub_class(kinds[name]) for name in CLASSES}
    api |= {name: _stub_enum(kinds[name]) for name in ENUMS}
    api["module"] = dict.fromkeys(sorted(set().union(*map(_stub_names, modules))), "read")
    return api


def _parsed(path: Path) -> ast.Module:
    """A stub file, where it is no Python made Python: defaults before non-defaults, a parameter named `in`."""
    text = path.read_text(encoding="utf-8")
    return ast.parse(re.sub(r"\bin: ", "in_: ", re.sub(r"\(self, (?![*/])", "(self, *, ", text)))


def _stub_enum(node: ast.ClassDef) -> Api:
    names = [item.target.id for item in node.body if isinstance(item, ast.AnnAssign) and hasattr(item.target, "id")]
    return dict.fromkeys(sorted(name for name in names if not name.startswith("_")), "member")


def _stub_class(node: ast.ClassDef) -> Api:
    members: Api = {}
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            members[item.target.id] = "member" if "ClassVar" in ast.unparse(item.annotation) else "write"
        elif isinstance(item, ast.FunctionDef):
            _add_function(members, item)
    return {name: value for name, value in members.items() if not name.startswith("_") or name == "__init__"}


def _add_function(members: Api, item: ast.FunctionDef) -> None:
    decorators = [ast.unparse(decorator) for decorator in item.decorator_list]
    if "property" in decorators:
        members[item.name] = "read"
    elif f"{item.name}.setter" in decorators:
        members[item.name] = "write"
    else:
        members.setdefault(item.name, []).append(_names(item.args))


def _stub_names(module: ast.Module) -> set[str]:
    names = {node.name for node in module.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    return {name for name in names if not name.startswith("_")}


if __name__ == "__main__":
    main()
