"""The COCO reader: right numbers, and no broken annotation passes in silence."""

import json

import cv2
import numpy as np
import pytest
import torch
from pycocotools import mask as rle

from simple_trt.data.coco import read_coco
from simple_trt.data.dataset import PoseDataset, crowd_mask, read_image
from simple_trt.data.transforms import Augmentation, compose_affine
from simple_trt.errors import SimpleTrtError
from simple_trt.skeletons import COCO


def annotation(**changes):
    points = [0.0] * 51
    points[0:3] = [10.0, 20.0, 2]
    return {
        "id": 7,
        "image_id": 1,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": [5, 6, 20, 40],
        "area": 300,
        "keypoints": points,
        "num_keypoints": 1,
    } | changes


@pytest.fixture
def write(tmp_path):
    def make(*annotations):
        cv2.imwrite(str(tmp_path / "a.png"), np.full((64, 48, 3), 99, np.uint8))
        data = {
            "images": [{"id": 1, "file_name": "a.png", "width": 48, "height": 64}],
            "annotations": list(annotations),
        }
        path = tmp_path / "a.json"
        path.write_text(json.dumps(data))
        return path, tmp_path

    return make


def test_keypoints_move_to_pixel_centres_and_boxes_stay(write):
    (sample,) = read_coco(*write(annotation()))
    (person,) = sample.people
    assert person.box.tolist() == [5, 6, 25, 46]
    assert person.keypoints[0].tolist() == [10.5, 20.5] and person.visible[0] == 2 and person.visible[1:].sum() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [({"keypoints": [1.0] * 50}, "annotation 7"), ({"bbox": [1, 2]}, "annotation 7"), ({"image_id": 9}, "annotation 7"),
     ({"keypoints": [float("nan")] * 51}, "not finite")],
)  # fmt: skip
def test_broken_annotations_are_named(write, change, words):
    with pytest.raises(SimpleTrtError, match=words):
        read_coco(*write(annotation(**change)))


def test_missing_and_wrong_files(tmp_path):
    with pytest.raises(SimpleTrtError, match="does not exist"):
        read_coco(tmp_path / "no.json", tmp_path)
    (tmp_path / "x.json").write_text("{")
    with pytest.raises(SimpleTrtError, match="not json"):
        read_coco(tmp_path / "x.json", tmp_path)
    (tmp_path / "y.json").write_text("[]")
    with pytest.raises(SimpleTrtError, match="'images' and 'annotations'"):
        read_coco(tmp_path / "y.json", tmp_path)


def test_crowds_are_painted_not_posed(write):
    counts = [48 * 64 // 2, 48 * 64 // 2]  # column-major run lengths: the right half
    code = annotation(iscrowd=1, segmentation={"size": [64, 48], "counts": counts})
    box = annotation(iscrowd=1, bbox=[0, 0, 8, 8])
    (sample,) = read_coco(*write(code, box))
    assert not sample.people
    mask = np.zeros((64, 48), np.uint8)
    for paint in sample.crowds:
        paint(mask)
    assert mask[:, 24:].all() and mask[:8, :8].all() and not mask[9:, :24].any()
    small = crowd_mask(sample, compose_affine(np.array([24.0, 32.0]), 1.0, 0.0, False, 64), 64)
    assert small.shape == (16, 16) and small[8, 9] == 1 and small[8, 4] == 0


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ({"size": [48, 64], "counts": [48 * 64]}, "of size .48, 64., its picture .64, 48."),
        ({"size": [64, 48], "counts": [7]}, "is damaged"),
        ({"size": [64, 48], "counts": [-1, 64 * 48 + 1]}, "is damaged"),
        ({"size": [64, 48], "counts": "no code"}, "is damaged"),
        ({"size": [64, 48], "counts": "P" * 100_000}, "is damaged"),
        ({"size": [64, 48], "counts": ""}, "is damaged"),
    ],
)
def test_a_run_length_code_that_cannot_be_painted_is_told(write, code, words):
    (sample,) = read_coco(*write(annotation(iscrowd=1, segmentation=code)))
    with pytest.raises(SimpleTrtError, match=words):
        sample.crowds[0](np.zeros((64, 48), np.uint8))


def test_compressed_codes_are_painted_as_pycocotools_does(write):
    rng = np.random.default_rng(0)
    for share in (0.0, 0.02, 0.5, 1.0):
        true = np.asfortranarray((rng.random((64, 48)) < share).astype(np.uint8))
        code = {"size": [64, 48], "counts": rle.encode(true)["counts"].decode()}
        (sample,) = read_coco(*write(annotation(iscrowd=1, segmentation=code)))
        mask = np.zeros((64, 48), np.uint8)
        sample.crowds[0](mask)
        assert (mask == true).all()


@pytest.mark.parametrize("code", [{"size": [64], "counts": [1]}, {"size": [64, None], "counts": [1]}, {"size": [1, 1]}])
def test_what_is_no_run_length_code_is_told_with_its_annotation(write, code):
    with pytest.raises(SimpleTrtError, match=r"annotation \d+ of picture"):
        read_coco(*write(annotation(iscrowd=1, segmentation=code)))


def test_pictures_that_are_missing_or_of_another_size(write):
    path, folder = write(annotation())
    (sample,) = read_coco(path, folder)
    cv2.imwrite(str(folder / "a.png"), np.zeros((10, 10, 3), np.uint8))
    with pytest.raises(SimpleTrtError, match="10x10, annotated as 48x64"):
        read_image(sample)
    (folder / "a.png").write_bytes(b"text")
    with pytest.raises(SimpleTrtError, match="not a readable picture"):
        read_image(sample)
    (folder / "a.png").unlink()
    with pytest.raises(SimpleTrtError, match="does not exist"):
        read_image(sample)


def test_items_repeat_for_the_same_epoch_and_differ_between_epochs(write):
    data = PoseDataset(read_coco(*write(annotation())), Augmentation(size=64), COCO)
    first, again = data[0], data[0]
    assert all(torch.equal(first[k], again[k]) for k in first)
    data.epoch = 1
    assert not torch.equal(first["image"], data[0]["image"])


def test_real_photos(data_dir):
    root = data_dir / "coco"
    samples = read_coco(root / "person_keypoints_val.json", root / "val")
    people = [p for s in samples for p in s.people]
    assert len(samples) == 300 and len(people) == 1382 and sum(p.labelled for p in people) == 882
    item = PoseDataset(samples, Augmentation(size=256), COCO)[3]
    assert item["image"].shape == (3, 256, 256) and item["pose"].shape == (17, 64, 64)
    assert item["points"].max() == 1
