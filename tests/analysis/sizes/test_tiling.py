"""Tiled inference: tiles of any spec, run one by one, make the map of the whole image."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
import torchvision
from draws import draws
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import specs
from torch import Tensor, nn

from fieldspec.analysis.report.report import Report
from fieldspec.analysis.sizes.input_sizes import valid_input_sizes
from fieldspec.analysis.sizes.tiling import Tiling, tile_plan
from fieldspec.analysis.trace import report_of_module
from fieldspec.architectures import analyze, build
from fieldspec.architectures.readings.verification import module_path
from fieldspec.blocks.errors import FieldspecError, ShapeError

CONV: dict[str, Any] = {"conv": {"out": 3}}
DOWN: dict[str, Any] = {"conv": {"out": 3, "stride": 2}}
U_NET: list[dict[str, Any]] = [
    {**CONV, "id": "a"}, DOWN, {**CONV, "id": "b"}, {"max_pool": {"kernel": 2}}, CONV,
    {"conv_transpose": {"out": 3}, "id": "c"}, {"concat": {}, "from": ["c", "b"]}, CONV,
    {"resize": {"scale": 2, "mode": "bilinear"}, "id": "d"}, {"concat": {}, "from": ["d", "a"]}, CONV,
]  # fmt: skip


def document(layers: list[dict[str, Any]], size: int = 32) -> dict[str, Any]:
    """A spec of these layers."""
    return {"input": [2, size, size], "layers": layers}


def network(spec: dict[str, Any]) -> nn.Module:
    """Built in float64, with statistics of batch norms that are not trivial."""
    torch.manual_seed(0)
    net = build(spec).double().eval()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_()
    return net


def at(net: nn.Module, path: str, x: Tensor) -> Tensor:
    """The output of a submodule."""
    found: list[Tensor] = []
    handle = net.get_submodule(path).register_forward_hook(lambda module, inputs, output: found.append(output))
    with handle, torch.no_grad():
        net(x)
    return found[-1]


def in_tiles(net: nn.Module, path: str, x: Tensor, tiling: Tiling, like: Tensor) -> Tensor:
    """The same, tile by tile."""
    made = torch.full_like(like, torch.nan)
    for pixels, kept, units in tiling.tiles(tuple(x.shape[2:])):
        part: tuple[Any, ...] = (..., *pixels)
        whole: tuple[Any, ...] = (..., *units)
        inner: tuple[Any, ...] = (..., *kept)
        made[whole] = at(net, path, x[part])[inner]
    return made


# ------------------------------------------------------------------------------------------ by hand


def plan(layers: list[dict[str, Any]], tile: int) -> Tiling:
    """The tiling of these layers."""
    return tile_plan(analyze(document(layers)), tile)


def test_tables() -> None:
    """Stride, size, halo and alignment worked by hand."""
    one = plan([CONV], 16)
    assert (one.stride, one.size, one.halo[0], one.align, one.overlap) == ((16, 16), (18, 18), (1, 1), (1, 1), (2, 2))
    down = plan([CONV, DOWN], 8)  # unit 0 sees -2 to 2, unit 7 sees 12 to 16: 0 to 15 are its own
    assert (down.stride, down.size, down.halo[0], down.align) == ((16, 16), (19, 19), (2, 1), (2, 2))
    odd = plan([{"max_pool": {"kernel": 2}}, CONV, {"resize": {"scale": 2}}], 5)  # five units are no whole pixel pair
    assert (odd.tile, odd.stride, odd.align) == ((6, 6), (6, 6), (2, 2))
    seed = tile_plan(analyze("c1c2c3c40"), 8)
    assert (seed.size, seed.stride, seed.halo[0], seed.align) == ((76, 76), (32, 32), (16, 28), (4, 4))
    both = tile_plan(analyze(document([CONV])), (4, 8))
    assert (both.tile, both.size) == ((4, 8), (6, 10))


def test_inner_tiles_are_all_of_that_size() -> None:
    """Away from the border every tile reads `size` pixels, `stride` after the one before; the border cuts the rest."""
    tiling = plan(U_NET, 16)
    tiles = list(tiling.tiles((128, 128)))
    rows = [tile.pixels[0] for tile in tiles if tile.units[1].start == 0]
    assert [row.start for row in rows] == [max(0, 16 * n - tiling.halo[0][0]) for n in range(8)]
    assert {row.stop - row.start for row in rows[2:6]} == {tiling.size[0]}
    assert rows[-1].stop == 128


# ------------------------------------------------------------------------------------------ run


@pytest.mark.parametrize(
    ("layers", "size"),
    [
        ([CONV, DOWN, CONV, DOWN, {"conv": {"out": 3, "dilation": 2}}], (61, 47)),
        (U_NET, (48, 52)),
        ([{"conv": {"out": 3, "kernel": 4, "padding": "same"}}, {"avg_pool": {"kernel": 3}}, CONV], (50, 51)),
        ([{"conv": {"out": 3, "padding": 0, "stride": 3}}, {"max_pool": {"kernel": 3, "ceil_mode": True}}], (70, 64)),
    ],
)
def test_tiles_make_the_whole(layers: list[dict[str, Any]], size: tuple[int, int]) -> None:
    """On other image sizes than the spec's, every unit of the map, those at the border too."""
    spec = document(layers)
    net, tiling = network(spec), plan(layers, 6)
    path = module_path(tiling.layer.id)
    x = torch.randn(1, 2, *size, dtype=torch.float64)
    whole = at(net, path, x)
    torch.testing.assert_close(in_tiles(net, path, x, tiling, whole), whole, atol=1e-5, rtol=0)


def test_without_the_halo_it_fails() -> None:
    """The halo is needed: with one pixel less of it on either side the map is another one."""
    spec = document([CONV, CONV])
    net, tiling = network(spec), plan([CONV, CONV], 8)
    x = torch.randn(1, 2, 64, 64, dtype=torch.float64)
    whole = at(net, "layers.conv2", x)
    inner = next(tile for tile in tiling.tiles((64, 64)) if tile.units[0].start == tile.units[1].start == 24)
    rows, columns = inner.pixels
    assert (rows.start, rows.stop, inner.kept[0]) == (22, 34, slice(2, 10))
    for less in (slice(rows.start + 1, rows.stop), slice(rows.start, rows.stop - 1)):
        part = at(net, "layers.conv2", x[..., less, columns])
        kept = slice(24 - less.start, 32 - less.start)
        moved = (part[..., kept, inner.kept[1]] - whole[..., 24:32, 24:32]).abs().amax()
        assert float(moved) > 1e-3


def test_any_module() -> None:
    """A traced network of torchvision in tiles: the map of a feature layer, by the path of its module."""
    torch.manual_seed(0)
    net = torchvision.models.squeezenet1_1(weights=None).double().eval()
    tiling = tile_plan(report_of_module(net, (3, 224, 224)), 12, layer="features.9")
    x = torch.randn(1, 3, 250, 330, dtype=torch.float64)
    whole = at(net, "features.9", x)
    torch.testing.assert_close(in_tiles(net, "features.9", x, tiling, whole), whole, atol=1e-5, rtol=0)


class UNet(nn.Module):
    """One level down and up again beside the map of the image's size: by a factor, or to the size of that map."""

    def __init__(self, mode: str, *, follows: bool = False, **settings: Any) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(2, 3, 3, padding=1), nn.Conv2d(6, 3, 3, padding=1)
        self.low, self.up = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), nn.ReLU()), nn.Conv2d(3, 3, 3, padding=1)
        self.follows, self.settings = follows, {"mode": mode, **settings}

    def forward(self, x: Tensor) -> Tensor:
        """(batch, 2, height, width) -> (batch, 3, height, width)."""
        high = self.first(x)
        to: dict[str, Any] = {"size": high.shape[2:]} if self.follows else {"scale_factor": 2}
        enlarged = self.up(F.interpolate(self.low(high), **to, **self.settings))
        mapped: Tensor = self.last(torch.cat([high, enlarged], 1))
        return mapped


@pytest.mark.parametrize("follows", [False, True], ids=["factor", "size"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_a_traced_u_net(mode: str, follows: bool) -> None:
    """Resizing by a factor is the same at every size; so is resizing to that of a skip, where the ratio stays."""
    torch.manual_seed(0)
    net = UNet(mode, follows=follows).double()
    tiling = tile_plan(report_of_module(net, (2, 32, 32)), 8)
    x = torch.randn(1, 2, 44, 38, dtype=torch.float64)
    whole = at(net, "last", x)
    torch.testing.assert_close(in_tiles(net, "last", x, tiling, whole), whole, atol=1e-5, rtol=0)


def test_a_u_net_at_a_size_of_another_ratio() -> None:
    """23 units that become 45 are no tile of 16 that become 32: refused, though the network runs there."""
    report = report_of_module(UNet("nearest", follows=True), (2, 32, 32))
    assert [str(sizes.runs) for sizes in valid_input_sizes(report) or ()] == ["1 and more"] * 2
    with pytest.raises(ShapeError, match="it takes the size of another map: 23x19 becomes 45x38 here, but 16x16"):
        list(tile_plan(report, 8).tiles((45, 38)))
    corners = report_of_module(UNet("bilinear", follows=True, align_corners=True), (2, 32, 32))
    with pytest.raises(FieldspecError, match="resizes with aligned corners, by another ratio on any other size"):
        tile_plan(corners, 8)


def test_a_resizing_to_a_number_follows_nothing() -> None:
    """Nothing meets it that would be of another size on another image."""

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            mapped: Tensor = self.conv(F.interpolate(self.conv(x), size=(32, 32)))
            return mapped

    report = report_of_module(Fixed(), (2, 32, 32))
    assert valid_input_sizes(report) is None
    with pytest.raises(FieldspecError, match="returns 32 units for any input"):
        tile_plan(report, 8)


def images(report: Report, data: st.DataObject) -> tuple[int, int]:
    """A size that runs, somewhat larger than the spec's."""
    sizes = valid_input_sizes(report)
    assert sizes is not None
    drawn = []
    for own, one in zip(report.input[1:], sizes, strict=True):
        above = one.runs.near(own + data.draw(st.integers(0, 30), label="more"))[1]
        drawn.append(own if above is None else above)
    return drawn[0], drawn[1]


@draws(40)
@given(specs(max_items=4), st.integers(1, 12), st.data())
def test_tiles_of_any_spec_make_the_whole(spec: dict[str, Any], tile: int, data: st.DataObject) -> None:
    """Any spec without global operations, any tile, any image: the map comes out as on the whole image."""
    report = analyze(spec)
    try:
        tiling = tile_plan(report, tile)
    except FieldspecError:
        assume(False)
    assume(tiling.layer.inputs)
    assume(max(tiling.align) <= 64)
    net, size = network(spec), images(report, data)
    path = module_path(tiling.layer.id)
    assume(path in dict(net.named_modules()))
    x = torch.randn(1, report.input[0], *size, dtype=torch.float64)
    try:
        whole = at(net, path, x)
    except RuntimeError:  # flattening and a linear layer behind the map
        assume(False)
    assume(whole.shape[2] * whole.shape[3] <= 30 * tiling.tile[0] * tiling.tile[1])
    torch.testing.assert_close(in_tiles(net, path, x, tiling, whole), whole, atol=1e-5, rtol=0)


# ------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(
    ("layers", "error"),
    [
        ([CONV, {"squeeze_excite": {}}, CONV], "squeeze_excite1.* sees the whole image, which a tile does not contain"),
        ([CONV, {"norm": {"type": {"group": 1}}}], "norm1 sees the whole image"),
        ([CONV, {"adaptive_pool": {"type": "avg", "size": 7}}], "adaptive_pool1 returns 7 units for any input"),
        ([CONV, {"resize": {"size": [9, 9]}}, CONV], "resize1 returns 9 units for any input"),
    ],
)
def test_refusals(layers: list[dict[str, Any]], error: str) -> None:
    """What a tile cannot give is said in one line."""
    with pytest.raises(FieldspecError, match=f"cannot be run in tiles, because {error}") as caught:
        plan(layers, 8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shift", [False, True])
def test_what_wraps_around_is_refused(shift: bool) -> None:
    """A tile does not hold the other edge of the image."""

    class Rolled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.roll(1, 2)

    net = Rolled() if shift else nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")
    with pytest.raises(FieldspecError, match=r"cannot be run in tiles, because .* wraps around the edges of the image"):
        tile_plan(report_of_module(net, (2, 32, 32)), 8)


def test_no_tile_of_nothing() -> None:
    """A tile has at least one unit, along every axis."""
    with pytest.raises(FieldspecError, match="tile: needs 2 numbers above 0, one per axis, gets 0"):
        plan([CONV], 0)
    with pytest.raises(FieldspecError, match="tile: needs 2 numbers above 0, one per axis, gets 8"):
        tile_plan(analyze(document([CONV])), (8,))


def test_text_and_data() -> None:
    """A few lines, a list, plain data."""
    tiling = plan([CONV, DOWN], 8)
    assert tiling.to_text().splitlines() == [
        "network: tiles of 8 units of conv2.act",
        "  each reads 19 pixels, 16 after the previous one; they share 3",
        "  halo: 2 before and 1 after",
        "  every tile starts at a multiple of 2 and is clipped at the image's border",
    ]
    assert tiling.to_markdown().splitlines()[2] == "- each reads 19 pixels, 16 after the previous one; they share 3"
    assert tiling.to_dict()["halo"] == [[2, 1], [2, 1]]
