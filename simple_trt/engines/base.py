"""What every engine is: arrays in, arrays out, by name. The base class checks and reports; a backend only runs."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simple_trt.engines.manifest import Manifest
from simple_trt.errors import SimpleTrtError, UsageError

if TYPE_CHECKING:
    from simple_trt.engines.on_device import OnDevice

__all__ = ["Arrays", "Engine", "LoadOptions", "TensorSpec"]

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class TensorSpec:
    """One input or output of an engine: static shape and NumPy dtype."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __str__(self) -> str:
        return f"{self.dtype.name} [{','.join(map(str, self.shape))}]"


@dataclass(frozen=True)
class LoadOptions:
    """How an engine is to be opened on this machine.

    Args:
        runtime: for CPU engines, `openvino` or `onnxruntime` in place of the manifest's choice.
        threads: for CPU engines, the number of threads; None leaves it to the runtime.
        cache_dir: for CPU engines on OpenVINO, a folder that keeps compiled models and makes later loads faster.
        fuse_quantised: for CPU engines on ONNX Runtime, False computes Q/DQ pairs as they are written, in place of the
            runtime's integer kernels, which answer differently where the scales are fp16.
        kernels: for CPU engines on OpenVINO, False runs the decode as the plan's standard operators, not our kernels.
        profile: for CPU engines on OpenVINO, True keeps the time of each node (see CpuEngine.node_seconds).
        device: the index of the GPU; None means GPU 0 for GPU engines and the CPU for checkpoints.
        graphs: for sessions on a GPU, False launches every kernel by itself in place of replaying captured CUDA graphs.
        host_code: for TensorRT engines built to be version-compatible, whether the runtime that they carry may be run;
            None asks the environment variable SIMPLE_TRT_HOST_CODE.
    """

    runtime: str | None = None
    threads: int | None = None
    cache_dir: Path | None = None
    fuse_quantised: bool = True
    kernels: bool = True
    profile: bool = False
    device: int | None = None
    graphs: bool = True
    host_code: bool | None = None


class Engine(ABC):
    """A network loaded by one framework, ready to run.

    A backend fills `_load` (returns the specs of its inputs and outputs), `_infer` and `_close`.

    Attributes:
        manifest: what the engine was built from and for.
        inputs, outputs: the tensors by name.
        seconds: how long the last `infer` took, wall clock.
        on_device: how to run it without arrays, where its tensors lie on a GPU; else None.

    Raises:
        SimpleTrtError: the framework is missing or refuses the plan, or the plan's input is not the one that the
            manifest states.
    """

    runtime: str
    on_device: OnDevice | None = None

    def __init__(self, plan: Path, manifest: Manifest, options: LoadOptions | None = None) -> None:
        self.plan = plan
        self.manifest = manifest
        self.options = options or LoadOptions()
        self.seconds = 0.0
        self._open = False
        self.inputs, self.outputs = self._load()
        self._open = True
        self._check_image()

    @abstractmethod
    def _load(self) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
        """Read `self.plan`, return the specs of inputs and outputs."""

    @abstractmethod
    def _infer(self, inputs: Arrays) -> Arrays:
        """Run on C-contiguous arrays that fit the specs."""

    @abstractmethod
    def _close(self) -> None:
        """Give back what `_load` took."""

    def infer(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        """Run the network once.

        Args:
            inputs: every input by name; for our graphs `image` float32 [B,3,H,W], letterboxed and normalised.

        Returns:
            every output by name: `boxes` [B,32,4], `scores` [B,32], `keypoints` [B,32,K,3], `num` [B] int32; in
            network-input pixels.

        Raises:
            UsageError: a name, shape or dtype is not what the engine expects, or the engine is closed.
        """
        if not self._open:
            raise UsageError(
                f"engine '{self.manifest.name}' is closed", "open it again, or use it inside its 'with' block"
            )
        checked = self._checked(inputs)
        start = time.perf_counter()
        outputs = self._infer(checked)
        self.seconds = time.perf_counter() - start
        return outputs

    def describe(self) -> dict[str, Any]:
        """What runs where: name, runtime, precision, tensors; backends add what they know."""
        return {
            "name": self.manifest.name,
            "target": self.manifest.target,
            "runtime": self.runtime,
            "precision": self.manifest.precision,
            "inputs": {name: str(spec) for name, spec in self.inputs.items()},
            "outputs": {name: str(spec) for name, spec in self.outputs.items()},
        }

    def close(self) -> None:
        """Release the engine; closing twice is fine."""
        if self._open:
            self._open = False
            self._close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_image(self) -> None:
        height, width = self.manifest.size
        expected = (self.manifest.batch, 3, height, width)
        got = self.inputs["image"].shape if "image" in self.inputs else None
        if got != expected:
            self.close()
            raise SimpleTrtError(
                f"'{self.plan}' is not the engine that its manifest describes: "
                f"input 'image' expected {list(expected)}, got {list(got) if got else 'no such input'}",
                f"rebuild it: {self.manifest.rebuild_command}",
            )

    def _checked(self, inputs: Mapping[str, NDArray[Any]]) -> Arrays:
        if set(inputs) != set(self.inputs):
            raise UsageError(
                f"inputs of engine '{self.manifest.name}': expected {sorted(self.inputs)}, got {sorted(inputs)}"
            )
        for name, spec in self.inputs.items():
            array = np.asarray(inputs[name])
            if array.shape != spec.shape or array.dtype != spec.dtype:
                got = TensorSpec(array.shape, array.dtype)
                raise UsageError(
                    f"input '{name}' of engine '{self.manifest.name}': expected {spec}, got {got}",
                    self._hint(array, spec),
                )
        return {name: np.ascontiguousarray(inputs[name]) for name in self.inputs}

    def _hint(self, array: NDArray[Any], spec: TensorSpec) -> str:
        if array.ndim == len(spec.shape) and array.shape[1:] == spec.shape[1:] and array.shape[0] != spec.shape[0]:
            return f"the batch is fixed when an engine is built: build another with --batch {array.shape[0]}"
        if array.ndim == 4 and array.shape[0] == spec.shape[0] and array.shape[2:] != spec.shape[2:]:
            size = "{}x{}".format(*array.shape[2:])
            return f"the size is fixed when an engine is built: build another with --size {size}"
        return ""
