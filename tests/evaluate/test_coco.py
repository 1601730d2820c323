"""Average precision against what can be worked out by hand, and against pycocotools' own way through files."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pycocotools")

from simple_trt.errors import SimpleTrtError, UsageError
from simple_trt.evaluate import METRICS, evaluate
from simple_trt.evaluate.annotations import read_annotations
from simple_trt.evaluate.coco import average_precision, find_people
from simple_trt.pictures import write_picture
from simple_trt.skeletons import COCO, MPII
from simple_trt.types import People
from tests.evaluate.made_up import Oracle, annotation_file, person, write_data

# Image 1: a medium and a large person; image 2: a large one, and one whom nobody marked.
DATA = annotation_file(
    [person(1, 1, 10, 60), person(2, 1, 150, 150), person(3, 2, 10, 120), person(4, 2, 200, 100, marked=0)]
)

ONE = pytest.approx(1.0)  # pycocotools loses the last bit


def measured(folder: Path, predict: Any, data: dict[str, Any] = DATA, **options: Any) -> dict[str, Any]:
    return evaluate(predict, *write_data(folder, data), **options)


def similarity(shift: float, area: float) -> float:
    """OKS of a person all of whose keypoints are off by `shift` pixels (its definition, written out)."""
    return float(np.mean([np.exp(-(shift**2) / (2 * area * (2 * sigma) ** 2)) for sigma in COCO.sigmas]))


def test_the_truth_scores_one(tmp_path: Path) -> None:
    metrics = measured(tmp_path, Oracle(DATA))
    assert [metrics[name] for name in METRICS] == pytest.approx([1.0] * 6)
    assert (metrics["images"], metrics["people"], metrics["detections"]) == (2, 3, 4)


def test_finding_nobody_scores_zero(tmp_path: Path) -> None:
    metrics = measured(tmp_path, lambda picture: People([], [], [], picture.shape[:2]))
    assert [metrics[name] for name in METRICS] == [0.0] * 6


def test_sizes_that_nobody_has_are_none(tmp_path: Path) -> None:
    data = annotation_file([person(1, 1, 150, 150)], images=1)
    metrics = measured(tmp_path, Oracle(data), data)
    assert (metrics["AP"], metrics["APM"], metrics["APL"]) == (ONE, None, ONE)


@pytest.mark.parametrize("shift", [2.0, 5.0, 9.0, 14.0, 30.0])
def test_similarity_by_hand(tmp_path: Path, shift: float) -> None:
    """One person: AP is the share of the ten thresholds that the similarity reaches."""
    data = annotation_file([person(1, 1, 50, 150)], images=1)
    metrics = measured(tmp_path, Oracle(data, shift), data)
    reached = similarity(shift, 150**2) >= np.linspace(0.5, 0.95, 10)
    assert metrics["AP"] == pytest.approx(reached.mean())
    assert metrics["AP50"] == pytest.approx(float(reached[0]))
    assert metrics["AP75"] == pytest.approx(float(reached[5]))


def test_the_half_pixel_is_not_lost(tmp_path: Path) -> None:
    """A 6 pixel person forgives so little that half a pixel would show."""
    data = annotation_file([person(1, 1, 50, 6)], images=1)
    assert measured(tmp_path, Oracle(data), data)["AP"] == ONE
    assert similarity(0.5, 36) < 0.95


def test_one_missed_of_three(tmp_path: Path) -> None:
    """Recall 2/3 at precision 1: of the 101 recall points, 0.00 to 0.66 are reached."""
    found = DATA | {"annotations": [entry for entry in DATA["annotations"] if entry["id"] != 2]}
    metrics = measured(tmp_path, Oracle(found))
    assert metrics["AP"] == pytest.approx(67 / 101)
    assert metrics["AR"] == pytest.approx(2 / 3)
    assert metrics["APM"] == pytest.approx(1.0)


def test_a_better_scored_mistake_costs_precision(tmp_path: Path) -> None:
    """One person found, but second after an invention: precision 1/2 at every recall."""
    data = annotation_file([person(1, 1, 10, 120)], images=1)
    invented = data | {"annotations": [*data["annotations"], person(2, 1, 250, 120)]}
    score = {1: 0.5, 2: 0.9}
    metrics = measured(tmp_path, Oracle(invented, score=lambda entry: score[entry["id"]]), data)
    assert metrics["AP"] == pytest.approx(0.5)


def test_only_the_order_of_the_scores_counts(tmp_path: Path) -> None:
    paths = write_data(tmp_path, annotation_file(DATA["annotations"][:2]))
    scores = {1: 0.31, 2: 0.93, 3: 0.77, 4: 0.9}
    raw = evaluate(Oracle(DATA, score=lambda entry: scores[entry["id"]]), *paths)
    squeezed = evaluate(Oracle(DATA, score=lambda entry: 0.001 + 0.1 * scores[entry["id"]] ** 3), *paths)
    assert raw == squeezed
    assert 0 < raw["AP"] < 1


def test_unmarked_people_and_crowds_cost_nothing(tmp_path: Path) -> None:
    crowd = person(5, 1, 10, 250) | {"iscrowd": 1, "num_keypoints": 0}
    data = annotation_file([*DATA["annotations"], crowd])
    assert measured(tmp_path, Oracle(DATA, score=lambda entry: 1 - entry["id"] / 10), data)["AP"] == ONE


def test_the_best_twenty_count(tmp_path: Path) -> None:
    data = annotation_file([person(1, 1, 10, 120)], images=1)
    nearly = data | {"annotations": [person(i, 1, 250, 100) for i in range(2, 22)] + data["annotations"]}
    assert measured(tmp_path, Oracle(nearly, score=lambda e: 0.1 if e["id"] == 1 else 0.9), data)["AP"] == 0.0


def test_annotation_number_zero_is_matched(tmp_path: Path) -> None:
    data = annotation_file([person(0, 1, 10, 120)], images=1)
    assert measured(tmp_path, Oracle(data), data)["AP"] == ONE


def test_limit_and_progress(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    metrics = measured(tmp_path, Oracle(DATA), limit=1, progress=lambda done, total: steps.append((done, total)))
    assert (metrics["images"], metrics["people"], metrics["AP"]) == (1, 2, ONE)
    assert steps == [(1, 1)]


def test_what_is_found_can_be_watched(tmp_path: Path) -> None:
    path, images = write_data(tmp_path, DATA)
    watched: list[Any] = []
    found = find_people(
        Oracle(DATA),
        read_annotations(path),
        images,
        watch=lambda entry, picture, people: watched.append((entry.id, int(picture[0, 0, 0]), len(people))),
    )
    assert watched == [(1, 1, 2), (2, 2, 2)]
    assert [entry["image_id"] for entry in found.results] == [1, 1, 2, 2]
    assert (found.image_ids, found.skeleton) == ([1, 2], COCO)


def test_limit_below_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="limit of 0"):
        measured(tmp_path, Oracle(DATA), limit=0)


def test_nothing_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(tmp_path, Oracle(DATA))
    assert capsys.readouterr() == ("", "")


def test_missing_pictures_are_named_before_anything_runs(tmp_path: Path) -> None:
    paths = write_data(tmp_path, annotation_file(DATA["annotations"], images=6))
    for i in (2, 3, 4, 5):
        (tmp_path / "images" / f"{i:012d}.png").unlink()
    with pytest.raises(SimpleTrtError, match=r"4 of 6 annotated pictures .*000000000002\.png, .* and others.*--images"):
        evaluate(lambda picture: pytest.fail("ran"), *paths)


def test_pictures_of_another_size_than_annotated(tmp_path: Path) -> None:
    paths = write_data(tmp_path, DATA)
    write_picture(tmp_path / "images" / "000000000001.png", np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(SimpleTrtError, match="is 20x10, but its annotations are for 400x300"):
        evaluate(Oracle(DATA), *paths)


def test_another_skeleton(tmp_path: Path) -> None:
    with pytest.raises(SimpleTrtError, match=r"the 16 keypoints of 'mpii', but .* has 17 keypoints"):
        measured(tmp_path, lambda picture: People([], [], [], picture.shape[:2], MPII))


def test_the_same_keypoints_in_another_order(tmp_path: Path) -> None:
    data = annotation_file(DATA["annotations"])
    data["categories"][0]["keypoints"] = list(reversed(COCO.keypoints))
    with pytest.raises(SimpleTrtError, match="in another order"):
        measured(tmp_path, Oracle(DATA), data)


def noisy_results(path: Path) -> list[dict[str, Any]]:
    """The truth, disturbed: misses, shifts of all sizes, inventions, random scores."""
    rng = np.random.default_rng(0)
    results = []
    for entry in json.loads(path.read_text())["annotations"]:
        keypoints = np.array(entry["keypoints"], float).reshape(17, 3)
        width, height = entry["bbox"][2:]
        keypoints[:, :2] += rng.normal(size=(17, 2)) * rng.exponential(0.1) * np.sqrt(width * height)
        if entry["num_keypoints"] and rng.random() < 0.9:
            score = float(rng.random())
            values = keypoints.ravel().tolist()
            results.append({"image_id": entry["image_id"], "category_id": 1, "keypoints": values, "score": score})
    return results


def test_equals_pycocotools_on_real_annotations(data_dir: Path, tmp_path: Path) -> None:
    from pycocotools.coco import COCO as CocoIndex  # noqa: N811
    from pycocotools.cocoeval import COCOeval

    path = data_dir / "coco" / "person_keypoints_val.json"
    results = noisy_results(path)
    (tmp_path / "results.json").write_text(json.dumps(results))
    with redirect_stdout(io.StringIO()):
        truth = CocoIndex(str(path))
        measure = COCOeval(truth, truth.loadRes(str(tmp_path / "results.json")), "keypoints")
        measure.evaluate()
        measure.accumulate()
        measure.summarize()
    annotations = read_annotations(path)
    metrics = average_precision(annotations, results, [entry.id for entry in annotations.pictures])
    assert [metrics[name] for name in METRICS] == measure.stats[:6].tolist()
    assert 0.1 < metrics["AP"] < 0.9
    assert metrics["images"] == 300
