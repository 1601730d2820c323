"""What a training run leaves for people to look at: log.csv, TensorBoard events, sample pictures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from simple_trt.data.dataset import MEAN, STD, PoseDataset
from simple_trt.errors import SimpleTrtError
from simple_trt.files import whole_file

LOG = "log.csv"
SAMPLES = 6  # pictures of a sheet


class Record:
    """log.csv and TensorBoard events in `out`; rows after `step` are of a part of the run that is done anew."""

    def __init__(self, out: Path, step: int, tensorboard: bool) -> None:
        self.path = out / LOG
        self._forget_after(step)
        self.writer = _event_writer(out, step) if tensorboard else None

    def add(self, step: int, numbers: dict[str, float]) -> None:
        """One row; the columns are those of the file's first row, and new ones are added at the end."""
        rows = self._rows()
        if rows and set(numbers) <= set(rows[0]):
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, list(rows[0])).writerow(_row(step, numbers))
        else:
            self._write([*rows, _row(step, numbers)])
        if self.writer:
            for name, value in numbers.items():
                self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write out what is still held back."""
        if self.writer:
            self.writer.close()

    def _rows(self) -> list[dict[str, str]]:
        if not self.path.exists():
            return []
        with self.path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def _forget_after(self, step: int) -> None:
        rows = self._rows()
        kept = [row for row in rows if row["step"].isdigit() and int(row["step"]) <= step]
        if len(kept) < len(rows):
            self._write(kept)

    def _write(self, rows: list[dict[str, str]]) -> None:
        columns = list(dict.fromkeys(name for row in rows for name in row)) or ["step"]
        with whole_file(self.path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns, restval="")
            writer.writeheader()
            writer.writerows(rows)


def _row(step: int, numbers: dict[str, float]) -> dict[str, str]:
    return {"step": str(step)} | {name: f"{value:.6g}" for name, value in numbers.items()}


def _event_writer(out: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SimpleTrtError(
            f"TensorBoard is not installed ({error})", "pip install tensorboard, or set tensorboard = false."
        ) from None
    return SummaryWriter(str(out / "tensorboard"), purge_step=step + 1)


@torch.no_grad()
def write_samples(network: nn.Module, dataset: PoseDataset, path: Path, device: str = "cpu") -> None:
    """A sheet of training pictures: what goes in, the heatmaps wanted, the heatmaps found (most over all classes).

    The same pictures, cut the same way, each time; the network is left in the mode it was in.
    """
    mode = network.training
    network.eval()
    rows = []
    for index in np.linspace(0, len(dataset) - 1, min(SAMPLES, len(dataset))).astype(int):
        item = dataset[int(index)]
        found = network(item["image"][None].to(device)).pose[0].float().cpu()
        picture = _picture(item["image"])
        rows.append(np.concatenate([picture, *(_overlay(picture, maps) for maps in (item["pose"], found))], 1))
    network.train(mode)
    sheet = cv2.imencode(path.suffix, cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR))[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_bytes(sheet.tobytes())


def _picture(image: Tensor) -> NDArray[np.uint8]:
    """Normalised [3,S,S] -> RGB uint8 [S,S,3]."""
    pixels = image.numpy().transpose(1, 2, 0) * STD + MEAN
    return (pixels * 255).round().clip(0, 255).astype(np.uint8)


def _overlay(picture: NDArray[np.uint8], maps: Tensor) -> NDArray[np.uint8]:
    """The picture, dimmed, with the largest of maps [K,h,w] over all classes in colour, 0..1."""
    heat = (maps.amax(0).clamp(0, 1) * 255).byte().numpy()
    wide = cv2.resize(heat, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    colour = cv2.cvtColor(cv2.applyColorMap(wide, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)
    return np.asarray(cv2.addWeighted(picture, 0.4, colour, 0.8, 0), np.uint8)
