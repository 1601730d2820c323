"""Who keeps her id: people who walk, cross, hide and vanish in pictures made up for it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from simple_trt import Tracker, TrackSettings
from simple_trt.errors import UsageError
from simple_trt.runtime.flow import FrameFlow
from simple_trt.skeletons import MPII
from simple_trt.types import People
from tests.runtime.moving import HEIGHT, WIDTH, Scene, Walker, people_at, texture, walk

SIZE = (HEIGHT, WIDTH)


def track(scene: Scene, frames: int, tracker: Tracker | None = None) -> dict[int, list[int]]:
    """The ids that each walker gets, frame by frame where she is seen."""
    tracker = tracker or Tracker()
    ids: dict[int, list[int]] = {i: [] for i in range(len(scene.walkers))}
    for k in range(frames):
        people = tracker.update(scene.frame(k), scene.people(k))
        assert people.track_ids is not None
        assert len(set(people.track_ids.tolist())) == len(people)
        for i, track_id in zip(scene.walker_of(k, people), people.track_ids.tolist(), strict=True):
            ids[i].append(track_id)
    return ids


def unseen_in(*frames: int):
    return lambda k: k not in frames


def test_people_who_walk_keep_their_ids() -> None:
    scene = Scene(Walker(walk(20, 30, 5)), Walker(walk(140, 60, 0, 1), score=0.8), Walker(walk(250, 40, -4), score=0.7))
    assert track(scene, 8) == {0: [0] * 8, 1: [1] * 8, 2: [2] * 8}


def test_a_pan_that_puts_each_where_the_next_stood_is_seen_through() -> None:
    step = 40
    wide = texture(HEIGHT, WIDTH + 4 * step, seed=1)

    def ids(still: bool) -> list[list[int]]:
        tracker = Tracker()
        found = []
        for k in range(4):
            frame = wide[:, :WIDTH] if still else wide[:, k * step : k * step + WIDTH]
            corners = [(place - k * step, 40.0) for place in (140, 180, 220)]
            people = tracker.update(frame, people_at(corners, [0.9, 0.8, 0.7]))
            found.append([] if people.track_ids is None else people.track_ids.tolist())
        return found

    assert ids(still=False) == [[0, 1, 2]] * 4
    assert ids(still=True)[1] == [3, 0, 1]  # what places alone say


def test_two_who_cross_keep_their_ids() -> None:
    scene = Scene(Walker(walk(60, 30, 6)), Walker(walk(200, 55, -6), score=0.8))
    assert track(scene, 16) == {0: [0] * 16, 1: [1] * 16}


def test_hidden_behind_a_pillar_for_two_frames() -> None:
    hidden = (4, 5)
    scene = Scene(Walker(walk(100, 40, 5), seen=unseen_in(*hidden)), pillars=((128, 152),))
    assert track(scene, 10) == {0: [0] * 8}


@pytest.mark.parametrize(("memory", "gap", "after"), [(5, 4, 0), (5, 5, 1), (2, 1, 0), (2, 2, 1), (1, 0, 0), (1, 1, 1)])
def test_who_is_unseen_for_as_long_as_the_memory_is_new(memory: int, gap: int, after: int) -> None:
    scene = Scene(Walker(walk(100, 40, 3), seen=unseen_in(*range(3, 3 + gap))))
    ids = track(scene, 8 + gap, Tracker(TrackSettings(memory=memory)))
    assert ids == {0: [0] * 3 + [after] * 5}


def test_a_track_that_ends_does_not_give_its_id_away() -> None:
    first, later = Walker(walk(20, 40, 2), seen=lambda k: k < 3), Walker(walk(220, 40, 0), seen=lambda k: k >= 10)
    assert track(Scene(first, later), 13) == {0: [0] * 3, 1: [1] * 3}


def test_frames_without_people() -> None:
    tracker = Tracker()
    frame = texture(HEIGHT, WIDTH, 0)
    for _ in range(3):
        people = tracker.update(frame, people_at([], []))
        assert len(people) == 0
        assert people.track_ids is not None and people.track_ids.shape == (0,)
    assert tracker.update(frame, people_at([(50, 50)], [0.9])).track_ids.tolist() == [0]


def test_one_frame() -> None:
    people = Tracker().update(texture(HEIGHT, WIDTH, 0), people_at([(50, 50), (200, 50)], [0.6, 0.9]))
    assert people.track_ids.tolist() == [0, 1]
    assert people.scores.tolist() == pytest.approx([0.9, 0.6])


def test_the_order_of_people_does_not_matter() -> None:
    corners = [(10, 30), (80, 60), (150, 30), (220, 60)]
    scene = Scene(*(Walker(walk(x, y, 3)) for x, y in corners))
    found = set()
    for order in itertools.permutations(range(4)):
        tracker = Tracker()
        ids = []
        for k in range(3):
            people = tracker.update(scene.frame(k), scene.people(k, order=list(order)))
            ids.append(tuple(people.track_ids[np.argsort(scene.walker_of(k, people))].tolist()))
        found.add(tuple(ids))
    assert found == {((0, 1, 2, 3),) * 3}


def test_the_same_again_after_reset() -> None:
    scene = Scene(Walker(walk(20, 30, 5)), Walker(walk(200, 30, -5), seen=unseen_in(3, 4)))
    tracker = Tracker()
    first = track(scene, 8, tracker)
    tracker.reset()
    assert track(scene, 8, tracker) == first == track(scene, 8)


def test_at_a_cut_all_is_forgotten() -> None:
    before = Scene(Walker(walk(30, 30, 0)), Walker(walk(100, 60, 0)), seed=1)
    after = Scene(Walker(walk(220, 60, 0)), seed=50)
    tracker = Tracker()
    track(before, 3, tracker)
    assert tracker.update(after.frame(0), after.people(0)).track_ids.tolist() == [2]
    # one of the old places is taken again within the memory's reach
    returned = people_at([(30, 30)], [0.9])
    assert tracker.update(after.frame(1), returned).track_ids.tolist() == [3]


def test_a_stranger_beside_those_who_stay_is_no_cut() -> None:
    staying, gap = Walker(walk(30, 30, 0)), Walker(walk(120, 30, 0), score=0.8, seen=unseen_in(2))
    stranger = Walker(walk(230, 30, 0), score=0.7, seen=lambda k: k >= 2)
    assert track(Scene(staying, gap, stranger), 5) == {0: [0] * 5, 1: [1] * 4, 2: [2] * 3}


def test_a_stranger_after_empty_frames_is_no_cut() -> None:
    returning = Walker(walk(30, 30, 0), seen=unseen_in(2, 3))
    stranger = Walker(walk(230, 30, 0), seen=lambda k: k == 3)
    assert track(Scene(returning, stranger), 6) == {0: [0] * 4, 1: [1]}


def test_frames_of_another_size_are_another_scene_with_ids_of_its_own() -> None:
    tracker = Tracker()
    small = people_at([(50, 50)], [0.9])
    large = people_at([(50, 50)], [0.9], size=(HEIGHT + 20, WIDTH))
    assert tracker.update(texture(*SIZE, 0), small).track_ids.tolist() == [0]
    for _ in range(2):
        assert tracker.update(texture(HEIGHT + 20, WIDTH, 0), large).track_ids.tolist() == [1]
    assert tracker.update(texture(*SIZE, 0), small).track_ids.tolist() == [2]


def test_people_of_low_score_are_left_out_and_not_remembered() -> None:
    tracker = Tracker()
    frame = texture(HEIGHT, WIDTH, 0)
    unsure = people_at([(50, 50), (200, 50)], [0.49, 0.5])
    tracked = tracker.update(frame, unsure)
    assert tracked.boxes.xyxy[:, 0].tolist() == [200]
    assert tracked.track_ids.tolist() == [0]
    assert len(unsure) == 2 and unsure.track_ids is None
    assert tracker.update(frame, people_at([(50, 50), (200, 50)], [0.9, 0.6])).track_ids.tolist() == [1, 0]


def test_unsure_keypoints_do_not_link() -> None:
    frame = texture(HEIGHT, WIDTH, 0)

    def second_id(known: int) -> int:
        tracker, people = Tracker(), people_at([(50, 50)], [0.9])
        people.keypoints.conf[0, known:] = 0.39
        tracker.update(frame, people)
        return int(tracker.update(frame, people).track_ids[0])

    assert [second_id(known) for known in (2, 3)] == [1, 0]


def test_what_is_remembered_has_a_bound() -> None:
    tracker = Tracker(TrackSettings(memory=3))
    frame = texture(HEIGHT, WIDTH, 0)
    for _ in range(10):
        tracker.update(frame, people_at([(50, 50), (200, 50)], [0.9, 0.8]))
    assert [len(poses) for poses in tracker._memory] == [2, 2, 2]


def test_speed_and_the_people_themselves_are_passed_on() -> None:
    people = people_at([(50, 50)], [0.9])
    people.speed = {"inference": 3.0}
    tracked = Tracker().update(texture(HEIGHT, WIDTH, 0), people)
    assert list(tracked.speed) == ["inference", "tracking"] and people.speed == {"inference": 3.0}
    assert tracked.speed["tracking"] > 0
    assert tracked.to_dict()["people"][0]["track_id"] == 0
    assert np.array_equal(tracked.keypoints.xy, people.keypoints.xy)


class Looker:
    """Finds the walkers whose boxes it is asked about, and counts the questions."""

    def __init__(self, scene: Scene, score: float = 0.9) -> None:
        self.scene, self.score, self.k = scene, score, 0
        self.asked: dict[int, list[list[float]]] = {}

    def __call__(self, frame: np.ndarray, boxes: np.ndarray) -> People:
        assert np.array_equal(frame, self.scene.frame(self.k))
        self.asked[self.k] = boxes.tolist()
        places = [walker.place(self.k) for walker in self.scene.walkers]
        near = [min(places, key=lambda place: abs(place[0] - box[0]) + abs(place[1] - box[1])) for box in boxes]
        return people_at(near, [self.score] * len(near))


def track_looking(scene: Scene, frames: int, looker: Looker) -> list[list[int]]:
    tracker = Tracker(poses_for_boxes=looker)
    ids = []
    for k in range(frames):
        looker.k = k
        people = tracker.update(scene.frame(k), scene.people(k))
        ids.append(people.track_ids[np.argsort(scene.walker_of(k, people))].tolist())
    return ids


def one_missed() -> Scene:
    return Scene(Walker(walk(20, 30, 4), seen=unseen_in(*range(2, 9))), Walker(walk(200, 60, -2), score=0.8))


def test_people_whom_the_network_misses_are_looked_for_where_the_flow_leads() -> None:
    scene = one_missed()
    looker = Looker(scene)
    assert track_looking(scene, 11, looker) == [[0, 1]] * 11
    assert sorted(looker.asked) == list(range(2, 9))  # and only then
    for k, boxes in looker.asked.items():
        x, y = scene.walkers[0].place(k)
        assert np.abs(np.array(boxes) - [[x + 7, y + 5, x + 38, y + 88]]).max() < 6


def test_people_found_in_propagated_boxes_must_be_sure_as_well() -> None:
    scene = one_missed()
    looker = Looker(scene, score=0.4)
    assert track_looking(scene, 11, looker) == [[0, 1]] * 2 + [[1]] * 7 + [[2, 1]] * 2
    assert sorted(looker.asked) == [2]  # who is not found is not looked for again


def test_without_a_way_to_look_the_missed_are_missing() -> None:
    assert track(one_missed(), 11) == {0: [0, 0, 2, 2], 1: [1] * 11}


def test_a_looker_that_answers_for_another_picture_is_refused() -> None:
    tracker = Tracker(poses_for_boxes=lambda frame, boxes: people_at([], [], size=(5, 5)))
    tracker.update(texture(*SIZE, 0), people_at([(50, 50)], [0.9]))
    with pytest.raises(UsageError, match="found in a picture of 5x5"):
        tracker.update(texture(*SIZE, 0), people_at([], []))


def test_what_does_not_fit_is_refused_and_changes_nothing() -> None:
    tracker = Tracker()
    frame, people = texture(*SIZE, 0), people_at([(50, 50)], [0.9])
    tracker.update(frame, people)
    with pytest.raises(UsageError, match=r"picture of 320x180, but the frame is 320x90\. give the frame"):
        tracker.update(frame[:90], people)
    with pytest.raises(UsageError, match="expected uint8"):
        tracker.update(frame.astype(np.float32), people)
    others = People([[0, 0, 9, 9]], [0.9], np.zeros((1, 16, 3)), SIZE, MPII)
    with pytest.raises(UsageError, match=r"skeleton 'mpii', those before had 'coco'.*reset"):
        tracker.update(frame, others)
    assert tracker.update(frame, people).track_ids.tolist() == [0]
    tracker.reset()
    assert tracker.update(frame, others).track_ids.tolist() == [0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"box_score": 1.1},
        {"joint_score": -0.1},
        {"box_growth": -1},
        {"box_iou": 2},
        {"memory": 0},
        {"min_oks": 0},
        {"min_common": 0},
        {"min_oks": float("nan")},
    ],
)
def test_settings_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"{next(iter(wrong))} is .*give a number from"):
        TrackSettings(**wrong)


def test_settings_of_the_flow_are_refused_at_once_too() -> None:
    with pytest.raises(UsageError, match="no optical flow is called 'slow'"):
        TrackSettings(flow="slow")


def test_settings_are_those_of_the_paper_where_it_has_them() -> None:
    settings = TrackSettings()
    assert (settings.box_score, settings.joint_score, settings.box_growth) == (0.5, 0.4, 0.15)


def test_the_flow_that_was_asked_for_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    original = FrameFlow.__init__
    monkeypatch.setattr(FrameFlow, "__init__", lambda self, *a: (made.append(a), original(self, *a))[1])
    Tracker(TrackSettings(flow="medium", flow_side=100))
    assert set(made) == {("medium", 100)}
