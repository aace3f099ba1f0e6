"""What carries out a call of a loaded network: PyTorch as it is, PyTorch's compiler, or ONNX Runtime.

A call is a module of tensors in and tensors out. Networks know nothing of engines, and engines nothing of networks.
What is compiled is compiled at the first call, and anew for inputs of other shapes.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zipmo_ros.contract.protocols import Execution

Call = Callable[..., tuple[Tensor, ...]]

_OPSET = 18
_LARGEST = 2**31  # bytes of a model in one file


def carried_out(call: nn.Module, execution: Execution) -> Call:
    """The call by the engine that is asked for. Raises ValueError where that is not installed."""
    if execution.engine == "compile":
        return torch.compile(call, dynamic=False, options={"freezing": True})
    if execution.engine == "onnx":
        return OnnxCall(call, execution.threads)
    return call


def check_eager(execution: Execution, planner: str) -> None:
    """Raises ValueError for an engine that a planner has no use for."""
    if execution.engine != "eager":
        raise ValueError(f"engine={execution.engine} is ZipMo's: {planner} runs in PyTorch as it is (engine=eager)")


def check_installed(engine: str) -> None:
    """Raises ValueError for an engine that is not there."""
    if engine == "onnx":
        _onnx_runtime()


def _onnx_runtime() -> Any:
    try:
        import onnx  # noqa: F401, which torch.onnx needs
        import onnxruntime
    except ImportError as error:
        raise ValueError(f"engine=onnx needs the extra `engines` ({error}): pip install onnxruntime onnx") from error
    return onnxruntime


class OnnxCall:
    """A call by ONNX Runtime on the CPU, in float32; one session for each set of shapes."""

    def __init__(self, call: nn.Module, threads: int):
        if sum(p.numel() * p.element_size() for p in call.parameters()) >= _LARGEST:
            raise ValueError("engine=onnx takes models below 2 GiB, as its files do: say engine=compile")
        self._call, self._runtime = call, _onnx_runtime()
        self._options = self._runtime.SessionOptions()
        self._options.intra_op_num_threads = threads
        self._options.inter_op_num_threads = 1
        self._sessions: dict[tuple[torch.Size, ...], Any] = {}

    def __call__(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        shapes = tuple(x.shape for x in inputs)
        if shapes not in self._sessions:
            self._sessions[shapes] = self._session(inputs)
        session = self._sessions[shapes]
        given = {node.name: x.numpy() for node, x in zip(session.get_inputs(), inputs, strict=True)}
        return tuple(map(torch.from_numpy, session.run(None, given)))

    def _session(self, inputs: tuple[Tensor, ...]) -> Any:
        exported = io.BytesIO()
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what the trace takes for constant: shapes, which are
            # Not by torch.export: that takes minutes for the unrolled steps of a plan.
            torch.onnx.export(self._call, inputs, exported, dynamo=False, opset_version=_OPSET)  # type: ignore[arg-type]
        return self._runtime.InferenceSession(exported.getvalue(), self._options, providers=["CPUExecutionProvider"])
