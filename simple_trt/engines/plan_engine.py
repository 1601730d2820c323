"""Running a plan of TensorRT or TensorRT-RTX on a GPU: both have the same Python interface, `trt` is either module."""

from __future__ import annotations

import json
from abc import abstractmethod
from importlib import import_module
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from simple_trt.engines.base import Arrays, Engine, TensorSpec
from simple_trt.engines.builder import message_log, start
from simple_trt.engines.cuda_graphs import SETTING_UP
from simple_trt.engines.cuda_packages import open_stream
from simple_trt.engines.gpu import Gpu, need_gpu
from simple_trt.engines.on_device import OnDevice, byte_count
from simple_trt.errors import SimpleTrtError, UsageError

__all__ = ["PlanEngine", "import_library"]


def import_library(module: str, package: str) -> Any:
    """Import TensorRT's or TensorRT-RTX's Python module.

    Raises:
        SimpleTrtError: it is not installed, or its libraries cannot be loaded.
    """
    if not find_spec(module):
        raise SimpleTrtError(f"the Python module '{module}' is not installed", f"install it: {package}")
    try:
        return import_module(module)
    except (ImportError, OSError) as error:
        raise SimpleTrtError(
            f"the Python module '{module}' cannot be loaded: {error}", f"install it again: {package}"
        ) from error


class PlanEngine(Engine):
    """A plan on one GPU: buffers of fixed addresses, one stream. A subclass says which library and which devices fit.

    One thread at a time may call `infer`.
    """

    module: ClassVar[str]
    package: ClassVar[str]
    _runtime: Any
    _engine: Any
    _context: Any

    def _load(self) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
        trt = import_library(self.module, self.package)
        self._check_version(trt.__version__)
        self._gpu = need_gpu(self.options.device, f"engine '{self.manifest.name}' (target {self.manifest.target})")
        self._check_gpu(self._gpu)
        self._stream = open_stream(self.options.device or 0)
        try:
            with SETTING_UP, self._stream.active():
                self._deserialize(trt)
                inputs, outputs = self._bind(trt)
        except BaseException:
            self._context = self._engine = self._runtime = None
            self._stream.close()
            raise
        self.on_device = OnDevice(self._stream, inputs, outputs, self._addresses, self._enqueue)
        return inputs, outputs

    @abstractmethod
    def _check_gpu(self, gpu: Gpu) -> None:
        """Raise SimpleTrtError when the plan was not built for `gpu`."""

    def _prepare(self, trt: Any, log: Any) -> None:
        """What must be loaded before the plan is."""

    def _set_up(self, runtime: Any) -> None:
        """What the runtime must be told before it reads the plan."""

    def _check_version(self, version: str) -> None:
        built = self.manifest.versions.get(self.module, "nothing")
        if built != version:
            raise self._refusal(f"versions.{self.module}", built, version)

    def _refusal(self, field: str, built: str, here: str) -> SimpleTrtError:
        return SimpleTrtError(
            f"'{self.plan}' cannot run here: field '{field}' of its manifest is {built}, this machine has {here}",
            f"rebuild it here: {self.manifest.rebuild_command}",
        )

    def _deserialize(self, trt: Any) -> None:
        self._log = message_log(trt)
        self._prepare(trt, self._log)
        self._runtime = start(trt, trt.Runtime, self._log)
        self._set_up(self._runtime)
        self._engine = self._runtime.deserialize_cuda_engine(self.plan.read_bytes())
        if self._engine is None:
            raise SimpleTrtError(
                f"{self.module} refuses the plan '{self.plan}': {self._log.last_words()}",
                f"rebuild it here: {self.manifest.rebuild_command}",
            )
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise SimpleTrtError(
                f"{self.module} cannot make room for '{self.plan}' on {self._gpu.name}: {self._log.last_words()}",
                "free some GPU memory, or build with a smaller --size or --batch",
            )

    def _bind(self, trt: Any) -> tuple[dict[str, TensorSpec], dict[str, TensorSpec]]:
        """Give every tensor a buffer of its own."""
        inputs: dict[str, TensorSpec] = {}
        outputs: dict[str, TensorSpec] = {}
        self._addresses: dict[str, int] = {}
        for index in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(index)
            dtype = np.dtype(trt.nptype(self._engine.get_tensor_dtype(name)))
            spec = TensorSpec(tuple(self._engine.get_tensor_shape(name)), dtype)
            is_input = self._engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT
            (inputs if is_input else outputs)[name] = spec
            self._addresses[name] = self._stream.allocate(byte_count(spec))
            self._context.set_tensor_address(name, self._addresses[name])
        return inputs, outputs

    def _enqueue(self) -> None:
        if not self._context.execute_async_v3(self._stream.handle):
            raise SimpleTrtError(
                f"{self.module} failed to run '{self.plan}': {self._log.last_words()}", "see 'simple-trt doctor'"
            )

    def _infer(self, inputs: Arrays) -> Arrays:
        assert self.on_device is not None  # it is open
        return self.on_device.infer(inputs)

    def layers(self) -> dict[str, Any]:
        """What the library's inspector says of the plan, in the form that `trtexec --exportLayerInfo` writes.

        Returns:
            `Layers`: one object a layer, or its name alone where the plan was not built with detailed verbosity;
            further keys as the library gives them, `Bindings` among them.

        Raises:
            UsageError: the engine is closed.
            SimpleTrtError: the library gives no answer that can be read.
        """
        if self._engine is None:
            raise UsageError(f"engine '{self.manifest.name}' is closed", "open it again")
        trt = import_library(self.module, self.package)
        inspector = self._engine.create_engine_inspector()
        try:
            found = json.loads(inspector.get_engine_information(trt.LayerInformationFormat.JSON))
        except (TypeError, ValueError) as error:
            raise self._no_layers() from error
        if not isinstance(found, dict) or not isinstance(found.get("Layers"), list):
            raise self._no_layers()
        return found

    def _no_layers(self) -> SimpleTrtError:
        said = self._log.last_words()
        return SimpleTrtError(f"{self.module} does not tell the layers of '{self.plan}': {said}", "please report it")

    def _close(self) -> None:
        """The context first, when nothing runs in it any more, then what it was made from, then its memory."""
        try:
            with self._stream.active():
                self._stream.synchronize()
        finally:
            with SETTING_UP:
                self._context = None
                self._engine = None
                self._runtime = None
            self._stream.close()

    def describe(self) -> dict[str, Any]:
        """As the base says, and the GPU, the library's version and the number of layers."""
        layers = self._engine.num_layers if self._engine is not None else None
        return super().describe() | {
            "gpu": self._gpu.name,
            "version": self.manifest.versions.get(self.module),
            "cuda_package": self._stream.package,
            "layers": layers,
        }
