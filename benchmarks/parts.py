"""What each part of the decode gives and takes: AP on the 300-image split with one part changed at a time.

The network runs once a photo; its maps are then read with no gate, with another ranking, with doubles left in, and as a
perfect gate would read them, which knows from the annotations whose every activation is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.conditions import Load, conditions
from benchmarks.options import data_folder, output_parser, run_main, say
from benchmarks.photos import validation
from benchmarks.results import write_result
from benchmarks.subjects import BUNDLED, find_subject
from simple_trt import ops
from simple_trt.data.coco import read_coco
from simple_trt.data.dataset import stack_people
from simple_trt.data.labels import Sample
from simple_trt.engines.manifest import Preprocessing
from simple_trt.errors import UsageError
from simple_trt.evaluate.annotations import read_annotations
from simple_trt.evaluate.coco import METRICS, average_precision
from simple_trt.evaluate.frames import frame_of, prepare
from simple_trt.models import checkpoints
from simple_trt.models.boxes import box_iou
from simple_trt.models.predictor import PeopleTensors, Predictor, find_boxes, read_people
from simple_trt.models.simple import STRIDE, Maps
from simple_trt.pictures import read_picture
from simple_trt.skeletons import COCO
from simple_trt.train.ownership import own_masks
from simple_trt.types import Letterbox, People

__all__ = ["VARIANTS", "main", "read_perfectly"]

Truth = Mapping[str, Tensor]
Read = Callable[[Predictor, Maps, "Tensor | None", Truth], PeopleTensors]
SURE = 0.2  # HRNet's rule: keypoints above it count in a person's score
OVERLAP = 0.3  # from which a box stands for the person whom it overlaps most


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and write the result."""
    p = output_parser("parts", __doc__ or "")
    p.add_argument("--model", default=BUNDLED, help="a bundled model or a checkpoint")
    p.add_argument("--limit", type=int, help="only the first so many photos")
    args = p.parse_args(argv)
    load, about, data = Load(), conditions(args.seed, args.threads), data_folder()
    torch.set_num_threads(args.threads)
    subject = find_subject(args.model, args.work, args.seed)
    found, ids = _find(subject.checkpoint, read_coco(*validation(data))[: args.limit])
    truth = read_annotations(validation(data)[0])
    rows = []
    for name, results in found.items():
        metrics = average_precision(truth, results, ids)
        say(f"parts: {name}: AP {metrics['AP']:.4f}")
        rows.append({"name": name} | {key: metrics[key] for key in METRICS})
    about |= load.to_json()
    write_result(args.out, "parts", about, settings={"photos": len(ids)}, model=subject.to_json(), rows=rows)
    return 0


def _find(checkpoint: Path, samples: Sequence[Sample]) -> tuple[dict[str, list[dict[str, Any]]], list[int]]:
    """COCO results of every variant, and the photos' numbers."""
    loaded = checkpoints.load(checkpoint)
    predictor, size = loaded.predictor(), loaded.meta.size
    if not isinstance(predictor, Predictor):
        raise UsageError(f"'{checkpoint}' is a network for comparison", "name one that learns points")
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in VARIANTS}
    with torch.inference_mode():
        for sample in samples:
            frame = frame_of((sample.height, sample.width), size, 1.0, "fixed")
            maps, shared = predictor.look(prepare(read_picture(sample.image), frame, Preprocessing()))
            truth = _truth(sample, frame)
            for name, read in VARIANTS.items():
                people = _people(read(predictor, maps, shared, truth), frame)
                results[name] += people.to_coco(sample.image_id)
    return results, [sample.image_id for sample in samples]


def _people(found: PeopleTensors, frame: Letterbox) -> People:
    count = int(found.num[0])
    boxes, scores, keypoints = (part[0, :count].numpy() for part in found[:3])
    return People.from_network(boxes, scores, keypoints, frame, COCO)


def _truth(sample: Sample, frame: Letterbox) -> Truth:
    """`boxes` [1,P,4] and `keypoints` [1,P,K,3] of the annotated people, network-input pixels."""
    people = stack_people(sample.people, COCO)
    boxes, keypoints = people["boxes"][None], people["keypoints"][None]
    places = torch.from_numpy(frame.to_network(keypoints[..., :2].numpy()))
    return {
        "boxes": torch.from_numpy(frame.to_network(boxes.numpy())),
        "keypoints": torch.cat([places, keypoints[..., 2:]], -1),
    }


def read_with(**changes: Any) -> Read:
    """Read with some of the settings, `grouping` or `scoring` changed."""

    def read(predictor: Predictor, maps: Maps, shared: Tensor | None, truth: Truth) -> PeopleTensors:  # noqa: ARG001
        parts = {name: changes.get(name, getattr(predictor, name)) for name in ("grouping", "scoring")}
        settings = replace(predictor.settings, **{k: v for k, v in changes.items() if k not in parts})
        other = Predictor(predictor.simple, parts["grouping"], predictor.prior, settings, parts["scoring"])
        return other.decode(maps, shared)

    return read


def read_perfectly(predictor: Predictor, maps: Maps, shared: Tensor | None, truth: Truth) -> PeopleTensors:
    """Where a box stands for somebody annotated, keep exactly the activations that are this person's.

    Classes of which there are none, and boxes that stand for nobody, are read through the gate as it is.
    """
    settings = predictor.settings
    found = find_boxes(maps, settings)
    people = read_people(maps.pose, found, predictor.grouping, predictor.prior, settings, shared)
    overlap, owner = box_iou(found.boxes, truth["boxes"]).max(2)
    known = (truth["keypoints"][..., 2] > 0).any(2).gather(1, owner)
    owner = torch.where((overlap >= OVERLAP) & known, owner, -1)
    crops, keep, _ = own_masks(maps.pose, (found.boxes, owner), dict(truth), settings, COCO.sigmas)
    own = torch.zeros(*found.boxes.shape[:2], *crops.shape[1:])
    own[owner >= 0] = torch.where(keep, crops.float(), 0.0)
    read = ops.read_keypoints(maps.pose, own, found.boxes, predictor.prior, STRIDE, settings.padding, settings.present)
    keypoints = torch.where((own.amax((3, 4)) > 0)[..., None], read, people.keypoints)
    return people._replace(keypoints=keypoints, scores=predictor.score_people(found.boxes, found.scores, keypoints))


VARIANTS: dict[str, Read] = {
    "as bundled": read_with(),
    "ranked without the learnt estimate": read_with(scoring=None),
    "ranked by box and sure keypoints": read_with(scoring=None, sure=SURE),
    "the same, doubles of a pose left in": read_with(scoring=None, sure=SURE, double_sigma=0.0),
    "as bundled, no gate": read_with(grouping=None),
    "as bundled, a perfect gate": read_perfectly,
}


if __name__ == "__main__":
    run_main(main)
