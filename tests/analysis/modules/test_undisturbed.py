"""What a module holds is what it held before, though it was run."""

from __future__ import annotations

from collections import OrderedDict
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fieldspec as fs
from fieldspec.analysis.proof.measurements.memory import measure_saved_bytes


class Caching(nn.Module):
    """Makes its grid at the first call, and keeps and counts what it was asked for."""

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.conv, self.fails, self.old = nn.Conv2d(6, 4, 3, padding=1), fails, torch.ones(1)
        self.grid: Tensor | None = None
        self.calls = 0
        self.means: dict[str, list[Tensor]] = {"means": []}
        self.sizes: set[Any] = set()
        self.last: OrderedDict[str, Any] = OrderedDict(size=None)
        self.register_buffer("seen", None)
        self.sums = {"count": torch.zeros(1)}

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 4, height, width), the same."""
        if self.grid is None:
            axes = [torch.arange(size, dtype=x.dtype, device=x.device) for size in x.shape[2:]]
            self.grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))[None]
        self.calls += 1
        self.means["means"].append(x.mean())
        self.sizes.add(x.shape)
        self.last["size"], self.last["mean"] = x.shape, x.mean()
        self.seen = x.detach()
        self.sums["count"] += 1
        del self.old
        if self.fails:
            raise RuntimeError("as it happens")
        return self.conv(torch.cat([x, self.grid.expand(len(x), -1, -1, -1)], 1))  # type: ignore[no-any-return]


def held(net: Caching) -> tuple[Any, ...]:
    """All that it changes."""
    return net.grid, net.calls, net.means, net.sizes, list(net.last.items()), net.seen, net.old


@pytest.mark.parametrize("question", [fs.analyze, fs.verify])
@pytest.mark.parametrize("fails", [False, True])
def test_a_cache_is_as_it_was(question: Any, fails: bool) -> None:
    """Attributes, containers within containers and buffers, also when the module raises; it runs afterwards."""
    net = Caching(fails=fails)
    before, old = list(vars(net)), net.old
    with pytest.raises(fs.FieldspecError, match="as it happens") if fails else nullcontext():
        question(net, input_size=(4, 8, 8))
    assert held(net) == (None, 0, {"means": []}, set(), [("size", None)], None, old)
    assert (net.old is old, int(net.sums["count"])) == (True, 0)
    assert list(vars(net)) == before
    net.fails = False
    assert net(torch.zeros(2, 4, 5, 6)).shape == (2, 4, 5, 6)


def test_a_cache_is_verified() -> None:
    """Each measurement begins with an empty one, so that all of them run at their own size."""
    checks = fs.verify(Caching(), input_size=(4, 8, 8)).checks
    proved = {check.what for check in checks if check.verdict == "proved"}
    assert proved >= {"macs", "shape", "receptive_field"}
    assert measure_saved_bytes(Caching(), (4, 8, 8)) == 6 * 64 * 4  # what the convolution reads


def test_containers_that_refuse_are_left_alone() -> None:
    """A dict that cannot be updated stays what it is, even when it was changed."""

    class Stubborn(dict[str, int]):
        def update(self, *args: Any, **kwargs: Any) -> None:
            raise TypeError("no")

    net = Caching()
    net.stubborn = Stubborn(one=1)  # type: ignore[assignment]  # an attribute of any kind
    fs.analyze(net, input_size=(4, 8, 8))
    assert net.stubborn == {"one": 1}
