"""PoseTrack's rules and poseval's quirks, each with a number that can be worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simple_trt.errors import SimpleTrtError
from simple_trt.evaluate import Frame, Video, posetrack_map, posetrack_mota
from simple_trt.evaluate.poses import MISSING_SCORE, NO_TRACK
from simple_trt.skeletons import COCO, POSETRACK
from simple_trt.types import People
from tests.evaluate.poses import HEAD, columns_of, found_in, people, pose, true_people, walk

NOBODY = people([], tracks=[])
MEASURES = ("MOTA", "MOTP", "precision", "recall")


def totals(video: Video, predictions: dict[str, People], **options: object) -> list[float | None]:
    rows = posetrack_mota([video], predictions, **options)
    return [rows[measure]["total"] for measure in MEASURES]


def with_frame(video: Video, number: int, **changes: object) -> Video:
    frames = list(video.frames)
    frames[number] = replace(frames[number], **changes)
    return replace(video, frames=frames)


# average precision


def test_the_truth_scores_a_hundred():
    video = walk(3)
    assert columns_of(posetrack_map([video], found_in(video))) == [100.0] * 8


def test_one_person_of_four_missed():
    video = walk(2)
    row = posetrack_map([video], found_in(video, f1=people([pose(1)])))
    assert columns_of(row) == [75.0] * 8  # recall 3/4 at precision 1


def test_a_frame_where_nobody_is_found_costs_recall():
    video = walk(2)
    assert posetrack_map([video], found_in(video, f1=NOBODY))["total"] == 50.0


def test_better_scored_mistakes_cost_precision():
    video = walk(1, persons=1)
    invented = people([pose(3), pose(0)], np.array([[0.9], [0.5]]))
    assert columns_of(posetrack_map([video], {"0.jpg": invented})) == [50.0] * 8


def test_worse_scored_mistakes_cost_nothing():
    video = walk(1, persons=1)
    invented = people([pose(3), pose(0)], np.array([[0.5], [0.9]]))
    assert posetrack_map([video], {"0.jpg": invented})["total"] == 100.0


@pytest.mark.parametrize(("off", "ankle"), [(HEAD / 2, 100.0), (HEAD / 2 + 0.01, 50.0)])
def test_a_joint_may_be_off_by_half_a_head(off, ankle):
    video = walk(1, persons=1)
    shifted = pose(0)
    shifted[0, 0] += off  # the right ankle
    row = posetrack_map([video], {"0.jpg": people([shifted])})
    assert row["ankle"] == ankle and row["total"] == pytest.approx((14 + (ankle == 100)) / 15 * 100)
    assert row["left_ankle"] == 100.0 and row["right_ankle"] == 2 * ankle - 100


def test_head_is_the_mean_of_neck_nose_and_top():
    video = walk(1, persons=1)
    shifted = pose(0)
    shifted[POSETRACK.keypoints.index("nose")] += 100
    row = posetrack_map([video], {"0.jpg": people([shifted])})
    assert row["head"] == pytest.approx(200 / 3) and row["shoulder"] == 100


def test_joints_without_a_score_come_last():
    video = walk(1, persons=1)
    both = [pose(0), pose(3)]
    right_last = people(both, np.array([[MISSING_SCORE], [0.11]]))
    wrong_last = people(both, np.array([[0.11], [MISSING_SCORE]]))
    assert posetrack_map([video], {"0.jpg": right_last})["total"] == 50.0
    assert posetrack_map([video], {"0.jpg": wrong_last})["total"] == 100.0


def test_joints_below_the_threshold_are_not_predicted():
    video = walk(1, persons=1)
    faint = {"0.jpg": people([pose(0)], 0.25, tracks=[0])}
    assert posetrack_map([video], faint, keypoint_threshold=0.25)["total"] == 100.0
    assert posetrack_map([video], faint, keypoint_threshold=0.26)["total"] == 0.0


def test_a_network_that_knows_not_all_joints():
    video = walk(1, persons=1)
    xy = np.zeros((17, 2))
    for k, name in enumerate(COCO.keypoints):
        if name in POSETRACK.keypoints:
            xy[k] = pose(0)[POSETRACK.keypoints.index(name)]
    row = posetrack_map([video], {"0.jpg": people([xy], skeleton=COCO)})
    assert row["head"] == pytest.approx(100 / 3) and row["knee"] == 100  # neck and top are missed


def test_joints_that_nobody_has_are_left_out():
    known = np.ones((2, 15), bool)
    known[:, 13] = False
    video = with_frame(walk(2), 0, people=true_people([pose(0), pose(1)], known))
    video = with_frame(video, 1, people=true_people([pose(0), pose(1)], known))
    found = found_in(video)
    row = posetrack_map([video], found)
    assert row["nose"] is None and row["head"] == row["total"] == 100
    rows = posetrack_mota([video], found, parity=False)
    assert all(rows[measure]["nose"] is None and rows[measure]["total"] == 100 for measure in MEASURES)


# what is measured


def test_frames_without_people_are_not_measured():
    """Invented people cost nothing there, and there need be no predictions at all."""
    video = with_frame(walk(3), 1, people=true_people([]))
    found = found_in(video, f1=people([pose(0), pose(1)], tracks=[0, 1]))
    assert posetrack_map([video], found)["total"] == 100
    del found["1.jpg"]
    assert posetrack_map([video], found)["total"] == 100
    assert totals(video, found) == [100] * 4


def test_people_without_joints_are_not_measured():
    """Their frame is measured all the same: who is found there is wrong."""
    nothing = np.zeros((2, 15), bool)
    video = with_frame(walk(2), 1, people=true_people([pose(0), pose(1)], nothing))
    found = found_in(video, f1=people([pose(0), pose(1)], 0.95))
    # Two wrong joints before the two right ones: precision 1/2 at the end.
    assert columns_of(posetrack_map([video], found)) == [50.0] * 8


def box(x1: float, y1: float, x2: float, y2: float) -> np.ndarray:
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)


def test_ignored_joints_are_removed_on_both_sides():
    """The first four joints of the second person are ignored, and those found there."""
    ignored = [box(250, 90, 350, 135)]
    video = with_frame(walk(2), 0, ignored=ignored)
    spoilt = pose(1)
    spoilt[:4, 0] += 40  # wrong, but still in the region
    found = found_in(video, f0=people([pose(0), spoilt], tracks=[0, 1]))
    assert posetrack_map([video], found)["total"] == 100
    assert totals(video, found, parity=False) == [100] * 4
    counted = replace(video, frames=[replace(frame, ignored=[]) for frame in video.frames])
    assert posetrack_map([counted], found)["total"] < 100


def test_ignored_people_are_nobody():
    """All joints of the second person are ignored; who is invented in the region costs nothing."""
    video = with_frame(walk(2), 0, ignored=[box(250, 90, 350, 260)])
    found = found_in(video, f0=people([pose(0), pose(1, right=45), pose(1, right=-45)], tracks=[0, 5, 6]))
    assert totals(video, found, parity=False) == [100] * 4
    assert posetrack_map([video], found)["total"] == 100


def test_the_border_of_a_region_is_outside():
    """Joints at x = 300: one region has them on its border, the other inside."""
    video = walk(1)
    found = {"0.jpg": people([pose(0)])}
    border, inside = ([box(300, 0, 500, 900)], [box(299, 0, 500, 900)])
    assert posetrack_map([with_frame(video, 0, ignored=border)], found)["total"] == 50
    assert posetrack_map([with_frame(video, 0, ignored=inside)], found)["total"] == 100


# tracking


def test_the_truth_tracks_perfectly():
    video = walk(3)
    rows = posetrack_mota([video], found_in(video))
    assert tuple(rows) == MEASURES
    assert all(columns_of(rows[measure]) == [100.0] * 8 for measure in MEASURES)


def test_one_switch():
    """5 frames are counted as 4, of 2 people: 8 objects; person 1 is number 7 from the third frame on."""
    video = walk(5)
    later = people([pose(0), pose(1)], tracks=[0, 7])
    assert totals(video, found_in(video, f2=later, f3=later, f4=later)) == [100 * (1 - 1 / 8), 100, 100, 100]
    # All 5 frames: 10 objects.
    assert totals(video, found_in(video, f2=later, f3=later, f4=later), parity=False)[0] == pytest.approx(90)


def test_a_wrong_number_in_one_frame_is_two_switches():
    video = walk(5)
    once = people([pose(0), pose(1)], tracks=[0, 7])
    assert totals(video, found_in(video, f2=once))[0] == 100 * (1 - 2 / 8)


def test_the_mean_distance():
    """Off by 2 and by 6 pixels of a head of 20: 0.1 and 0.3."""
    video = walk(2)
    shifted = people([pose(0, right=2), pose(1, down=6)], tracks=[0, 1])
    assert totals(video, found_in(video, f0=shifted)) == [100, pytest.approx(80), 100, 100]


@pytest.mark.parametrize(("off", "expected"), [(HEAD / 2, [100, 50, 100, 100]), (HEAD / 2 + 0.01, [-100, 0, 0, 0])])
def test_the_radius_of_a_match(off, expected):
    video = walk(2)
    shifted = people([pose(0, right=off), pose(1, right=off)], tracks=[0, 1])
    assert totals(video, found_in(video, f0=shifted)) == expected


def test_the_last_frame_is_left_out():
    video = walk(3)
    spoilt = found_in(video, f2=people([pose(5), pose(6), pose(7)], tracks=[0, 1, 2]))
    assert totals(video, spoilt) == [100] * 4
    # Of 6 objects 2 are missed, 3 people invented.
    assert totals(video, spoilt, parity=False) == pytest.approx([100 * (1 - 5 / 6), 100, 100 * 4 / 7, 100 * 4 / 6])


def test_the_last_measured_frame_is_left_out():
    """The last of the file has no people: the one before it is the last."""
    video = with_frame(walk(4), 3, people=true_people([]))
    assert totals(video, found_in(video, f2=NOBODY)) == [100] * 4


def test_the_last_frame_of_every_sequence():
    first, second = walk(2), walk(2)
    second = replace(second, frames=[replace(frame, name=f"1{frame.name}") for frame in second.frames])
    found = found_in(first, f1=NOBODY) | found_in(second, f11=NOBODY)
    assert posetrack_mota([first, second], found)["MOTA"]["total"] == 100
    assert posetrack_mota([first, second], found, parity=False)["MOTA"]["total"] == 50


def test_dummies_where_nobody_is_found():
    """3 frames are counted, of 2, 1 (dummy) and 2 objects; the dummies are one miss and one false positive."""
    video = walk(4)
    found = found_in(video, f1=NOBODY)
    assert totals(video, found) == pytest.approx([100 * (1 - 2 / 5), 100, 80, 80])
    # 4 frames, 8 objects, 2 misses.
    assert totals(video, found, parity=False) == pytest.approx([75, 100, 100, 75])


def test_dummies_for_every_joint_though_few_are_annotated():
    known = np.zeros((2, 15), bool)
    known[:, 0] = True
    video = with_frame(walk(3), 1, people=true_people([pose(0), pose(1)], known))
    rows = posetrack_mota([video], found_in(video, f1=NOBODY))
    # 2 objects in frame 0 and a dummy in frame 1, for all joints alike.
    assert {round(rows["MOTA"][joint], 9) for joint in POSETRACK.keypoints} == {round(100 * (1 - 2 / 3), 9)}


def test_dummies_where_nobody_is_annotated():
    """2 people without joints and 3 found: one miss, one false positive; without parity 3 false positives."""
    video = with_frame(walk(4), 1, people=true_people([pose(0), pose(1)], np.zeros((2, 15), bool)))
    found = found_in(video, f1=people([pose(0), pose(1), pose(2)], tracks=[0, 1, 2]))
    assert totals(video, found) == pytest.approx([100 * (1 - 2 / 5), 100, 80, 80])
    assert totals(video, found, parity=False) == pytest.approx([50, 100, 100 * 6 / 9, 100])


def test_dummies_where_the_found_joints_are_all_too_faint():
    video = walk(4)
    faint = people([pose(0), pose(1)], 0.3, tracks=[0, 1])
    assert totals(video, found_in(video, f1=faint)) == totals(video, found_in(video, f1=NOBODY))
    assert totals(video, found_in(video, f1=faint), keypoint_threshold=0.3) == [100] * 4


def test_real_counts_where_only_some_joints_are_missing():
    """Nobody's nose is found in frame 0 of 1 counted: 2 misses, no dummies."""
    video = walk(2)
    confidence = np.full((2, 15), 0.9)
    confidence[:, 13] = 0
    rows = posetrack_mota([video], found_in(video, f0=people([pose(0), pose(1)], confidence, [0, 1])))
    assert [rows[measure]["nose"] for measure in MEASURES] == [0, 0, None, 0]
    assert rows["precision"]["total"] == 100 and rows["MOTA"]["total"] == pytest.approx(100 * 14 / 15)


def test_a_sequence_of_one_frame_has_nothing_to_track():
    video = walk(1)
    assert totals(video, found_in(video)) == [None, 0.0, None, None]
    assert totals(video, found_in(video), parity=False) == [100] * 4


def test_tracks_count_within_their_sequence():
    """The same numbers, each for another person, in two sequences."""
    first = walk(3)
    frames = [Frame(f"b{f.name}", true_people([pose(0), pose(1)], tracks=[1, 0])) for f in first.frames]
    second = Video("second", frames)
    found = found_in(first) | {frame.name: people([pose(0), pose(1)], tracks=[0, 1]) for frame in frames}
    assert posetrack_mota([first, second], found)["MOTA"]["total"] == 100


@pytest.mark.parametrize(
    ("tracks", "words"),
    [(None, "predicted people of frame 0.jpg have no track numbers"), ([0, 10_000], "have track number 10000"),
     ([0, -5], "have track number -5"), ([3, 3], "two predicted people of frame 0.jpg have one track number")],
)  # fmt: skip
def test_broken_tracks_are_told(tracks, words):
    video = walk(2)
    with pytest.raises(SimpleTrtError, match=words):
        posetrack_mota([video], found_in(video, f0=people([pose(0), pose(1)], tracks=tracks)))


def test_broken_tracks_of_the_truth_are_told():
    video = walk(2)
    found = found_in(video)
    for tracks, words in (([NO_TRACK, 1], "have no track numbers"), ([4, 4], "two annotated people")):
        bad = with_frame(video, 0, people=true_people([pose(0), pose(1)], tracks=tracks))
        with pytest.raises(SimpleTrtError, match=words):
            posetrack_mota([bad], found)
    assert posetrack_map([bad], found)["total"] == 100  # tracks matter to tracking only


def test_the_largest_number_is_allowed():
    video = walk(2)
    found = found_in(video, f0=people([pose(0), pose(1)], tracks=[9_999, 1]))
    assert posetrack_mota([video], found)["MOTA"]["total"] == 100


def test_forgotten_frames_are_told():
    video = walk(3)
    found = found_in(video)
    del found["1.jpg"]
    for measure in (posetrack_map, posetrack_mota):
        with pytest.raises(SimpleTrtError, match=r"1 annotated pictures have no predictions: 1\.jpg"):
            measure([video], found)


# properties


def noisy(video: Video, seed: int) -> dict[str, People]:
    """The truth, disturbed: joints off by any distance, people missed, invented, numbers changed."""
    rng = np.random.default_rng(seed)
    found = {}
    for frame in video.frames:
        poses = [xy + rng.normal(0, 6, (15, 2)) for xy in frame.people.xy if rng.random() < 0.8]
        poses += [pose(7)] * (rng.random() < 0.3)
        tracks = rng.permutation(5)[: len(poses)]
        found[frame.name] = people(poses, rng.random((len(poses), 15)), tracks)
    return found


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_order_of_people_and_of_sequences_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    videos = [walk(4, persons=3), replace(walk(5), frames=[replace(f, name=f"b{f.name}") for f in walk(5).frames])]
    found = noisy(videos[0], seed) | noisy(videos[1], seed + 1)

    def shuffled(frame: Frame) -> Frame:
        order = rng.permutation(len(frame.people))
        true = frame.people
        return replace(frame, people=replace(true, xy=true.xy[order], track_ids=true.track_ids[order]))

    mixed = [Video(video.name, [shuffled(frame) for frame in video.frames]) for video in videos[::-1]]
    turned = {name: found[name][::-1] for name in reversed(found)}
    assert posetrack_map(mixed, turned) == pytest.approx(posetrack_map(videos, found))
    before, after = posetrack_mota(videos, found), posetrack_mota(mixed, turned)
    assert all(after[measure] == pytest.approx(before[measure], nan_ok=True) for measure in MEASURES)
    frames = [replace(video, frames=video.frames[::-1]) for video in videos]
    assert posetrack_map(frames, found) == pytest.approx(posetrack_map(videos, found))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_bounds(seed):
    video = walk(5)
    rows = posetrack_mota([video], noisy(video, seed), keypoint_threshold=0.1)
    for name in POSETRACK.keypoints:
        assert rows["MOTA"][name] <= rows["recall"][name] <= 100
        assert 50 <= rows["MOTP"][name] <= 100 or rows["recall"][name] == 0
