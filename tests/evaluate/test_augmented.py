"""Test-time augmentation against what can be worked out by hand, and against the plain session."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate.augmentation import PAPER_SCALES, Augmentation
from simple_trt.evaluate.augmented import AugmentedPredictor
from simple_trt.models.simple import STRIDE
from simple_trt.pictures import read_picture
from simple_trt.runtime import Session
from tests.evaluate.networks import (
    FACE,
    BrightBox,
    Pooled,
    SizeTeller,
    bright_box,
    photo_like,
    predictor_of,
    save_tiny_checkpoint,
)

DECAY = math.exp(-1 / 0.5)  # of a box that the soft-NMS finds twice
CERTAIN = 1 / (1 + math.exp(-4.0))


def augmented(network: torch.nn.Module, size: tuple[int, int], **augmentation: object) -> AugmentedPredictor:
    return AugmentedPredictor(predictor_of(network), FACE, size, Augmentation(**augmentation))


def pooled_by_hand(picture: np.ndarray) -> np.ndarray:
    """[3,H/4,W/4]: the mean of every 4x4 pixels, 0..1."""
    height, width = picture.shape[:2]
    cells = picture.reshape(height // 4, 4, width // 4, 4, 3).astype(float).mean(axis=(1, 3)) / 255
    return cells.transpose(2, 0, 1)


def test_flip_averages_mirrored_maps_with_left_and_right_exchanged():
    """Heatmap k is colour k, plus a ramp that knows left from right and so does not mirror with the picture."""
    picture = np.random.default_rng(0).integers(0, 256, (32, 64, 3)).astype(np.uint8)
    seen = augmented(Pooled(ramp=0.1), (32, 64), flip=True).look(picture)
    red, green, blue = pooled_by_hand(picture)
    ramp = 0.1 * np.arange(16)
    both = ramp + ramp[::-1]
    want = [(red + red + both) / 2, (green + blue + both) / 2, (blue + green + both) / 2]
    np.testing.assert_allclose(seen.pose, want, atol=1e-5)


def test_without_flip_maps_are_as_they_come():
    picture = np.random.default_rng(1).integers(0, 256, (32, 64, 3)).astype(np.uint8)
    seen = augmented(Pooled(ramp=0.1), (32, 64)).look(picture)
    np.testing.assert_allclose(seen.pose, pooled_by_hand(picture) + 0.1 * np.arange(16), atol=1e-5)


@pytest.mark.parametrize("flip", [False, True])
def test_every_scale_counts_once(flip):
    """The map of each scale holds the height of its input: 64 * scale, rounded and padded to 32."""
    seen = augmented(SizeTeller(), (64, 96), flip=flip, scales=PAPER_SCALES).look(photo_like(0, 64, 96))
    assert seen.pose.shape == (3, 16, 24)
    np.testing.assert_allclose(seen.pose, np.mean([64, 64, 96, 96, 128]), rtol=1e-6)


def test_det_scales_do_not_count_in_the_heatmaps():
    network = SizeTeller()
    seen = augmented(network, (64, 64), scales=(0.5, 2.0), det_scales=(1.0,)).look(photo_like(0, 64, 64))
    np.testing.assert_allclose(seen.pose, (32 + 128) / 2)


@pytest.mark.parametrize("sizing", ["fixed", "accuracy"])
@pytest.mark.parametrize("image_size", [(200, 150), (150, 200), (97, 256)])
@pytest.mark.parametrize("scales", [(0.6,), (1.8,), (133 / 128,), (0.6, 133 / 128, 1.8)])
def test_heatmaps_of_other_scales_lie_where_those_of_scale_1_lie(sizing, image_size, scales):
    """A picture whose red grows to the right and whose green grows downwards says where each cell is.

    Sides such as 133 are neither multiples of 4 nor of 32; half a cell of shift would be seen ten times over.
    """
    height, width = image_size
    y, x = np.mgrid[:height, :width]
    picture = np.stack((x, y, 0 * x), axis=2).clip(0, 255).astype(np.uint8)
    home = augmented(Pooled(), (128, 128), sizing=sizing).look(picture)
    seen = augmented(Pooled(), (128, 128), sizing=sizing, flip=True, scales=scales).look(picture)
    rows, columns = (math.ceil(side / STRIDE) for side in home.frame.content_size)
    assert seen.pose.shape == home.pose.shape
    inside = np.s_[0, 4 : rows - 4, 4 : columns - 4]  # the antialiasing of the border reaches this far
    cell = STRIDE * width / home.frame.content_size[1] / 255
    np.testing.assert_allclose(seen.pose[inside], home.pose[inside], atol=0.05 * cell)


def test_accuracy_cuts_the_padding_off():
    seen = augmented(SizeTeller(), (64, 64), sizing="accuracy", flip=True).look(photo_like(0, 66, 100))
    assert seen.frame.network_size == (64, 97)
    assert seen.pose.shape == (3, 16, 25)
    assert seen.points.shape == (3, 16, 25)


@pytest.mark.parametrize("sizing", ["fixed", "accuracy"])
def test_a_flipped_box_is_the_box(sizing):
    """Corners found in the mirror image are other corners: of it the boxes come home, not the point maps.

    In `accuracy` the 118 pixels of width are padded to 128, and in the mirror image the padding comes first.
    """
    picture = bright_box((96, 118), (14, 20, 50, 81))
    people = augmented(BrightBox(), (96, 128), sizing=sizing, flip=True).predict(picture)
    box_scores = people.scores / people.keypoints.conf.mean(axis=1)
    np.testing.assert_allclose(people.boxes.xyxy, [[14, 20, 50, 81]] * 2, atol=1e-3)
    np.testing.assert_allclose(box_scores, [CERTAIN, CERTAIN * DECAY], rtol=1e-4)


def test_mirrored_point_maps_would_find_nobody():
    """The trap that the test before it lies in wait for: a mirrored top left corner is a top right one."""
    network = predictor_of(BrightBox())
    image = torch.full((1, 3, 96, 128), -2.0)
    image[:, :, 20:80, 12:52] = 2.0
    maps = network.simple(image)
    assert network.decode(maps).num.item() == 1
    assert network.decode(type(maps)(*(part.flip(3) for part in maps))).num.item() == 0


def test_flip_keeps_the_persons_sides():
    picture = bright_box((96, 128), (16, 20, 80, 84))
    people = augmented(BrightBox(), (96, 128), flip=True).predict(picture)
    x, conf = people.keypoints.xy[0, :, 0], people.keypoints.conf[0]
    np.testing.assert_allclose(x, [48, 64, 32], atol=1.0)
    assert conf.min() > 0.9  # two halves of it would be about a half


def test_boxes_come_from_det_scales():
    """A network that misses whom it sees less than 50 pixels high."""
    picture = bright_box((96, 128), (24, 30, 48, 60))
    sizes = {"scales": (1.0,), "det_scales": (1.0,)}
    assert len(augmented(BrightBox(least=50), (96, 128), **sizes).predict(picture)) == 0
    found = augmented(BrightBox(least=50), (96, 128), **sizes | {"det_scales": (1.0, 2.0)}).predict(picture)
    np.testing.assert_allclose(found.boxes.xyxy, [[24, 30, 48, 60]], atol=0.6)


@pytest.mark.parametrize("sizing", ["fixed", "accuracy"])
@pytest.mark.parametrize("scale", [0.6, 133 / 96, 1.8])
def test_boxes_of_any_scale_come_home(sizing, scale):
    picture = bright_box((150, 211), (33, 40, 101, 120))
    network = augmented(BrightBox(), (96, 128), sizing=sizing, flip=True, det_scales=(scale,))
    boxes = network.predict(picture).boxes.xyxy
    assert len(boxes) == 2
    pixel = 1 / scale * 150 / 96  # of the view, in the picture: the fake network rounds to it
    np.testing.assert_allclose(boxes, [[33, 40, 101, 120]] * 2, atol=1.1 * pixel)


def test_each_view_is_run_once():
    network = BrightBox()
    augmented(network, (64, 64), flip=True, scales=(0.5, 1.0), det_scales=(1.0, 2.0)).predict(photo_like(0, 64, 64))
    assert network.shapes == [(32, 32)] * 2 + [(64, 64)] * 2 + [(128, 128)] * 2


def test_project2image_reads_pixels():
    picture = bright_box((96, 128), (16, 20, 82, 86))
    quarter, whole = (
        augmented(BrightBox(), (96, 128), scales=(1.0, 2.0), project2image=value).predict(picture)
        for value in (False, True)
    )
    assert (whole.keypoints.xy % 1 == 0.5).all()
    assert not (quarter.keypoints.xy % 1 == 0.5).all()
    np.testing.assert_allclose(whole.keypoints.xy[0], [[49, 53], [65.5, 53], [32.5, 53]], atol=1.0)
    np.testing.assert_allclose(whole.scores, CERTAIN * whole.keypoints.conf.mean(axis=1), rtol=1e-4)


def test_points_are_those_of_the_plain_view_at_scale_1():
    picture = bright_box((96, 128), (16, 20, 80, 84))
    seen = augmented(BrightBox(), (96, 128), flip=True, scales=(0.6, 1.8), det_scales=(0.6, 1.0)).look(picture)
    assert seen.points.shape == (3, 24, 32)
    assert seen.points[0, 5, 4] == seen.points[1, 21, 20] == seen.points[2, 13, 12] == pytest.approx(CERTAIN)
    assert (seen.points > 0.5).sum() == 3


@pytest.mark.parametrize("complete", [False, True], ids=["plain model", "gate with context"])
@pytest.mark.parametrize("shape", [(90, 120), (120, 90), (300, 47), (5, 8)])
def test_one_plain_view_is_the_session(tmp_path, monkeypatch, shape, complete):
    path = save_tiny_checkpoint(tmp_path / "tiny.safetensors", monkeypatch, complete)
    picture = photo_like(3, *shape)
    with Session.open(path) as session:
        want = session.predict(picture)
    got = AugmentedPredictor.open(path).predict(picture)
    assert len(got) == len(want) > 0
    for a, b in ((got.boxes.xyxy, want.boxes.xyxy), (got.scores, want.scores), (got.keypoints.xy, want.keypoints.xy)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


def test_the_gate_sees_the_plain_view_whatever_the_others(tmp_path, monkeypatch):
    """Mirrored features are none of a mirrored picture, and those of other scales none of the home frame."""
    path = save_tiny_checkpoint(tmp_path / "tiny.safetensors", monkeypatch, complete=True)
    network = AugmentedPredictor.open(path, Augmentation(flip=True, scales=(0.6, 1.0)))
    seen, read = [], network.predictor.read

    def witness(pose, boxes, shared):
        seen.append(shared)
        return read(pose, boxes, shared)

    monkeypatch.setattr(network.predictor, "read", witness)
    picture = photo_like(3, 96, 128)
    network.look(picture)
    AugmentedPredictor(network.predictor, network.skeleton, network.size).look(picture)
    torch.testing.assert_close(seen[0], seen[1])
    assert seen[0].shape == (1, 16, 24, 32) and seen[0].std() > 0


def test_one_plain_view_of_the_bundled_model_is_the_session(data_dir):
    from simple_trt import zoo

    path = zoo.find("edge-512").checkpoint
    picture = read_picture(data_dir / "coco" / "val" / "000000000139.jpg")
    with Session.open(path) as session:
        want = session.predict(picture)
    got = AugmentedPredictor.open(path).predict(picture)
    assert len(want) > 0
    np.testing.assert_allclose(got.scores, want.scores, rtol=1e-5)
    np.testing.assert_allclose(got.keypoints.xy, want.keypoints.xy, rtol=1e-5)


@pytest.mark.parametrize("complete", [False, True], ids=["plain model", "gate with context"])
@pytest.mark.parametrize(
    "augmentation",
    [
        Augmentation(flip=True),
        Augmentation(flip=True, sizing="accuracy", scales=PAPER_SCALES, det_scales=PAPER_SCALES),
        Augmentation(project2image=True),
    ],
)
def test_at_most_32_people_best_first(tmp_path, monkeypatch, augmentation, complete):
    path = save_tiny_checkpoint(tmp_path / "tiny.safetensors", monkeypatch, complete)
    people = AugmentedPredictor.open(path, augmentation).predict(photo_like(4))
    assert 10 < len(people) <= 32
    assert (np.diff(people.scores) <= 0).all()
    assert people.image_size == (90, 120)


@pytest.mark.parametrize("name", ["model.onnx", "model.engine", "model"])
def test_only_a_checkpoint_has_maps(tmp_path, name):
    (tmp_path / name).write_bytes(b"whatever")
    with pytest.raises(UsageError, match=r"gives people only.*\.safetensors checkpoint"):
        AugmentedPredictor.open(tmp_path / name)


@pytest.mark.parametrize("name", ["none.safetensors", "none.onnx"])
def test_a_missing_file_is_missing(tmp_path: Path, name: str):
    with pytest.raises(SimpleTrtError, match="there is no file"):
        AugmentedPredictor.open(tmp_path / name)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scales": ()}, "scales are none"),
        ({"scales": (1.0, 0.0)}, "scales are 1, 0"),
        ({"scales": (9.0,)}, "scales are 9"),
        ({"det_scales": (1.0, float("nan"))}, "det_scales are 1, nan"),
        ({"scales": (1.0, 1.5, 1.0)}, "each once"),
        ({"sizing": "stretched"}, "no sizing is called 'stretched'.*fixed, accuracy"),
    ],
)
def test_augmentations_that_make_no_sense(wrong, message):
    with pytest.raises(UsageError, match=message):
        Augmentation(**wrong)
