"""The rivals as ONNX files: random weights from a seed, exported once, compared with PyTorch before they are used."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.onnxruntime_graph import OnnxRuntimeGraph
from benchmarks.options import ROOT, say
from benchmarks.rivals.detection_ops import translation_table
from benchmarks.rivals.keypoint_rcnn import KeypointRcnn
from benchmarks.rivals.resnet import SimpleBaseline
from benchmarks.rivals.ssdlite import SIZE as DETECTOR_SIZE
from benchmarks.rivals.ssdlite import SsdLite
from benchmarks.subjects import settle_norms
from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file
from simple_trt.models.topdown import build_topdown

__all__ = ["CROP", "FRAME", "NETWORKS", "Network", "export_rival", "rival_graph"]

FRAME = 512  # pixels a side of Keypoint R-CNN's input: the pictures' own size
CROP = (256, 192)
OPSET = 20
SAME = 1e-3  # of the largest heatmap value
SAME_BOX, SAME_SHARE = 0.5, 0.9  # pixels; of the boxes: random scores are full of near-ties, which fall either way
SOURCES = (
    *(f"benchmarks/rivals/{name}.py" for name in ("detection_ops", "graphs", "keypoint_rcnn", "resnet", "ssdlite")),
    "simple_trt/models/hrnet.py",
    "simple_trt/models/topdown.py",
)


@dataclass(frozen=True)
class Network:
    """A rival.

    Args:
        build: makes it, with random weights.
        inputs: name -> shape of an example; a shape that begins with 2 may begin with another number.
        outputs: names. `heatmaps` are compared number by number, `boxes` as boxes.
    """

    build: Callable[[], nn.Module]
    inputs: dict[str, tuple[int, ...]]
    outputs: tuple[str, ...]


NETWORKS = {
    "hrnet-w32": Network(lambda: build_topdown("topdown-w32"), {"crops": (2, 3, *CROP)}, ("heatmaps",)),
    "simple-baseline": Network(SimpleBaseline, {"crops": (2, 3, *CROP)}, ("heatmaps",)),
    "ssdlite": Network(SsdLite, {"image": (1, 3, DETECTOR_SIZE, DETECTOR_SIZE)}, ("boxes", "scores")),
    "keypoint-rcnn": Network(
        lambda: KeypointRcnn(FRAME), {"image": (1, 3, FRAME, FRAME), "people": (2, 4)}, ("boxes", "scores", "heatmaps")
    ),
}


def rival_graph(name: str, work: Path, seed: int) -> Path:
    """The ONNX file of a rival; one that the same code made from the same seed before is used again.

    Raises:
        SimpleTrtError: the exported graph answers otherwise than PyTorch.
    """
    path = work / f"rivals-{_fingerprint(seed)}" / f"{name}.onnx"
    if not path.is_file():
        say(f"exporting {path.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        export_rival(NETWORKS[name], path, seed)
    return path


def export_rival(rival: Network, path: Path, seed: int) -> None:
    """Write a rival's graph, whole or not at all. Raises SimpleTrtError where it answers otherwise than PyTorch."""
    torch.manual_seed(seed)
    network = rival.build()
    examples = {name: _example(name, shape) for name, shape in rival.inputs.items()}
    _settle(network, examples)
    model = _traced(network, examples, rival.outputs)
    with whole_file(path) as temporary:
        onnx.save(model, temporary)
        _require_same(network, str(temporary), examples, rival.outputs)


def _example(name: str, shape: tuple[int, ...]) -> Tensor:
    if name != "people":
        return torch.randn(shape)
    corners = torch.rand(shape[0], 2) * FRAME / 2
    return torch.cat((corners, corners + 32 + torch.rand(shape[0], 2) * (FRAME / 2 - 32)), 1)


def _settle(network: nn.Module, examples: dict[str, Tensor]) -> None:
    """Norms from noise, so that activations neither vanish nor explode; Keypoint R-CNN's are all in its trunk."""
    noise = torch.randn(2, *next(iter(examples.values())).shape[1:])
    settled = _Heads(network) if isinstance(network, SsdLite) else network
    settle_norms(network.trunk if isinstance(network, KeypointRcnn) else settled, noise)
    network.eval()


class _Heads(nn.Module):
    """All convolutions of the detector on a batch: what follows them takes one picture only."""

    def __init__(self, network: SsdLite) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> list[Tensor]:
        levels = self.network.levels(image)
        pairs = zip(self.network.scores, self.network.deltas, levels, strict=True)
        return [head(x) for score, delta, x in pairs for head in (score, delta)]


def _traced(network: nn.Module, examples: dict[str, Tensor], outputs: Sequence[str]) -> onnx.ModelProto:
    dynamic = [{0: torch.export.Dim("people")} if len(x) == 2 else None for x in examples.values()]
    with _quiet():
        program = torch.onnx.export(
            network,
            tuple(examples.values()),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(examples),
            output_names=list(outputs),
            dynamic_shapes=tuple(dynamic),
            custom_translation_table=translation_table(),
            verbose=False,
        )
    assert program is not None
    return program.model_proto


def _require_same(network: nn.Module, path: str, examples: dict[str, Tensor], outputs: Sequence[str]) -> None:
    with torch.no_grad():
        answer = network(*examples.values())
    expected = dict(zip(outputs, [answer] if isinstance(answer, Tensor) else answer, strict=True))
    found = OnnxRuntimeGraph(path, torch.get_num_threads()).infer({k: x.numpy() for k, x in examples.items()})
    for name, tensor in expected.items():
        wanted = tensor.numpy()
        same = name == "scores" or (_boxes_agree if name == "boxes" else _maps_agree)(wanted, found[name])
        if not same:
            raise SimpleTrtError(f"the exported graph's {name} are not PyTorch's", "do not time it: mend the export")


def _maps_agree(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> bool:
    return wanted.shape == found.shape and bool(np.abs(wanted - found).max() <= SAME * np.abs(wanted).max())


def _boxes_agree(wanted: NDArray[np.float32], found: NDArray[np.float32]) -> bool:
    """Whether most boxes [n,4] are also among the others, in whatever order."""
    gaps = np.abs(wanted[:, None] - found[None]).max(2).min(1)
    return wanted.shape == found.shape and bool((gaps <= SAME_BOX).mean() >= SAME_SHARE)


def _fingerprint(seed: int) -> str:
    """Changes with the code that makes the networks, with PyTorch, and with the seed."""
    digest = hashlib.sha256(f"{torch.__version__} {seed}".encode())
    for source in SOURCES:
        digest.update((ROOT / source).read_bytes())
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's progress and its notes about packages that nobody needs off the terminal."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
