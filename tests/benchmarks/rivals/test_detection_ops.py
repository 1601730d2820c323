import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from benchmarks.rivals.detection_ops import decode_boxes, keep_boxes, pool_levels, translation_table


def exported(module, arguments, path):
    """What ONNX Runtime answers where PyTorch would be asked."""
    program = torch.onnx.export(
        module.eval(),
        tuple(arguments),
        dynamo=True,
        opset_version=20,
        custom_translation_table=translation_table(),
        verbose=False,
    )
    onnx.save(program.model_proto, path)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    flat = [x for a in arguments for x in (a if isinstance(a, list) else [a])]
    names = [port.name for port in session.get_inputs()]
    return session.run(None, dict(zip(names, (x.numpy() for x in flat), strict=True)))[0]


class Keep(torch.nn.Module):
    def forward(self, boxes, scores):
        return keep_boxes(boxes, scores, 0.5, 20)


class Pool(torch.nn.Module):
    def forward(self, levels, boxes):
        return pool_levels(levels, boxes, 7)


def test_a_box_goes_when_a_better_one_covers_it():
    boxes = torch.tensor([[0.0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60], [0, 0, 10, 4.9]])
    kept = keep_boxes(boxes, torch.tensor([0.5, 0.9, 0.1, 0.3]), 0.5, 6)
    # 1 is the best and covers 0; 3 shares 49 of 90 with it and goes, too.
    assert kept.tolist() == [1, 2, 0, 0, 0, 0]
    assert keep_boxes(boxes, torch.tensor([0.5, 0.9, 0.1, 0.3]), 0.6, 6).tolist()[:3] == [1, 3, 2]


@pytest.mark.parametrize("count", [5, 200])
def test_the_exported_suppression_keeps_the_same_boxes(count, tmp_path):
    torch.manual_seed(count)
    corners = torch.rand(count, 2) * 100
    boxes = torch.cat((corners, corners + torch.rand(count, 2) * 50), 1)
    scores = torch.rand(count)
    found = exported(Keep(), (boxes, scores), tmp_path / "keep.onnx")
    assert found.tolist() == keep_boxes(boxes, scores, 0.5, 20).tolist()


def test_a_box_is_pooled_from_the_level_that_fits_its_size():
    levels = [torch.full((1, 2, 512 // 4 // 2**i, 512 // 4 // 2**i), float(i)) for i in range(4)]
    sides = torch.tensor([20.0, 111.9, 112.1, 223.9, 224.1, 447.9, 448.1, 512])
    boxes = torch.stack((0 * sides, 0 * sides, sides, sides), 1)
    assert pool_levels(levels, boxes, 7)[:, 0, 3, 3].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_pooling_reads_a_slope_where_the_cells_lie():
    columns = torch.arange(128.0).expand(1, 1, 128, 128)
    box = torch.tensor([[40.0, 40, 96, 96]])  # cells 10 to 24 of the finest level, two a pooled cell
    pooled = pool_levels([columns, columns[..., :64, :64], columns[..., :32, :32]], box, 7)
    assert torch.allclose(pooled[0, 0, 0], 10 + 2 * (torch.arange(7) + 0.5), atol=1e-4)


def test_the_exported_pooling_gives_the_same_features(tmp_path):
    torch.manual_seed(0)
    levels = [torch.randn(1, 3, 64 // 2**i, 64 // 2**i) for i in range(4)]
    corners = torch.rand(30, 2) * 100
    boxes = torch.cat((corners, corners + 5 + torch.rand(30, 2) * 150), 1)
    found = exported(Pool(), (levels, boxes), tmp_path / "pool.onnx")
    assert np.abs(found - pool_levels(levels, boxes, 7).numpy()).max() < 1e-4


def test_no_delta_is_the_anchor_and_growth_is_limited():
    anchors = torch.tensor([[0.0, 0, 10, 20]])
    assert decode_boxes(torch.zeros(1, 4), anchors, (10, 10, 5, 5)).tolist() == anchors.tolist()
    moved = decode_boxes(torch.tensor([[1.0, 0, 0, 0]]), anchors, (10, 10, 5, 5))
    assert moved.tolist() == [[1.0, 0, 11, 20]]
    huge = decode_boxes(torch.tensor([[0.0, 0, 1e6, 0]]), anchors, (1, 1, 1, 1))
    assert (huge[0, 2] - huge[0, 0]).item() == pytest.approx(10 * 1000 / 16)
