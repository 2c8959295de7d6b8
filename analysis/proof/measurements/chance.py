"""Detects random numbers drawn by functions in train mode, which no layer shows and eval mode does not draw."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode

DRAWN = ("aten::rand", "aten::bernoulli", "aten::native_dropout", "aten::uniform", "aten::normal", "aten::rrelu")
LAYERS = ("Dropout", "DropPath", "StochasticDepth", "DropBlock", "RReLU")  # parts of the names of random layers


class Draws(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch
    """Records the modules that draw random numbers by functions; dropout layers are excluded."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch
        self._paths = {id(part): path for path, part in module.named_modules()}
        self._running: list[nn.Module] = []
        self.found: dict[str, str] = {}  # path of a module: the function it draws with
        self._handles: list[Any] = []

    def __enter__(self) -> Draws:
        self._handles = [
            register_module_forward_pre_hook(lambda part, _: self._running.append(part)),
            register_module_forward_hook(lambda part, *_: self._left(part)),
        ]
        super().__enter__()  # type: ignore[no-untyped-call]  # torch
        return self

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)  # type: ignore[no-untyped-call]  # torch
        for handle in self._handles:
            handle.remove()

    def _left(self, part: nn.Module) -> None:
        if self._running and self._running[-1] is part:
            self._running.pop()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        if name.startswith(DRAWN) and self._running:
            part = self._running[-1]
            if not any(word in type(part).__name__ for word in LAYERS):
                self.found.setdefault(self._paths.get(id(part), ""), name.removeprefix("aten::"))
        return func(*args, **(kwargs or {}))


def drawn_by(module: nn.Module, inputs: list[Tensor]) -> dict[str, str]:
    """The modules that draw random numbers by functions in the network's current mode, with the functions."""
    draws = Draws(module)
    with draws:
        module(*inputs)
    return draws.found
