"""Pseudo-labels: only what is missing, only where the teacher is sure and looks at the right person."""

import json

import pytest
import torch

from simple_trt.cli import main
from simple_trt.errors import UsageError
from simple_trt.models.topdown import TopDown
from simple_trt.skeletons import COCO
from simple_trt.train.labelling import LabelSettings, label_file
from simple_trt.train.regions import place_in_maps
from simple_trt.train.teachers import MAPS, HeatmapTeacher


class Teacher:
    """Sees keypoint k at (22.5 + k + shift, 12.5 + 2 k) of every person, with score 0.05 k."""

    def __init__(self, shift=0.0):
        self.shift, self.asked = shift, 0

    def find(self, images, boxes, owner):
        self.asked += len(boxes)
        k = torch.arange(17.0)
        points = torch.stack((22.5 + k + self.shift, 12.5 + 2 * k), 1)
        return points.expand(len(boxes), -1, -1), (0.05 * k).expand(len(boxes), -1)


@pytest.fixture
def partly(coco_files):
    """Person 0 lacks keypoints 3, 9 and 16; person 1 has none; person 2 is a crowd; the others are complete."""
    file, folder = coco_files
    content = json.loads(file.read_text())
    for k in (3, 9, 16):
        content["annotations"][0]["keypoints"][3 * k : 3 * k + 3] = [0, 0, 0]
    del content["annotations"][1]["keypoints"]
    content["annotations"][2] |= {"iscrowd": 1}
    file.write_text(json.dumps(content))
    return file, folder


def annotations(path):
    return json.loads(path.read_text())["annotations"]


def test_the_sure_missing_ones_are_filled_in(partly, tmp_path):
    before, out, teacher = annotations(partly[0]), tmp_path / "new.json", Teacher()
    assert label_file(*partly, teacher, COCO, out) == 2 + 9  # scores of 0.4 and more: keypoints 8 to 16
    after = annotations(out)
    assert teacher.asked == 2
    assert after[0]["pseudo_keypoints"] == [9, 16] and after[0]["num_keypoints"] == 16
    assert after[0]["keypoints"][27:30] == [31.0, 30.0, 1]  # counted from pixel centres, as the others of the file
    assert after[0]["keypoints"][9:12] == [0, 0, 0] and after[0]["keypoints"][:9] == before[0]["keypoints"][:9]
    assert after[1]["pseudo_keypoints"] == list(range(8, 17))
    assert after[2:] == before[2:]


def test_a_teacher_that_sees_somebody_else_is_not_believed(partly, tmp_path):
    # The box is 44 high: 8 pixels are 0.18 of it.
    assert label_file(*partly, Teacher(shift=8.0), COCO, tmp_path / "new.json") == 9  # nobody contradicts at person 1
    assert "pseudo_keypoints" not in annotations(tmp_path / "new.json")[0]


def test_small_people_are_left_alone(partly, tmp_path):
    settings = LabelSettings(side=45.0)
    assert label_file(*partly, Teacher(), COCO, tmp_path / "new.json", settings) == 0


def test_another_order_is_refused(partly, tmp_path):
    content = json.loads(partly[0].read_text())
    content["categories"] = [{"id": 1, "name": "person", "keypoints": list(COCO.keypoints[::-1])}]
    partly[0].write_text(json.dumps(content))
    with pytest.raises(UsageError, match="otherwise than skeleton coco"):
        label_file(*partly, Teacher(), COCO, tmp_path / "new.json")


def test_the_command(partly, tmp_path, capsys):
    from tests.train.test_teachers import keypoint_model

    model = keypoint_model(tmp_path / "t.onnx")
    words = ["label", "--data", partly[0], "--images", partly[1], "--teacher", model, "--out", tmp_path / "new.json"]
    assert main([str(w) for w in words]) == 0
    assert "keypoints filled in" in capsys.readouterr().out and (tmp_path / "new.json").exists()
    assert main([str(w) for w in [*words[:-1], tmp_path / "no" / "new.json"]]) == 1


def test_a_network_finds_its_highest_cells():
    class Fixed(TopDown):
        def __init__(self):
            torch.nn.Module.__init__(self)

        def forward(self, crops):
            maps = torch.zeros(len(crops), 1, *MAPS)
            maps[:, 0, 20, 10], maps[:, 0, 20, 11], maps[:, 0, 19, 10] = 0.9, 0.5, 0.4
            return maps

    boxes = torch.tensor([[60.0, 40.0, 120.0, 200.0]])
    points, scores = HeatmapTeacher(Fixed()).find(torch.zeros(1, 3, 256, 256), boxes, torch.tensor([0]))
    assert scores.tolist() == [[pytest.approx(0.9)]]
    torch.testing.assert_close(place_in_maps(points, boxes, MAPS), torch.tensor([[[10.25, 19.75]]]))
