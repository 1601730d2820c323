"""One-euro smoothing: against the paper's scalar filter, against what must not change, and when clocks misbehave."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simple_trt import Smoother, SmoothSettings
from simple_trt.errors import UsageError
from simple_trt.skeletons import COCO, MPII
from simple_trt.types import People

SIZE = 100.0  # of everybody here: boxes of 50 x 200
K = len(COCO)
STEP = 1 / 25


def people(xy, conf=1.0, ids=(0,), scale=1.0, image_size=(480, 640)) -> People:
    """Persons whose keypoints are all at their position [n,2]."""
    at = np.asarray(xy, float).reshape(len(ids), 1, 2)
    keypoints = np.concatenate([np.broadcast_to(at, (len(ids), K, 2)), np.full((len(ids), K, 1), conf)], axis=2)
    boxes = np.tile([0, 0, 50 * scale, 200 * scale], (len(ids), 1))
    return People(boxes, np.linspace(0.9, 0.8, len(ids)), keypoints, image_size, COCO, ids)


def follow(positions, smoother=None, conf=1.0, step=STEP, **options) -> np.ndarray:
    """Smoothed positions [T,2] of one person's first keypoint."""
    smoother = smoother or Smoother()
    confs = np.broadcast_to(conf, len(positions))
    seen = (
        smoother.update(people([p], c, **options), t * step)
        for t, (p, c) in enumerate(zip(positions, confs, strict=True))
    )
    return np.array([found.keypoints.xy[0, 0] for found in seen])


def paper(values, s: SmoothSettings, step: float) -> list[float]:
    """Algorithm 1 for numbers on a line, written down as it stands there; speeds in sizes a second."""

    def alpha(cutoff: float) -> float:
        return 1 / (1 + 1 / (2 * math.pi * cutoff) / step)

    smooth, speed, out = values[0], 0.0, [values[0]]
    for value in values[1:]:
        change = (value - smooth) / step / SIZE
        speed = alpha(s.speed_cutoff) * change + (1 - alpha(s.speed_cutoff)) * speed
        a = alpha(s.min_cutoff + s.beta * abs(speed))
        smooth = a * value + (1 - a) * smooth
        out.append(smooth)
    return out


@pytest.mark.parametrize("chosen", [SmoothSettings(), SmoothSettings(min_cutoff=0.3, beta=2, speed_cutoff=3)])
def test_along_a_line_it_is_the_filter_of_the_paper(chosen):
    values = np.cumsum(np.random.default_rng(1).normal(0, 4, 40)) + 300
    found = follow([(v, 7) for v in values], Smoother(chosen))
    np.testing.assert_allclose(found[:, 0], paper(values.tolist(), chosen, STEP), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], 7)


def test_what_rests_is_stilled():
    noisy = np.random.default_rng(0).normal(0, 0.3, (200, 2)) + 200
    assert np.diff(follow(noisy)[20:], n=2, axis=0).std() < 0.2 * np.diff(noisy[20:], n=2, axis=0).std()


@pytest.mark.parametrize("sizes_a_second", [0.1, 1, 10])
def test_steady_movement_is_behind_by_less_than_stated(sizes_a_second):
    positions = np.array([(t * STEP * sizes_a_second * SIZE, 0) for t in range(200)])
    behind = (positions - follow(positions))[-1, 0]
    assert 0 < behind < SIZE / (2 * math.pi * SmoothSettings().beta)


def test_it_is_the_same_for_near_and_far_people_and_in_every_direction():
    walk = np.cumsum(np.random.default_rng(2).normal(0, 3, (30, 2)), axis=0)
    near = follow(walk)
    np.testing.assert_allclose(follow(walk * 4, scale=4), near * 4, rtol=1e-4, atol=1e-3)
    turn = np.array([[math.cos(0.7), -math.sin(0.7)], [math.sin(0.7), math.cos(0.7)]])
    np.testing.assert_allclose(follow(walk @ turn), near @ turn, rtol=1e-4, atol=1e-3)


def test_everybody_has_filters_of_her_own_whatever_the_order():
    rng = np.random.default_rng(3)
    walks = np.cumsum(rng.normal(0, 3, (3, 20, 2)), axis=1)
    smoother = Smoother()
    for t in range(20):
        order = rng.permutation(3)
        found = smoother.update(people(walks[order, t], ids=order + 5), t * STEP)
    for person in found:
        np.testing.assert_allclose(person.xy[0], follow(walks[person.track_id - 5])[-1], rtol=1e-5)


def test_only_keypoints_and_times_change():
    before = people([(10, 20), (200, 20)], conf=0.7, ids=(4, 2))
    before.speed = {"network": 3.0}
    given_xy = before.keypoints.xy.copy()
    smoother = Smoother()
    smoother.update(before, 0)
    after = smoother.update(people([(15, 20), (205, 20)], conf=0.7, ids=(4, 2)), STEP)
    assert (after.boxes.xyxy == before.boxes.xyxy).all() and (after.scores == before.scores).all()
    assert (after.keypoints.conf == before.keypoints.conf).all() and after.track_ids.tolist() == [4, 2]
    assert after.image_size == before.image_size and after.skeleton == before.skeleton
    assert (before.keypoints.xy == given_xy).all()
    assert set(smoother.update(before, 1).speed) == {"network", "smoothing"}


def test_a_person_counts_less_the_less_she_is_seen():
    walk = [(100, 100)] * 5 + [(160, 100)]
    sure, unsure, unseen = (follow(walk, conf=[1] * 5 + [last])[-1, 0] for last in (0.2, 0.1, 0))
    assert 100 == unseen < unsure < sure < 160
    assert sure == follow(walk)[-1, 0]


def test_scores_that_flicker_about_the_limit_do_not_shake():
    noisy = np.random.default_rng(4).normal(0, 1, (100, 2)) + 200
    flicker = follow(noisy, conf=0.2 + 0.01 * (-1.0) ** np.arange(100))
    np.testing.assert_allclose(flicker, follow(noisy), atol=0.2)


def test_a_keypoint_unknown_for_too_long_begins_anew():
    frames = int(0.5 / STEP)
    walk = [(100, 100)] * 5 + [(300, 300)] * (frames + 5)
    conf = [1] * 5 + [0] * (frames + 4) + [1]
    found = follow(walk, conf=conf)
    assert (found[5 : 4 + frames] == 100).all()
    assert (found[6 + frames :] == 300).all()


@pytest.mark.parametrize(("gap", "anew"), [(0.45, False), (0.55, True)])
def test_a_track_that_returns_goes_on_or_begins_anew(gap, anew):
    smoother = Smoother()
    for t in range(10):
        smoother.update(people([(100, 100), (300, 100)], ids=(0, 1)), t * STEP)
    for t in np.arange(10 * STEP, 9 * STEP + gap, STEP):
        smoother.update(people([(300, 100)], ids=(1,)), t)
    back = smoother.update(people([(104, 100)]), 9 * STEP + gap).keypoints.xy[0, 0, 0]
    assert (back == 104) if anew else (100 < back < 104)


def test_who_is_gone_is_forgotten():
    smoother = Smoother()
    for k in range(500):
        smoother.update(people([(k, k)], ids=(k,)), k * STEP)
    assert len(smoother._tracks.ids) <= 0.5 / STEP + 2


def test_a_clock_that_stands_still_or_goes_back_holds_nobody():
    walk = [(10.0 * t, 0) for t in range(20)]
    steady = follow(walk, step=1 / 30)
    np.testing.assert_allclose(follow(walk, step=0), steady)
    np.testing.assert_allclose(follow(walk, step=-3), steady)


def test_one_repeated_timestamp_takes_the_last_interval():
    def last(times):
        smoother = Smoother()
        return [smoother.update(people([(5 * t, 0)]), when).keypoints.xy[0, 0, 0] for t, when in enumerate(times)][-1]

    assert last([0, 0.1, 0.2, 0.2]) == pytest.approx(last([0, 0.1, 0.2, 0.3]))


@pytest.mark.parametrize("jump", [10, 1e9, 1e300])
def test_a_long_pause_begins_everybody_anew(jump):
    smoother = Smoother()
    for t in range(5):
        smoother.update(people([(100, 100)]), t * STEP)
    found = [smoother.update(people([(200 + k, 100)]), jump * (1 + k)).keypoints.xy[0, 0, 0] for k in range(3)]
    assert found == [200, 201, 202]
    assert 202 < smoother.update(people([(210, 100)]), jump * 3).keypoints.xy[0, 0, 0] < 210


def test_other_pictures_and_skeletons_begin_anew():
    smoother = Smoother()
    smoother.update(people([(100, 100)]), 0)
    assert smoother.update(people([(200, 100)], image_size=(48, 64)), STEP).keypoints.xy[0, 0, 0] == 200
    keypoints = np.full((1, len(MPII), 3), 9.0)
    other = People([[0, 0, 50, 200]], [0.9], keypoints, (48, 64), MPII, [0])
    assert smoother.update(other, 2 * STEP).keypoints.xy[0, 0, 0] == 9


def test_reset_forgets():
    smoother = Smoother()
    smoother.update(people([(100, 100)]), 0)
    smoother.reset()
    assert smoother.update(people([(200, 100)]), STEP).keypoints.xy[0, 0, 0] == 200


def test_nobody_is_somebody_gone():
    smoother = Smoother()
    smoother.update(people([(100, 100)]), 0)
    assert len(smoother.update(people(np.zeros((0, 2)), ids=()), STEP)) == 0
    assert 100 < smoother.update(people([(110, 100)]), 2 * STEP).keypoints.xy[0, 0, 0] < 110


@pytest.mark.parametrize(
    ("ids", "when", "cause"),
    [
        (None, 0, "without tracks"),
        ([3, 3], 0, "the same track"),
        ([0, 1], math.nan, "is nan"),
        ([0, 1], math.inf, "is inf"),
    ],
)
def test_what_cannot_be_smoothed_is_refused(ids, when, cause):
    found = people([(1, 1), (2, 2)], ids=(0, 1))
    found.track_ids = None if ids is None else np.array(ids)
    with pytest.raises(UsageError, match=cause) as caught:
        Smoother().update(found, when)
    assert caught.value.cure


@pytest.mark.parametrize(
    "wrong",
    [{"min_cutoff": 0}, {"beta": -1}, {"speed_cutoff": math.nan}, {"joint_score": 0}, {"max_gap": math.inf}],
    ids=str,
)
def test_settings_have_ranges(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        SmoothSettings(**wrong)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(allow_nan=False, allow_infinity=False),
            st.floats(-(2.0**127), 2.0**127, width=32),
            st.floats(0, 1, width=32),
            st.floats(0, 2.0**120, width=32),
        ),
        min_size=1,
        max_size=12,
    )
)
@example([(0.0, -9007200328482816.0, 1.0, 0.0), (0.0, -1.0, 1.0, 0.0)])
def test_whatever_comes_positions_stay_finite_and_between_those_measured(frames):
    smoother = Smoother()
    for count, (when, x, conf, scale) in enumerate(frames, 1):
        found = smoother.update(people([(x, -x)], conf, scale=scale / 200), when)
        seen = [x for _, x, _, _ in frames[:count]]
        assert np.nextafter(np.float32(min(seen)), -np.inf) <= found.keypoints.xy[0, 0, 0]
        assert found.keypoints.xy[0, 0, 0] <= np.nextafter(np.float32(max(seen)), np.inf)


def test_it_is_cheap_enough_to_leave_on():
    """Measured: 60 microseconds a frame and 1 a person; the limit leaves room for a machine that is busy."""
    smoother, crowd = Smoother(), people(np.ones((30, 2)), ids=range(30))
    times = []
    for t in range(100):
        start = time.perf_counter()
        smoother.update(crowd, t * STEP)
        times.append(time.perf_counter() - start)
    assert min(times) / 30 < 30e-6
