"""Where int8 products are added in 16 bits, weights get a range that cannot overflow, and others are refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from simple_trt.engines import LoadOptions, processor
from simple_trt.engines.cpu import CpuEngine
from simple_trt.engines.onnx_metadata import graph_manifest, read_metadata
from simple_trt.errors import SimpleTrtError
from simple_trt.export.metadata import FORMAT, PREPROCESSING, write_metadata
from simple_trt.export.precision.int8 import quantise

SIDE, KERNEL = 32, 5


@pytest.fixture
def running_on(tmp_path, monkeypatch):
    """Pretend to run on a processor with these flags, of this architecture."""

    def pretend(flags, machine="x86_64"):
        file = tmp_path / "cpuinfo"
        file.write_text("" if flags is None else f"model name : Planted\nflags\t\t: fpu {flags}\n")
        monkeypatch.setattr(processor, "CPUINFO", file)
        monkeypatch.setattr(processor.platform, "machine", lambda: machine)
        processor.overflows_int8.cache_clear()

    yield pretend
    processor.overflows_int8.cache_clear()


@pytest.mark.parametrize(
    ("flags", "machine", "overflows"),
    [
        ("avx2", "x86_64", True),
        ("avx2 avx512f avx512bw", "x86_64", True),
        ("avx2 avx_vnni", "x86_64", False),
        ("avx512f avx512_vnni", "AMD64", False),
        ("amx_int8", "x86_64", False),
        (None, "x86_64", True),
        ("avx2", "aarch64", False),
    ],
)
def test_only_x86_without_vnni_overflows(running_on, flags, machine, overflows):
    running_on(flags, machine)
    assert processor.overflows_int8() == overflows
    assert processor.weight_levels("cpu") == (64 if overflows else 127)
    assert processor.weight_levels("tensorrt") == processor.weight_levels("tensorrt-rtx") == 127


def test_an_x86_that_does_not_show_its_instructions_is_taken_for_one_that_overflows(running_on, tmp_path, monkeypatch):
    running_on("avx_vnni")
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "none")
    assert processor.overflows_int8()


def worst_convolution(path, levels):
    """A convolution whose sums are the largest that there are: all weights and inputs at their largest."""
    weight = numpy_helper.from_array(np.ones((16, 3, KERNEL, KERNEL), np.float32), "w")
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    sums = helper.make_tensor_value_info("sums", TensorProto.FLOAT, [1, 16, SIDE - KERNEL + 1, SIDE - KERNEL + 1])
    node = helper.make_node("Conv", ["image", "w"], ["sums"], name="conv")
    graph = helper.make_graph([node], "worst", [image], [sums], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    facts = {"format": FORMAT, "preprocessing": PREPROCESSING, "name": "worst", "precision": "fp32", "batch": 1}
    write_metadata(model, facts | {"lowering": "plain", "size": [SIDE, SIDE], "skeleton": "coco"})
    onnx.save(quantise(model, ["conv"], {"image": 1.0}, levels), path)
    return path


def largest_sums(path, options, sign=1):
    image = np.full((1, 3, SIDE, SIDE), sign, np.float32)
    with CpuEngine(path, graph_manifest(path), options) as engine:
        return engine.infer({"image": image})["sums"]


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_sums_of_safe_weights_are_right_on_this_machine(tmp_path, runtime):
    path = worst_convolution(tmp_path / "safe.onnx", 64)
    assert read_metadata(path)["weight_levels"] == 64
    for sign in (1, -1):
        sums = largest_sums(path, LoadOptions(runtime=runtime), sign)
        np.testing.assert_allclose(sums, sign * 3 * KERNEL**2, rtol=0.02)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_weights_that_would_overflow_are_refused(running_on, tmp_path, runtime):
    path = worst_convolution(tmp_path / "full.onnx", 127)
    running_on("avx2")
    with pytest.raises(SimpleTrtError, match="overflow") as caught:
        CpuEngine(path, graph_manifest(path), LoadOptions(runtime=runtime))
    assert "build it here" in caught.value.cure
    running_on("avx2 avx_vnni")
    CpuEngine(path, graph_manifest(path), LoadOptions(runtime=runtime)).close()


def test_computing_the_pairs_as_they_are_written_cannot_overflow(running_on, tmp_path):
    path = worst_convolution(tmp_path / "full.onnx", 127)
    running_on("avx2")
    options = LoadOptions(runtime="onnxruntime", fuse_quantised=False)
    np.testing.assert_allclose(largest_sums(path, options), 3 * KERNEL**2, rtol=0.02)
