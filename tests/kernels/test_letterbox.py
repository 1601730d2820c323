"""letterbox: the CPU kernel and the emulated CUDA kernel equal the twin to 2e-5."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from simple_trt.ops import reference

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
seeds = st.integers(0, 2**31 - 1)


def photo(height: int, width: int, seed: int, high: int = 256) -> np.ndarray:
    """Noise; of black and white only, the hardest edges there are, for ``high`` 2."""
    values = np.random.default_rng(seed).integers(0, high, (height, width, 3))
    return (values * (255 // (high - 1))).astype(np.uint8)


def twin(image: np.ndarray, out_h: int, out_w: int) -> np.ndarray:
    return reference.letterbox(torch.from_numpy(np.ascontiguousarray(image)), out_h, out_w, MEAN, STD).numpy()


def emulated_kernel(
    emulated: ModuleType, image: np.ndarray, out_h: int, out_w: int, dtype: type = np.float32
) -> np.ndarray:
    out = np.full((3, out_h, out_w), 77, dtype)
    emulated.letterbox_cuda(image, out, MEAN, STD)
    return out


@st.composite
def cases(draw: st.DrawFn, largest_in: int, largest_out: int) -> tuple[np.ndarray, int, int]:
    side_in, side_out = st.integers(1, largest_in), st.integers(1, largest_out)
    image = photo(draw(side_in), draw(side_in), draw(seeds), draw(st.sampled_from([2, 256])))
    return image, draw(side_out), draw(side_out)


@settings(max_examples=150, deadline=None)
@given(cases(largest_in=300, largest_out=120))
def test_cpu(core: ModuleType, case: tuple[np.ndarray, int, int]) -> None:
    np.testing.assert_allclose(core.letterbox(*case, MEAN, STD), twin(*case), rtol=0, atol=2e-5)


@settings(max_examples=50, deadline=None)
@given(cases(largest_in=120, largest_out=45), seeds)
def test_emulated(emulated: ModuleType, case: tuple[np.ndarray, int, int], seed: int) -> None:
    emulated.set_schedule_seed(seed)
    np.testing.assert_allclose(emulated_kernel(emulated, *case), twin(*case), rtol=0, atol=2e-5)


@pytest.mark.parametrize(
    ("height", "width", "out_h", "out_w"),
    [
        (1, 1, 1, 1),
        (1, 1, 40, 50),
        (300, 11, 31, 33),  # the content is one column wide
        (11, 300, 33, 31),
        (1, 5000, 64, 64),
        (64, 64, 64, 64),
        (480, 640, 512, 512),
        (1500, 2000, 512, 384),
        (3, 4097, 512, 512),  # a large factor and a long row: the filter's centre needs all the digits of a float
        (20, 30, 512, 512),
    ],
)
def test_sizes(core: ModuleType, height: int, width: int, out_h: int, out_w: int) -> None:
    case = photo(height, width, 1, 2), out_h, out_w
    np.testing.assert_allclose(core.letterbox(*case, MEAN, STD), twin(*case), rtol=0, atol=2e-5)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16])
def test_half_precision_is_the_rounded_result(emulated: ModuleType, dtype: type) -> None:
    image = photo(50, 70, 3)
    expected = emulated_kernel(emulated, image, 33, 40).astype(dtype)
    assert np.array_equal(emulated_kernel(emulated, image, 33, 40, dtype).view(np.uint16), expected.view(np.uint16))


@pytest.mark.parametrize("padding", [1, 7, 64])
def test_rows_may_be_padded(core: ModuleType, emulated: ModuleType, padding: int) -> None:
    """A part of a larger picture: its rows lie a pitch apart, and what is beside it must not be read."""
    image = photo(21, 30 + padding, 5)
    part = image[:, :30]
    expected = twin(part, 16, 24)
    image[:, 30:] = 255 - image[:, 30:]
    np.testing.assert_allclose(core.letterbox(part, 16, 24, MEAN, STD), expected, rtol=0, atol=2e-5)
    np.testing.assert_allclose(emulated_kernel(emulated, part, 16, 24), expected, rtol=0, atol=2e-5)


def test_other_strides_are_copied(core: ModuleType) -> None:
    image = photo(12, 9, 5)
    for view in (image[::-1], image[:, ::2], image[:, :, ::-1], image.transpose(1, 0, 2)):
        assert np.array_equal(core.letterbox(view, 8, 8, *PLAIN), core.letterbox(view.copy(), 8, 8, *PLAIN))


def test_the_number_of_threads_changes_nothing(core: ModuleType) -> None:
    image = photo(300, 400, 6)
    core.set_workers(1)
    alone = core.letterbox(image, 256, 192, MEAN, STD)
    try:
        for workers in (2, 3, 8):
            core.set_workers(workers)
            assert np.array_equal(core.letterbox(image, 256, 192, MEAN, STD), alone)
    finally:
        core.set_workers(0)


def test_a_real_photo(core: ModuleType, data_dir: Path) -> None:
    import cv2

    path = next(iter(sorted((data_dir / "coco").rglob("*.jpg"))), None)
    if path is None:
        pytest.skip(f"no photo under {data_dir}")
    image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
    np.testing.assert_allclose(core.letterbox(image, 512, 512, MEAN, STD), twin(image, 512, 512), rtol=0, atol=2e-5)


def test_nothing_is_found_out_of_bounds(run_sanitized) -> None:
    sizes = [(1, 1, 1, 1), (5, 7, 9, 8), (33, 20, 16, 31), (1, 90, 8, 8), (64, 3, 5, 70)]
    images = [photo(height, width, i) for i, (height, width, _, _) in enumerate(sizes)]
    outs = [np.full((3, out_h, out_w), 77, np.float32) for _, _, out_h, out_w in sizes]
    calls = [("letterbox_cuda", (image, out, MEAN, STD)) for image, out in zip(images, outs, strict=True)]
    calls += [("letterbox", (image, *out.shape[1:], MEAN, STD)) for image, out in zip(images, outs, strict=True)]
    results = run_sanitized(calls).results
    for (_, _, out_h, out_w), image, (written, _), (_, result) in zip(
        sizes, images, results[: len(sizes)], results[len(sizes) :], strict=True
    ):
        np.testing.assert_allclose(written[1], twin(image, out_h, out_w), rtol=0, atol=2e-5)
        np.testing.assert_allclose(result, twin(image, out_h, out_w), rtol=0, atol=2e-5)


@pytest.mark.gpu
@settings(max_examples=60, deadline=None)
@given(cases(largest_in=300, largest_out=120))
def test_gpu(case: tuple[np.ndarray, int, int]) -> None:
    import simple_trt.ops  # noqa: F401 registers the ops

    image, out_h, out_w = case
    result = torch.ops.simple_trt.letterbox(torch.from_numpy(image).cuda(), out_h, out_w, MEAN, STD)
    np.testing.assert_allclose(result.cpu().numpy(), twin(*case), rtol=0, atol=2e-5)


def test_a_photo_read_by_eye(core: ModuleType) -> None:
    image = np.zeros((1, 2, 3), np.uint8)
    image[0, 1] = 255, 0, 51
    result = core.letterbox(image, 2, 4, *PLAIN)
    np.testing.assert_allclose(result[:, 0], [[0, 0.25, 0.75, 1], [0, 0, 0, 0], [0, 0.05, 0.15, 0.2]], atol=1e-6)
    assert result.shape == (3, 2, 4)


def test_wrong_arguments_are_named(core: ModuleType) -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    with pytest.raises(ValueError, match=r"image: expected shape \[any, any, 3\], got \[4, 5, 4\]"):
        core.letterbox(np.zeros((4, 5, 4), np.uint8), 8, 8, MEAN, STD)
    with pytest.raises(ValueError, match="image: expected uint8, got float32"):
        core.letterbox(image.astype(np.float32), 8, 8, MEAN, STD)
    for empty in (image[:0], image[:, :0]):
        with pytest.raises(ValueError, match="letterbox: expected sizes within the op's limits"):
            core.letterbox(empty, 8, 8, MEAN, STD)
    for out_h, out_w in ((0, 8), (8, -1), (8, 65537)):
        with pytest.raises(ValueError, match="letterbox: expected sizes within the op's limits"):
            core.letterbox(image, out_h, out_w, MEAN, STD)
    with pytest.raises(ValueError, match="letterbox: expected arguments within the op's limits"):
        core.letterbox(image, 8, 8, MEAN, (1.0, 0.0, 1.0))
