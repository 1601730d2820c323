"""AP from kept matches against pycocotools' own; the paired standard error against simulation and by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pycocotools")

from simple_trt.errors import SimpleTrtError
from simple_trt.evaluate.annotations import Annotations, read_annotations
from simple_trt.evaluate.coco import Found, average_precision, find_people
from simple_trt.evaluate.paired import ap_drop, match_found
from tests.evaluate.made_up import Oracle, annotation_file, person, write_data

IMAGES = 12


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> tuple[Annotations, Found]:
    """Twelve pictures of one to three people, and what a network that is right about them finds."""
    rng = np.random.default_rng(0)
    people: list[dict[str, Any]] = []
    for image in range(1, IMAGES + 1):
        for place in range(int(rng.integers(1, 4))):
            people.append(person(len(people) + 1, image, 10 + 125 * place, float(rng.uniform(40, 110))))
    data = annotation_file(people, IMAGES)
    annotations_file, images = write_data(tmp_path_factory.mktemp("paired"), data)
    annotations = read_annotations(annotations_file)
    return annotations, find_people(Oracle(data), annotations, images)


def disturbed(found: Found, noise: float, seed: int, lost: float = 0.0) -> Found:
    """Every keypoint moved at random, every score redrawn, a share of the people not found."""
    rng = np.random.default_rng(seed)
    results = []
    for entry in found.results:
        points = np.array(entry["keypoints"], float).reshape(-1, 3)
        points[:, :2] += rng.normal(0, noise, (len(points), 2))
        changed = entry | {"keypoints": points.ravel().tolist(), "score": float(rng.random())}
        if rng.random() >= lost:
            results.append(changed)
    return Found(results, found.image_ids, found.skeleton)


def on(found: Found, ids: list[int]) -> Found:
    return Found([entry for entry in found.results if entry["image_id"] in ids], ids, found.skeleton)


@pytest.mark.parametrize(("noise", "lost"), [(0.0, 0.0), (2.0, 0.0), (6.0, 0.3), (3.0, 1.0)])
def test_ap_is_pycocotools_own(truth: tuple[Annotations, Found], noise: float, lost: float) -> None:
    annotations, found = truth
    some = disturbed(found, noise, 1, lost)
    wanted = average_precision(annotations, some.results, some.image_ids, some.skeleton)["AP"]
    assert match_found(annotations, some).ap() == pytest.approx(wanted, abs=1e-12)


def test_weights_leave_pictures_out(truth: tuple[Annotations, Found]) -> None:
    annotations, found = truth
    some = disturbed(found, 4.0, 2)
    ids = [1, 4, 5, 9]
    weights = np.isin(sorted(found.image_ids), ids).astype(float)
    wanted = match_found(annotations, on(some, ids)).ap()
    assert match_found(annotations, some).ap(weights) == pytest.approx(wanted, abs=1e-12)
    assert match_found(annotations, some).ap(3 * weights) == pytest.approx(wanted, abs=1e-12)
    assert np.isnan(match_found(annotations, some).ap(0 * weights))


def test_a_network_beside_itself_loses_nothing(truth: tuple[Annotations, Found]) -> None:
    matches = match_found(truth[0], disturbed(truth[1], 4.0, 3))
    assert ap_drop(matches, matches) == (0.0, 0.0)


def test_the_drop_and_its_error(truth: tuple[Annotations, Found]) -> None:
    annotations, found = truth
    before, after = (match_found(annotations, disturbed(found, noise, 4)) for noise in (1.0, 6.0))
    drop = ap_drop(before, after)
    assert drop.ap == before.ap() - after.ap() > 0
    assert ap_drop(after, before).ap == -drop.ap
    assert ap_drop(before, after) == drop
    # The textbook bootstrap, each resample drawn picture by picture.
    rng = np.random.default_rng(7)
    draws = [np.bincount(rng.integers(0, IMAGES, IMAGES), minlength=IMAGES).astype(float) for _ in range(400)]
    spread = np.std([before.ap(w) - after.ap(w) for w in draws], ddof=1)
    assert drop.standard_error == pytest.approx(spread, rel=0.3)


def test_pairing_is_what_makes_it_sharp(truth: tuple[Annotations, Found]) -> None:
    annotations, found = truth
    one, other = (match_found(annotations, disturbed(found, noise, 5)) for noise in (4.0, 4.4))
    rng = np.random.default_rng(8)
    draws = rng.multinomial(IMAGES, np.full(IMAGES, 1 / IMAGES), size=200).astype(float)
    unpaired = np.hypot(*(np.std([m.ap(w) for w in draws], ddof=1) for m in (one, other)))
    assert ap_drop(one, other).standard_error < 0.7 * unpaired


def test_nobody_to_find(tmp_path: Path) -> None:
    data = annotation_file([person(1, 1, 10, 60, marked=0)], 1)
    annotations_file, images = write_data(tmp_path, data)
    annotations = read_annotations(annotations_file)
    with pytest.raises(SimpleTrtError, match="marks no keypoints"):
        match_found(annotations, find_people(Oracle(data), annotations, images))
