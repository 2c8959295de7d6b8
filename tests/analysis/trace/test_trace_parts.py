"""Parts of a tensor that are written in place, maps joined end to end, choices and places that another map says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812  # torch's own abbreviation
from torch import Tensor, nn

import fieldspec as fs

IMAGE = (4, 16, 16)
Use = Callable[[Any, Tensor], Tensor]


class After(nn.Module):
    """A 3x3 convolution, what a function makes of its output, and another 3x3 convolution where that is asked for."""

    def __init__(self, use: Use, **parts: nn.Module) -> None:
        super().__init__()
        self.use, self.conv = use, nn.Conv2d(4, 8, 3, padding=1)
        self.last = nn.Conv2d(8, 8, 3, padding=1)
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Tensor, *others: Tensor) -> Tensor:
        """(batch, 4, height, width) -> what the function makes of it."""
        return self.use(self, self.conv(x), *others)


def refuted(net: nn.Module, size: Any = IMAGE) -> list[str]:
    """What the measured network says otherwise."""
    return [str(check) for check in fs.verify(net, input_size=size).checks if check.verdict == "refuted"]


def written(*writes: Callable[[Tensor, Tensor], Any], new: bool = True) -> Use:
    """A tensor of zeros of the map's size, or the map itself, into which parts of the map are written."""

    def use(net: Any, x: Tensor) -> Tensor:
        made = torch.zeros_like(x) if new else x
        for write in writes:
            write(made, x)
        last: Tensor = net.last(made)
        return last

    return use


def put(to: Any, source: Any) -> Callable[[Tensor, Tensor], None]:
    """One part of the map written into another."""
    return lambda made, x: made.__setitem__(to, x[source])


EVERY = slice(None)
PARTS: dict[str, tuple[Use, tuple[int, int], str]] = {
    "halves of the channels": (
        written(put((EVERY, slice(0, 4)), (EVERY, slice(4, 8))), put((EVERY, slice(4, 8)), (EVERY, slice(0, 4)))),
        (5, 5),
        "exact",
    ),
    "one half": (written(put((EVERY, slice(0, 4)), (EVERY, slice(4, 8)))), (5, 5), "exact"),
    "a shift": (written(put((EVERY, EVERY, slice(1, 16)), (EVERY, EVERY, slice(0, 15)))), (5, 5), "exact"),
    "a shift of some channels": (  # of the others nothing
        written(put((EVERY, slice(0, 2), EVERY, slice(0, 15)), (EVERY, slice(0, 2), EVERY, slice(1, 16)))),
        (5, 5),
        "exact",
    ),
    "shifts both ways": (  # the rows that come in are zeros
        written(
            put((EVERY, slice(0, 2), slice(1, 16)), (EVERY, slice(0, 2), slice(0, 15))),
            put((EVERY, slice(2, 8)), (EVERY, slice(2, 8))),
        ),
        (6, 5),
        "exact",
    ),
    "within the map": (
        written(lambda made, x: made.__setitem__((EVERY, slice(0, 4)), x[:, :4].sigmoid()), new=False),
        (5, 5),
        "exact",
    ),
    "added": (written(lambda made, x: made[:, :4].add_(x[:, 4:]), new=False), (5, 5), "exact"),
    "a row of zeros": (written(lambda made, _: made.__setitem__((EVERY, EVERY, 0), 0), new=False), (5, 5), "exact"),
    "a channel of zeros": (written(lambda made, _: made[:, 3].zero_(), new=False), (5, 5), "exact"),
    "every other row": (
        written(put((EVERY, EVERY, slice(0, None, 2)), (EVERY, EVERY, slice(1, None, 2))), new=False),
        (5, 5),
        "exact",
    ),
    "another row": (written(put((EVERY, EVERY, 3), (EVERY, EVERY, 5)), new=False), (7, 5), "bound"),
}


@pytest.mark.parametrize("name", PARTS)
def test_parts_written_in_place(name: str) -> None:
    """The tensor holds the part, and beside it what it held."""
    use, field, status = PARTS[name]
    report = fs.analyze(After(use), input_size=IMAGE)
    assert (report.output.receptive_field, report.output.status) == (field, status)
    assert not refuted(After(use))


def test_every_other_row_of_a_part_is_unknown() -> None:
    """Two rows within the map: nothing is claimed of what reads it."""
    use = written(put((EVERY, EVERY, slice(0, 4, 2)), (EVERY, EVERY, slice(1, 5, 2))), new=False)
    assert fs.analyze(After(use), input_size=IMAGE).output.status == "unknown"


def test_a_frame_around_a_map() -> None:
    """Padding that a network writes by hand."""

    def framed(net: Any, x: Tensor) -> Tensor:
        made = x.new_zeros(len(x), 8, 20, 20)
        made[:, :, 2:-2, 2:-2] = x
        last: Tensor = net.last(made)
        return last

    report = fs.analyze(After(framed), input_size=IMAGE)
    assert (report.output.receptive_field, report.output.start) == ((5, 5), (-4, -4))
    assert not refuted(After(framed))


def test_maps_end_to_end_are_a_bound() -> None:
    """Each unit is that of one of them; a window over the seam reads both."""
    doubled = After(lambda n, x: torch.cat([x, n.last(x)], 2))
    report = fs.analyze(doubled, input_size=IMAGE)
    assert (report.output.shape, report.output.receptive_field, report.output.status) == ((8, 32, 16), (5, 5), "bound")
    assert [report.output.field.axes[0].unit(unit).size for unit in (0, 15, 16, 31)] == [3, 3, 5, 5]
    assert not refuted(doubled)


def test_coordinate_attention() -> None:
    """Rows and columns, pooled across, are joined, mixed and taken apart again: each unit sees more than its own."""

    def coordinate(net: Any, x: Tensor) -> Tensor:
        rows, columns = net.mix(torch.cat([x.mean(3, True), x.mean(2, True).mT], 2)).split(x.shape[2:], 2)
        gated: Tensor = x * rows.sigmoid() * columns.mT.sigmoid()
        return gated

    net = After(coordinate, mix=nn.Conv2d(8, 8, 1))
    report = fs.analyze(net, input_size=IMAGE)
    assert (report.output.receptive_field, report.output.status) == ((3, 3), "whole_input")
    assert report["mix"].macs == 8 * 8 * 32
    assert not refuted(net)


CHOICES: dict[str, tuple[Use, str]] = {
    "gather": (lambda n, x: x.gather(1, x.argsort(1)[:, :3]), "exact"),
    "topk": (lambda n, x: x.gather(1, x.topk(3, 1)[1]), "exact"),
    "the largest channel": (lambda n, x: x.max(1, keepdim=True)[1] * x, "exact"),
    "numbers of a table": (lambda n, x: x.gather(1, torch.zeros(1, 2, 16, 16, dtype=torch.int64)), "exact"),
    "of places": (lambda n, x: x.gather(2, x.argsort(1)), "whole_input"),
    "a map added to a product": (lambda n, x: torch.addmm(x[0, :, 0], x[0, :, 0], n.square.weight), "whole_input"),
    "the same, of all channels": (
        lambda n, x: torch.addmm(x.flatten(2)[0].T, x.flatten(2)[0].T, n.mix.weight),
        "exact",
    ),
    "samples of its own making": (
        lambda n, x: F.grid_sample(x, n.flow(x).permute(0, 2, 3, 1), align_corners=False),
        "whole_input",
    ),
    "samples of a transformation": (
        lambda n, x: F.grid_sample(x, F.affine_grid(n.theta(x.mean((2, 3))).view(-1, 2, 3), list(x.shape), False)),
        "whole_input",
    ),
}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CHOICES)
def test_what_another_map_says(name: str) -> None:
    """Choices among channels are local; samples at places that a map says may be of anywhere."""
    use, status = CHOICES[name]
    parts = {
        "mix": nn.Linear(8, 8), "square": nn.Linear(16, 16), "flow": nn.Conv2d(8, 2, 3, padding=1),
        "theta": nn.Linear(8, 6),
    }  # fmt: skip
    net = After(use, **parts)
    report = fs.analyze(net, input_size=IMAGE)
    assert report.output.status == status
    assert report.macs_status == "exact"
    assert not refuted(net)


def test_a_number_beside_the_image() -> None:
    """It sees no pixel."""
    report = fs.analyze(After(lambda n, x, t: x * t), input_size=[IMAGE, ()])  # type: ignore[misc,arg-type]
    assert (report.output.receptive_field, report.output.status) == ((3, 3), "exact")


def test_resizing_what_is_out_of_step() -> None:
    """With aligned corners no pattern is shorter than the map: its units are listed, and again once it is resized."""

    def enlarged(x: Tensor, size: int) -> Tensor:
        return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=True)

    net = After(lambda n, x: enlarged(x + enlarged(F.avg_pool2d(x, 2), 130), 260)).double()
    report = fs.analyze(net, input_size=(4, 130, 130))
    axis = report.output.field.axes[0]
    assert (report.output.status, axis.period) == ("exact", 260)
    nn.init.ones_(net.conv.weight)
    image = torch.ones(1, 4, 130, 130, dtype=torch.float64, requires_grad=True)
    made = net(image)
    for unit in (10, 130, 201, 249):
        (gradient,) = torch.autograd.grad(made[0, 0, unit, 100], image, retain_graph=True)
        read = gradient.sum((0, 1, 3)).nonzero().flatten().tolist()
        assert axis.unit(unit).pixels() == read


MAXIMA: dict[str, Use] = {
    "amax": lambda n, x: x.amax((2, 3)),
    "max along rows of units": lambda n, x: x.flatten(2).max(2)[0],
    "pooled": lambda n, x: F.adaptive_max_pool2d(x, 1),
}


@pytest.mark.parametrize("name", MAXIMA)
def test_what_maxima_keep(name: str) -> None:
    """Indices where there are any; else the map, to be compared."""
    checks = fs.verify(After(MAXIMA[name]), input_size=IMAGE).checks
    (saved,) = [check for check in checks if check.what == "saved bytes"]
    assert saved.verdict == "proved"


class Video(nn.Module):
    """Frames that are folded into the batch."""

    def __init__(self, *, channels_first: bool) -> None:
        super().__init__()
        self.channels_first, self.conv = channels_first, nn.Conv2d(4, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Frames apart, then an average of them."""
        x = x.transpose(1, 2) if self.channels_first else x
        frames = self.conv(x.flatten(0, 1))
        mean: Tensor = frames.unflatten(0, x.shape[:2]).mean(1)
        return mean


@pytest.mark.parametrize(("size", "channels_first"), [((4, 3, 16, 16), True), ((3, 4, 16, 16), False)])
def test_frames_in_the_batch(size: tuple[int, ...], channels_first: bool) -> None:
    """Time is an axis, before or behind the channels: a frame sees itself, their mean all of them."""
    net = Video(channels_first=channels_first)
    report = fs.analyze(net, input_size=size)
    assert report["conv"].shape == (8, 3, 16, 16)
    assert (report["conv"].receptive_field, report["conv"].status) == ((1, 3, 3), "exact")
    assert (report.output.receptive_field, report.output.status) == ((3, 3, 3), "whole_input")
    assert not refuted(net, size)


def test_attention_in_other_dimensions() -> None:
    """(units, channels) read as (channels, units), as MA-Net does: each element is made of the whole map anyway."""

    def attended(net: Any, x: Tensor) -> Tensor:
        units = x[:, :, :7, :7].flatten(2)  # 49, and 8 channels
        found = torch.softmax(units.mT @ units, -1) @ units.mT
        made: Tensor = x[:, :, :7, :7] + net.last(found.reshape(len(x), 8, 7, 7))
        return made

    report = fs.analyze(After(attended), input_size=IMAGE)
    assert (report.output.receptive_field, report.output.status) == ((3, 3), "whole_input")
    assert not refuted(After(attended))


def test_units_that_are_torn_apart() -> None:
    """The same of a map whose units see a window only: features of all of it, as flattening makes them."""
    torn = After(lambda n, x: n.last(x[:, :, :7, :7].flatten(2).mT.reshape(len(x), 8, 7, 7)))
    assert fs.analyze(torn, input_size=IMAGE).output.status == "whole_input"
    assert not refuted(torn)


def test_several_vectors_beside_a_map() -> None:
    """They see all of the map; it is one operation, whose operands need not be of one shape."""

    def beside(net: Any, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3), keepdim=True).expand(-1, -1, 1, 16)
        return torch.cat([pooled, x, pooled * 2, pooled * 3], 2)

    report = fs.analyze(After(beside), input_size=IMAGE)
    assert (report.output.shape, report.output.status) == ((8, 19, 16), "whole_input")
    assert report.to_text()
    assert not refuted(After(beside))
