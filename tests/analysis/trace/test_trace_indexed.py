"""Operations that read or write where numbers say: what they see, and that nothing moves a unit from elsewhere."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from operations import Used, network, wrong
from torch import Tensor

import fieldspec as fs

CHANNELS, ROWS = torch.tensor([3, 1, 0, 2]), torch.tensor([0, 2, 5, 7, 1, 11])
TWICE = torch.tensor([0, 1, 0, 1, 2, 2, 3, 3])
ORDER = torch.arange(8).roll(3)
SOME = torch.zeros(1, 4, 12, 16, dtype=torch.long)
ANY, COLUMNS = torch.randint(0, 8, (1, 8, 12, 16)), torch.randint(0, 16, (1, 8, 12, 16))
MASK = torch.rand(12, 16) > 0.5


def with_item(x: Tensor, index: Any, value: Any) -> Tensor:
    """``x[index] = value``."""
    y = x.clone()
    y[index] = value
    return y


CASES: dict[str, Used] = {
    # written where constants say
    "index_copy": Used(lambda n, x: x.index_copy(1, n.i, x[:, :4].relu()), "exact", {"i": CHANNELS}),
    "index_copy rows": Used(lambda n, x: x.index_copy(2, n.i, x[:, :, :6].relu()), "bound", {"i": ROWS}),
    "index_add": Used(lambda n, x: x.index_add(1, n.i, x.relu()), "exact", {"i": ORDER}),
    "index_add some": Used(lambda n, x: x.index_add(1, n.i, x[:, :4]), "exact", {"i": CHANNELS}),
    "index_add to zeros": Used(lambda n, x: x.new_zeros(1, 4, 12, 16).index_add(1, n.i, x), "exact", {"i": TWICE}),
    "index_add rows": Used(lambda n, x: x.index_add(2, n.i, x[:, :, :6]), "whole_input", {"i": ROWS}),
    "index_add a number": Used(lambda n, x: x.index_add(1, n.i, torch.ones(1, 4, 12, 16)), "exact", {"i": CHANNELS}),
    "index_fill": Used(lambda n, x: x.index_fill(2, n.i, 0.0), "exact", {"i": ROWS}),
    "index_fill with a mean": Used(lambda n, x: x.index_fill(1, n.i, x.mean()), "whole_input", {"i": CHANNELS}),
    "index_put": Used(lambda n, x: with_item(x, (slice(None), n.i), x[:, :4].relu()), "exact", {"i": CHANNELS}),
    "select_scatter": Used(lambda n, x: x.select_scatter(x[:, 0].relu(), 1, 2), "exact"),
    "slice_scatter": Used(lambda n, x: x.slice_scatter(x[:, :4].relu(), 1, 2, 6), "exact"),
    "slice_scatter to zeros": Used(lambda n, x: torch.zeros_like(x).slice_scatter(x[:, :4], 1, 2, 6), "exact"),
    "diagonal_scatter": Used(lambda n, x: x.diagonal_scatter(x[:, :, :, 0], 0, 2, 3), "whole_input"),
    # written where a map or other constants say
    "scatter": Used(lambda n, x: x.scatter(1, n.i, x[:, :4].relu()), "exact", {"i": SOME}),
    "scatter along a row": Used(lambda n, x: x.scatter(3, n.i, x.relu()), "whole_input", {"i": COLUMNS}),
    "the largest alone": Used(lambda n, x: torch.zeros_like(x).scatter(1, x.topk(2, 1)[1], x.topk(2, 1)[0]), "exact"),
    "scatter_add": Used(lambda n, x: x.scatter_add(1, n.i, x.relu()), "exact", {"i": ANY}),
    "scatter_add to zeros": Used(lambda n, x: torch.zeros_like(x).scatter_add(1, x.argsort(1), x), "exact"),
    "scatter_reduce": Used(lambda n, x: torch.zeros_like(x).scatter_reduce(1, n.i, x, "mean"), "exact", {"i": ANY}),
    "superpixels": Used(
        lambda n, x: x.new_zeros(1, 8, 10).scatter_add(2, n.i.expand(1, 8, 192), x.flatten(2)),
        "whole_input", {"i": torch.randint(0, 10, (192,))},
    ),
    "masked_scatter": Used(lambda n, x: x.masked_scatter(n.k, x.relu()), "whole_input", {"k": MASK}),
    "a mask of its own": Used(lambda n, x: with_item(x, x < 0, 0.0), "exact"),
    "put": Used(lambda n, x: x.put(n.i, x[0, 0, 0, :4]), "whole_input", {"i": CHANNELS}),
    # read
    "gather": Used(lambda n, x: x.gather(1, n.i), "exact", {"i": ANY}),
    "gather along a row": Used(lambda n, x: x.gather(3, n.i), "whole_input", {"i": COLUMNS}),
    "gather the same": Used(lambda n, x: x.gather(3, n.i.expand(1, 8, 12, 6)), "bound", {"i": ROWS.view(1, 1, 1, 6)}),
    "sorted by value": Used(lambda n, x: x.gather(3, x.argsort(3)), "whole_input"),
    "take_along_dim": Used(lambda n, x: x.take_along_dim(n.i, 1), "exact", {"i": ANY}),
    "take": Used(lambda n, x: x.take(n.i), "whole_input", {"i": CHANNELS}),
    "quantile": Used(lambda n, x: x + x.quantile(0.5, dim=3, keepdim=True), "whole_input"),
    "samples at constants": Used(
        lambda n, x: F.grid_sample(x, n.g, align_corners=False), "whole_input", {"g": torch.rand(1, 5, 6, 2)}
    ),
    "samples of constants": Used(
        lambda n, x: F.grid_sample(n.g, x[:, :2].permute(0, 2, 3, 1), align_corners=False), "exact",
        {"g": torch.rand(1, 3, 5, 6)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("used", CASES.values(), ids=CASES)
def test_what_numbers_say(used: Used) -> None:
    """The status is as worked out by hand, and what is measured contradicts no number."""
    torch.manual_seed(0)
    net = network(used)
    report = fs.analyze(net, input_size=used.size)
    assert (report.output.status, report.macs_status) == (used.status, "exact")
    assert wrong(net, used.size) == []
