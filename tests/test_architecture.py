"""Who may know whom. This table is the architecture; change it only together with the code, and say why."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "simple_trt"

# Leaves that any room may use: they know nothing but the standard library and NumPy.
COMMON = {"errors", "files", "types", "skeletons", "similarity"}

# room: (rooms it may use besides itself and COMMON, packages it may import besides the standard library)
ROOMS: dict[str, tuple[str, str]] = {
    "errors": ("", ""),
    "files": ("", ""),
    "types": ("drawing", "numpy supervision"),
    "skeletons": ("", ""),
    "similarity": ("", "numpy"),
    "drawing": ("", "numpy cv2"),
    "pictures": ("", "numpy cv2 PIL"),
    "ops": ("_core", "torch numpy"),
    # scipy and NumPy match tags to people, which no tensor op does; MoveNet's weights are published as ONNX.
    "models": ("ops", "torch safetensors numpy scipy onnx"),
    "data": ("", "torch numpy cv2 pycocotools PIL scipy"),
    "train": ("ops models data", "torch numpy cv2 safetensors tqdm tomli onnx onnxruntime"),
    # ops: test-time augmentation letterboxes pictures at many sizes; drawing: pictures of heatmaps; scipy: tracks and
    # MPII's .mat; cv2: ignored polygons.
    "evaluate": ("ops models data engines pictures drawing", "numpy pycocotools torch scipy cv2"),
    "export": (
        "ops models data engines evaluate zoo pictures _core",
        "torch numpy onnx onnxruntime onnxscript onnx_ir",
    ),
    "engines": ("zoo pictures", "numpy onnx openvino onnxruntime tensorrt tensorrt_rtx cupy cuda pycuda torch"),
    "runtime": ("engines pictures drawing _core", "numpy cv2"),
    "zoo": ("", ""),
    "cli": ("data models train evaluate export engines runtime zoo pictures ops _core", "numpy onnx tqdm tomli"),
    "__init__": ("engines runtime", "numpy"),
    "__main__": ("cli", ""),
}

# What single files may use that their room may not.
EXCEPTIONS = {"engines/torch.py": "models"}  # the backend that runs a checkpoint as it is


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Full names of all modules a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if node.module == "simple_trt"
                else {node.module}
            )
            found |= {name for name in names if name}
    return found


SOURCES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_keep_to_the_table(path):
    room = room_of(path)
    rooms, packages = (set(names.split()) for names in ROOMS[room])
    rooms |= set(EXCEPTIONS.get(str(path.relative_to(PACKAGE)), "").split())
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "simple_trt":
            used = rest[0] if rest else "__init__"
            assert used in rooms | COMMON | {room, "__version__"}, f"{room} must not know simple_trt.{used}"
        else:
            assert top in packages | set(sys.stdlib_module_names), f"{room} must not import {top}"


def test_every_room_of_the_table_exists():
    assert {room_of(p) for p in SOURCES} == set(ROOMS)


FRAMEWORKS = {
    "torch": r"torch/|ATen/|c10/",
    "openvino": r"openvino/|tbb/",
    "tensorrt": r"NvInfer",
    "python": r"pybind11/|Python\.h",
}
# folder: frameworks its sources may include
C_ROOMS = {
    "csrc/kernels": set(),
    "csrc/emulator": set(),
    "csrc/torch": {"torch"},
    "csrc/python": {"python"},
    "csrc/openvino": {"openvino"},
    "plugins": {"tensorrt"},
    "examples/cpp": {"tensorrt", "openvino"},
}


@pytest.mark.parametrize("folder", sorted(C_ROOMS))
def test_sources_include_only_their_own_framework(folder):
    for path in (p for p in (ROOT / folder).rglob("*") if p.suffix in {".h", ".cpp", ".cu", ".cuh"}):
        for name in re.findall(r'#include\s*[<"]([^>"]+)[>"]', path.read_text(encoding="utf-8")):
            for framework, pattern in FRAMEWORKS.items():
                assert framework in C_ROOMS[folder] or not re.search(pattern, name), f"{path}: {name}"
            assert not re.search(r"csrc/(torch|python|openvino)|plugins/", name), f"{path}: {name}"


def test_kernels_neither_allocate_nor_throw_nor_synchronise():
    banned = r"\bnew\b|\bmalloc\b|cudaMalloc|cudaFree|\bthrow\b|Synchronize\s*\(|std::vector|std::string"
    threads = {"parallel.cpp", "parallel.h"}  # the pool owns its threads
    for path in (
        p for p in (ROOT / "csrc/kernels").iterdir() if p.suffix in {".h", ".cpp", ".cu"} and p.name not in threads
    ):
        code = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        assert not (found := re.search(banned, code)), f"{path}: {found.group()}"


def test_backends_know_only_their_own_framework():
    frameworks = {"torch", "tensorrt", "tensorrt_rtx", "openvino", "onnxruntime"}
    own = {
        "cpu": {"openvino", "onnxruntime"},
        "openvino_ops": {"openvino"},
        "tensorrt": {"tensorrt"},
        "tensorrt_rtx": {"tensorrt_rtx"},
        "torch": {"torch"},
        "torch_device": {"torch"},  # the same backend's part for sessions on a GPU
    }
    for path in (PACKAGE / "engines").glob("*.py"):
        used = {name.split(".")[0] for name in imports(path)} & frameworks
        assert used <= own.get(path.stem.removesuffix("_backend"), set()), f"{path}: {used}"
