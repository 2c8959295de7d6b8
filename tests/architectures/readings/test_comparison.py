"""What two specs differ in."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from fieldspec.architectures.readings.comparison import Diff, diff
from fieldspec.architectures.spec.spec import load


def net(*layers: Any, **rest: Any) -> dict[str, Any]:
    """A spec as data."""
    return {"input": [3, 32, 32], "layers": list(layers), **rest}


def conv(**settings: Any) -> dict[str, Any]:
    """A convolution of 8 channels."""
    return {"conv": {"out": 8, **settings}}


def changes(before: Any, after: Any) -> list[str]:
    """The changes of settings, a line each."""
    return [str(change) for change in diff(before, after).changes]


def test_equal() -> None:
    """Spelling, defaults, names and comments make no difference."""
    one = net(conv(), {"strided": {"out": 8}}, name="one")
    other = net(conv(kernel=3, stride=[1, 1]), {"conv": {"out": 8, "stride": 2}}, name="other", description="words")
    found = diff(one, other)
    assert not found
    assert str(found) == "one -> other: equal"
    assert found.to_dict() == {"schema": 1, "names": ["one", "other"], "changes": [], "numbers": []}


def test_a_setting() -> None:
    """A changed setting is one line, and so is each number that it moves."""
    found = diff(net(conv(), conv()), net(conv(), conv(stride=2)))
    assert str(found).splitlines() == [
        "network -> network",
        "+ layers.conv1.tap: true",  # the last item before a change of map size
        "~ layers.conv2.stride: [1, 1] -> [2, 2]",
        "~ macs: 811008 -> 368640",  # 32*32*(3*8*9 + 8*8*9), then a quarter of the second
        "~ jump: 1 -> 2",
        "~ feature map: 8x32x32 -> 8x16x16",
    ]


def test_an_item_put_in_between() -> None:
    """Items are matched by what they are: one more in between is one addition, whatever it does to their numbers."""
    before, after = (
        net(conv(), conv(kernel=1), conv(kernel=5)),
        net(conv(), conv(kernel=7), conv(kernel=1), conv(kernel=5)),
    )
    assert [line[:16] for line in changes(before, after)] == ["+ layers.conv2: "]
    assert [line[:16] for line in changes(after, before)] == ["- layers.conv2: "]
    assert changes(before, after)[0].startswith("+ layers.conv2: {conv: {out: 8, kernel: [7, 7], stride: [1, 1],")


def test_another_block() -> None:
    """A block in the place of another is a removal and an addition."""
    pool, act = net(conv(), {"max_pool": {}}), net(conv(), {"act": {}})
    assert changes(pool, net(conv(), {"avg_pool": {}})) == ["~ layers.pool1.type: max -> avg"]
    lines = [line.split(":")[0] for line in changes(pool, act)]
    assert lines == ["- layers.conv1.tap", "- layers.pool1", "+ layers.act1"]


def test_from_follows_its_item() -> None:
    """`from` counts as changed where it names another item, not where its item got another number."""
    add = {"add": {}, "from": ["input", "conv2"]}
    before = net({"conv": {"out": 3}}, {"conv": {"out": 3, "kernel": 5}}, add)
    after = net({"act": {}}, *before["layers"])
    assert [line.split(":")[0] for line in changes(before, after)] == ["+ layers.act1"]
    between = net(
        before["layers"][0], {"conv": {"out": 3, "kernel": 1}}, before["layers"][1], {**add, "from": ["input", "conv3"]}
    )
    assert [line.split(":")[0] for line in changes(before, between)] == ["+ layers.conv2"]
    moved = net(*before["layers"][:2], {**add, "from": ["conv1", "conv2"]})
    assert changes(before, moved) == ["~ layers.add1.from: [input, conv2] -> [conv1, conv2]"]


def test_sections() -> None:
    """Input, head and constraints are compared key by key."""
    before = net(conv(), head={"classes": 10}, constraints={"params": "< 1k"})
    after = {**net(conv(), head={"classes": 5}, constraints={"macs": "< 1M"}), "input": [3, 16, 16]}
    assert changes(before, after) == [
        "~ input: [3, 32, 32] -> [3, 16, 16]",
        "~ head.classes: 10 -> 5",
        "- constraints.params: < 1000",
        "+ constraints.macs: < 1000000",
    ]
    assert changes(net(conv()), net(conv(), head={"classes": 2})) == [
        "+ head: {pool: avg, classes: 2, dropout: 0.0, bias: true}"
    ]


def test_reverse_and_plain_data() -> None:
    """The difference the other way round has the same lines with before and after exchanged, and is JSON."""
    there, back = diff("c1c2c3c40", "c1c2c3c40_wide"), diff("c1c2c3c40_wide", "c1c2c3c40")
    assert [(c.path, c.before, c.after) for c in there.numbers] == [(c.path, c.after, c.before) for c in back.numbers]
    assert len(there.changes) == len(back.changes) > 0
    assert json.loads(json.dumps(there.to_dict())) == there.to_dict()
    assert {"name": "params", "before": 178_178, "after": 199_999} in there.to_dict()["numbers"]


def test_siblings_of_the_catalogue() -> None:
    """The dilated sibling differs from the seed's network in strides and dilations alone."""
    paths = {change.path.split(".")[-1] for change in diff("c1c2c3c40", "c1c2c3c40_dilated").changes}
    assert {"stride", "dilation"} <= paths


def test_large_specs_are_compared_in_seconds() -> None:
    """Three thousand items that all changed are paired one by one."""
    one, other = ({**net({**conv(), "repeat": 3_000}), "defaults": {"act": act}} for act in ("relu", "silu"))
    start = time.process_time()
    found = diff(load(one), load(other))
    assert len(found.changes) == 3_000
    assert time.process_time() - start < 10


def test_a_diff_is_a_question() -> None:
    """It is false when nothing differs."""
    assert isinstance(diff("c1c2c3c40", "c1c2c3c40"), Diff)
    assert not diff("c1c2c3c40", "c1c2c3c40")
    assert diff("c1c2c3c40", "c1c2c3c40_strided")


def test_two_of_a_family() -> None:
    """Items of one id are one item, even where the wider network has another that is just as wide."""
    changes = diff("mobilenet_v1", load("mobilenet_v1", width=0.5)).changes
    assert {change.path.rpartition(".")[2] for change in changes} == {"out"}
    assert len(changes) == 14
    assert str(changes[-1]) == "~ layers.s32.1.out: 1024 -> 512"


def unit(width: int, *more: Any) -> dict[str, Any]:
    """A block with a body and branches in it."""
    inner = {"parallel": {"merge": "concat", "branches": [[], [conv(), conv(kernel=width)]]}}
    return {"blocks": {"unit": {"params": {"n": 8}, "body": [{"conv": {"out": "$n"}}, inner, *more]}}}


def test_inside_bodies_and_branches() -> None:
    """One number changed in a block of the spec's own is one line, wherever it stands; so is an item more."""
    before, after = net({"unit": {}}, **unit(3)), net({"unit": {"n": 6}}, **unit(5))
    assert changes(before, after) == [
        "~ layers.unit1.body.conv1.out: 8 -> 6",
        "~ layers.unit1.body.parallel1.branches[1].conv2.kernel: [3, 3] -> [5, 5]",
        "~ layers.unit1.body.parallel1.branches[1].conv2.padding: [[1, 1], [1, 1]] -> [[2, 2], [2, 2]]",
    ]
    (added,) = changes(before, net({"unit": {}}, **unit(3, {"act": {"type": "silu"}})))
    assert added == "+ layers.unit1.body.act1: {act: {type: silu}}"
    residual = [{"residual": {"body": [conv(act=act)]}} for act in ("relu", "silu")]
    assert changes(net(conv(), residual[0]), net(conv(), residual[1])) == [
        "~ layers.residual1.body.conv1.act: relu -> silu"
    ]


def test_copies_that_change_alike_are_one_line() -> None:
    """Every change is told once, in a fifth of the lines; what is added without its defaults."""
    for before, after, values in (("resnet18", "resnet50", {}), ("mobilenet_v2", "mobilenet_v2", {"width": 0.5})):
        found = diff(load(before), load(after, **values))
        told = [line.split(":")[0][2:] for line in str(found).splitlines()[1 : -len(found.numbers)]]
        assert sorted(path for line in told for path in paths_of(line)) == sorted(one.path for one in found.changes)
        assert len(told) < len(found.changes)
    assert "+ layers.s16.2-5: {residual: {out: 1024, middle: 256}}" in str(diff("resnet18", "resnet50")).splitlines()
    assert found.names == ("mobilenet_v2 width=1.0", "mobilenet_v2 width=0.5")


def paths_of(line: str) -> list[str]:
    """What `s16.0-2,4.out` stands for."""
    numbers = re.search(r"\.([0-9][0-9,-]*)", line)
    if numbers is None:
        return [line]
    ends = [[int(end) for end in part.split("-")] for part in numbers[1].split(",")]
    copies = [number for first, *last in ends for number in range(first, (last or [first])[0] + 1)]
    return [line.replace(numbers[0], f".{number}", 1) for number in copies]


def test_on_an_engine() -> None:
    """Operators, flash and RAM that change, or why an engine runs one of the two no more."""
    before, after = net(conv(), conv()), net(conv(), conv(norm="none", stride=2))
    moved = {change.path: (change.before, change.after) for change in diff(before, after, engine="tflm").numbers}
    assert moved["operators"] == (2, 3)
    assert moved["sram.live"] == (16_384, 16_912)  # 8*32*32 twice; 8*32*32 and 8*33*33 rounded up to 16
    assert moved["flash"][1] - moved["flash"][0] == 12  # scale and zero point of what has zeros around it
    assert not [change for change in diff(before, after).numbers if change.path in ("operators", "flash")]
    (told,) = [
        change
        for change in diff(before, net(conv(), {"resize": {"size": [40, 40]}}), engine="tflm").numbers
        if change.path == "engine"
    ]
    assert "resize1 (nearest resizing of this kind)" in told.after
