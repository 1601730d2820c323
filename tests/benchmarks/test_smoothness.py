"""Jitter, lag and likeness on a made-up walk, where each is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.smoothness import accelerations, at_rest, lag, smoothness
from simple_trt.evaluate.poses import TruePeople
from simple_trt.evaluate.posetrack_truth import Frame, Video
from simple_trt.skeletons import POSETRACK
from simple_trt.types import People

J = len(POSETRACK)
BODY = np.stack([np.linspace(0, 40, J), np.linspace(0, 90, J)], axis=1)  # extent 40 x 90: size 60
SIZE = 60
FRAMES = 9


def walk(speed=3.0, late=0.0, shake=0.0, ids=None):
    """(annotations, people) of someone who walks to the right, found `late` frames late and shaken up and down."""
    frames, people = [], {}
    for t in range(FRAMES):
        true = np.add(BODY, (100 + speed * t, 50))
        seen = true - [speed * late, 0] + [0, shake * (-1) ** t]
        person = TruePeople(true[None].astype(np.float32), np.ones((1, J), bool), np.array([10.0]), np.array([7]))
        frames.append(Frame(str(t), person))
        points = np.concatenate([seen, np.ones((J, 1))], axis=1)[None]
        track = 0 if ids is None else ids[t]
        people[str(t)] = People([[0, 0, 9, 9]], [0.9], points, (300, 400), POSETRACK, [track])
    return Video("walk", frames), people


def test_a_perfect_walk_has_no_jitter_and_no_lag():
    video, people = walk()
    assert smoothness(video, people, people, 0.2) == {
        "id_switches": 0,
        "jitter": pytest.approx(0, abs=1e-3),
        "jitter_smooth": pytest.approx(0, abs=1e-3),
        "jitter_annotated": pytest.approx(0, abs=1e-3),
        "oks": 100.0,
        "oks_smooth": 100.0,
        "lag": 0.0,
    }


def test_being_late_is_seen_in_frames_and_costs_likeness():
    video, people = walk()
    row = smoothness(video, people, walk(late=1.5)[1], 0.2)
    assert row["lag"] == pytest.approx(1.5, abs=1e-3)
    assert row["jitter_smooth"] == pytest.approx(0, abs=1e-2)
    assert row["oks_smooth"] < 95 < row["oks"]


def test_what_the_network_is_wrong_by_is_no_lag():
    video, _ = walk()
    late = walk(late=0.7)[1]
    assert smoothness(video, late, late, 0.2)["lag"] == 0


def test_shaking_is_jitter_in_sizes_of_the_person():
    video, shaken = walk(shake=0.6)
    row = smoothness(video, shaken, walk()[1], 0.2)
    assert row["jitter"] == pytest.approx(1000 * 4 * 0.6 / SIZE, rel=1e-3)
    assert row["jitter_smooth"] == pytest.approx(0, abs=1e-2)
    assert row["oks"] < 100


def test_changes_of_the_id_are_counted():
    video, people = walk(ids=[0, 0, 1, 1, 1, 0, 2, 2, 2])
    assert smoothness(video, people, people, 0.2)["id_switches"] == 3


def test_joints_below_the_score_and_people_too_unlike_are_left_out():
    video, people = walk(late=40)
    assert smoothness(video, people, people, 0.2)["jitter"] is None
    video, people = walk()
    assert smoothness(video, people, people, 1.1)["oks"] is None


def test_at_rest_is_a_mean_over_all_sequences():
    still, shaken, calm = walk(speed=0)[0], walk(speed=0, shake=0.6)[1], walk(speed=0)[1]
    row = at_rest([(still, shaken, calm), (still, calm, calm)], 0.2)
    assert row == {"rest": pytest.approx(1000 * 2 * 0.6 / SIZE, rel=1e-3), "rest_smooth": 0.0}


def test_three_frames_in_succession_make_an_acceleration():
    positions = np.zeros((4, 1, 1, 2))
    positions[:, 0, 0, 0] = [0, 1, 4, np.nan]
    assert accelerations(positions, np.full((4, 1), 2.0))[:, 0, 0].tolist() == [1.0, pytest.approx(np.nan, nan_ok=True)]


def test_lag_needs_movement():
    still = np.zeros((3, 1, 1, 2))
    assert np.isnan(lag(still, still, still))
