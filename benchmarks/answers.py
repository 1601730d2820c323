"""Correct first, timed second: what each contender answers beside what PyTorch answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simple_trt.errors import SimpleTrtError
from simple_trt.export.verify_people import compare_people
from simple_trt.types import People

__all__ = ["compare_answers", "people_of", "require_equal"]

SAME_PLACE = 0.5  # pixels

Arrays = Mapping[str, NDArray[Any]]


def people_of(outputs: Arrays, size: int) -> People:
    """The first picture's people in pixels of the network's input, from an engine's outputs.

    Raises:
        SimpleTrtError: a number is not finite.
    """
    count = int(outputs["num"][0])
    found = {name: outputs[name][0, :count] for name in ("boxes", "scores", "keypoints")}
    if not all(np.isfinite(values).all() for values in found.values()):
        raise SimpleTrtError("numbers that are not finite", "it computes nonsense: do not time it")
    return People(found["boxes"], found["scores"], found["keypoints"], (size, size))


def compare_answers(outputs: Mapping[str, Arrays], reference: str, size: int) -> dict[str, dict[str, Any]]:
    """How far each contender's people are from the reference's: counts, pixels, scores, by name.

    `num` and `rows_px` are about all rows that the decode fills, the rest about people with a score of at least 0.1.

    Raises:
        SimpleTrtError: a contender's numbers are not finite, or its outputs are not those of the reference in shape.
    """
    expected = people_of(outputs[reference], size)
    shapes = {name: values.shape for name, values in outputs[reference].items()}
    answers = {}
    for contender, arrays in outputs.items():
        if {name: values.shape for name, values in arrays.items()} != shapes:
            raise SimpleTrtError(f"'{contender}' has outputs of other shapes than '{reference}'", "rebuild it")
        try:
            people = people_of(arrays, size)
        except SimpleTrtError as error:
            raise SimpleTrtError(f"'{contender}' answers {error.cause}", error.cure) from error
        rows = _row_distance(arrays, outputs[reference])
        answers[contender] = {"num": len(people), "rows_px": rows} | compare_people([(expected, people)]).to_json()
    return answers


def _row_distance(outputs: Arrays, reference: Arrays) -> float | None:
    """Largest difference of any box coordinate, row by row, pixels; None when another number of rows is used."""
    count = int(reference["num"][0])
    if int(outputs["num"][0]) != count:
        return None
    gaps = np.abs(outputs["boxes"][0, :count] - reference["boxes"][0, :count])
    return round(float(gaps.max()), 5) if count else 0.0


def require_equal(answers: Mapping[str, Mapping[str, Any]], names: list[str]) -> None:
    """Hold contenders of full precision to the reference's answer.

    Raises:
        SimpleTrtError: one finds other people, or finds them more than half a pixel away.
    """
    for name in names:
        answer = answers[name]
        others = not answer["reference"] == answer["engine"] == answer["matched"]
        if others or (answer["box_px"]["max"] or 0) > SAME_PLACE:
            raise SimpleTrtError(f"'{name}' answers otherwise than the reference: {dict(answer)}", "do not time it")
