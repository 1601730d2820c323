"""A checkpoint as an engine, run by PyTorch: the reference that built engines are compared with."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from simple_trt.engines.base import Arrays, Engine, TensorSpec
from simple_trt.engines.cuda_graphs import SETTING_UP
from simple_trt.engines.cuda_packages import installed_package, open_stream
from simple_trt.engines.manifest import Manifest, Plan
from simple_trt.errors import SimpleTrtError
from simple_trt.files import sha256_of

__all__ = ["TorchEngine", "checkpoint_manifest", "need_torch"]

INSTALL_TORCH = "install PyTorch (pip install 'simple-trt[export]'), or give an ONNX file or a bundled model's name"


def need_torch(why: str) -> None:
    """Raises SimpleTrtError when PyTorch is not installed; `why` begins the message."""
    if not find_spec("torch"):
        raise SimpleTrtError(f"{why} needs PyTorch, which is not installed", INSTALL_TORCH)


def checkpoint_manifest(path: str | os.PathLike[str], size: tuple[int, int] | None = None, batch: int = 1) -> Manifest:
    """A manifest for a checkpoint that is run as it is.

    Args:
        path: the `.safetensors` file.
        size: (height, width) of the input; None takes the size that the checkpoint was trained for.
        batch: pictures a run.

    Raises:
        SimpleTrtError: PyTorch is missing, or the file is no checkpoint of ours.
    """
    need_torch(f"the checkpoint '{path}'")
    from simple_trt.models import checkpoints

    meta = checkpoints.load(Path(path)).meta
    digest = sha256_of(path)
    return Manifest(
        name=Path(path).stem,
        target="torch",
        runtime="torch",
        precision="fp32",
        lowering="plain",
        batch=batch,
        size=size or meta.size,
        skeleton=meta.skeleton,
        plan=Plan(Path(path).name, digest, Path(path).stat().st_size),
        onnx={"sha256": "0" * 64},
        checkpoint={"sha256": digest},
    )


class TorchEngine(Engine):
    """Runs a checkpoint in PyTorch, in fp32, on the CPU or on the GPU that the options name.

    On a GPU a session goes without arrays, as with built engines, where a CUDA package for Python is installed.
    """

    runtime = "torch"

    def _load(self) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
        need_torch(f"the checkpoint '{self.plan}'")
        import torch

        from simple_trt.models import checkpoints

        self._device = "cpu" if self.options.device is None else f"cuda:{self.options.device}"
        if self._device != "cpu" and not torch.cuda.is_available():
            raise SimpleTrtError(
                f"PyTorch sees no GPU, and device {self.options.device} was asked for", "leave the device out"
            )
        checkpoint = checkpoints.load(self.plan)
        with SETTING_UP:
            self._predictor: Any = checkpoint.predictor().to(self._device)
        height, width = self.manifest.size
        keypoints = checkpoint.prior.shape[0]
        inputs = {"image": _floats(self.manifest.batch, 3, height, width)}
        outputs = self._people(self._predictor.settings.people, keypoints)
        if self._device != "cpu" and installed_package() is not None:
            self._open_on_device(inputs, outputs)
        return inputs, outputs

    def _open_on_device(self, inputs: dict[str, TensorSpec], outputs: dict[str, TensorSpec]) -> None:
        from simple_trt.engines.torch_device import TorchOnDevice

        stream = open_stream(self.options.device or 0)
        try:
            with SETTING_UP, stream.active():
                self.on_device = TorchOnDevice(self._predictor, self._device, stream, inputs, outputs)
        except BaseException:
            stream.close()
            raise

    def _people(self, people: int, keypoints: int) -> dict[str, TensorSpec]:
        batch = self.manifest.batch
        return {
            "boxes": _floats(batch, people, 4),
            "scores": _floats(batch, people),
            "keypoints": _floats(batch, people, keypoints, 3),
            "num": TensorSpec((batch,), np.dtype(np.int32)),
        }

    def _infer(self, inputs: Arrays) -> Arrays:
        if self.on_device is not None:
            return self.on_device.infer(inputs)
        import torch

        with torch.inference_mode():
            found = self._predictor(torch.from_numpy(inputs["image"]).to(self._device))
        return {name: getattr(found, name).cpu().numpy() for name in self.outputs}

    def _close(self) -> None:
        if self.on_device is not None:
            self.on_device.stream.close()
            self.on_device = None
        self._predictor = None

    def describe(self) -> dict[str, Any]:
        """As the base says, and the device."""
        return super().describe() | {"device": self._device}


def _floats(*shape: int) -> TensorSpec:
    return TensorSpec(shape, np.dtype(np.float32))
