"""Runners: calls that run a network once on an engine, under given conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from fieldspec.analysis.latency.conditions import Conditions
from fieldspec.blocks.errors import FieldspecError
from fieldspec.blocks.formatting import first_line
from fieldspec.blocks.layers import Shape

Call = Callable[[], object]
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


@contextmanager
def running(net: nn.Module, examples: Sequence[Tensor], conditions: Conditions) -> Iterator[Call]:
    """Yield a call that runs a network, which has run once already; restores the number of threads afterwards.

    Args:
        net: The network; it is put into eval mode and moved to the device and dtype.
        examples: Its inputs, from `examples_of`.
        conditions: The conditions of the run.

    Raises:
        FieldspecError: The network does not run under these conditions; says which and why.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(conditions.threads)
    try:
        with torch.inference_mode():
            try:
                call = _MAKERS[conditions.engine](net.eval(), examples, conditions)
                call()
            except Exception as error:  # anything that the network or engine raises on its first run
                raise FieldspecError(f"does not run ({conditions}): {first_line(str(error))}") from error
            yield call
    finally:
        torch.set_num_threads(before)


def examples_of(inputs: Sequence[Shape], conditions: Conditions) -> list[Tensor]:
    """A random batch of each input, with the device and dtype of the conditions."""
    device, dtype = device_of(conditions), getattr(torch, conditions.dtype)
    return [torch.randn(conditions.batch, *shape).to(device=device, dtype=dtype) for shape in inputs]


def device_of(conditions: Conditions) -> torch.device:
    """The device that the network runs on.

    Raises:
        FieldspecError: There is no such device.
    """
    try:
        device = torch.device(conditions.device)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise FieldspecError(f"--device {conditions.device}: {first_line(str(error))}") from None
    return device


def check_engine(conditions: Conditions) -> None:
    """Raise if an engine is not installed, or does not support the conditions.

    Raises:
        FieldspecError: The engine cannot be used; says what to do.
    """
    if conditions.engine != "onnxruntime":
        return
    for package in PACKAGES:
        if find_spec(package) is None:
            raise FieldspecError(f"the engine onnxruntime needs {package}: pip install 'fieldspec[export]'")
    if conditions.device != "cpu" or conditions.dtype != "float32":
        asked = f"{conditions.device} in {conditions.dtype}"
        raise FieldspecError(f"onnxruntime is timed on cpu in float32, not on {asked}; use --engine eager or compiled")


def _eager(net: nn.Module, examples: Sequence[Tensor], conditions: Conditions) -> Call:
    device = examples[0].device
    moved = net.to(device=device, dtype=examples[0].dtype)
    if device.type == "cpu":
        return lambda: moved(*examples)

    def call() -> None:
        moved(*examples)
        torch.accelerator.synchronize(device)

    return call


def _compiled(net: nn.Module, examples: Sequence[Tensor], conditions: Conditions) -> Call:
    compiled: Any = torch.compile(net)
    return _eager(compiled, examples, conditions)


def _onnxruntime(net: nn.Module, examples: Sequence[Tensor], conditions: Conditions) -> Call:
    import onnxruntime

    from fieldspec.export.onnx.onnx_file import float_onnx

    (example,) = examples
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # only errors
    options.intra_op_num_threads = conditions.threads
    with torch.inference_mode(False):
        model = float_onnx(net, tuple(example.shape[1:]), {})
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    array = example.numpy()
    return lambda: session.run(["output"], {"input": array})


_MAKERS: dict[str, Callable[[nn.Module, Sequence[Tensor], Conditions], Call]] = {
    "eager": _eager,
    "compiled": _compiled,
    "onnxruntime": _onnxruntime,
}
