"""Bodies whose items read any of those above them: `from` inside residuals, branches, own blocks and the head."""

import copy
import pickle
from typing import Any

import pytest
import torch

from fieldspec.architectures import analyze, build, diff, load
from fieldspec.architectures.readings.verification import verify
from fieldspec.export.plain.source_text import source_text

CONV = {"conv": {"out": 6}}
BODY: list[dict[str, Any]] = [
    {**CONV, "id": "x"},  # ids that a plain file cannot take as variables
    {**CONV, "id": "2"},
    {"add": {}, "from": ["x", "2", "input"], "id": "torch"},
    {"concat": {}, "from": ["x", "torch"]},
    {"conv": {"out": 6, "act": "none"}},
]
DOCUMENT: dict[str, Any] = {
    "input": [3, 12, 12],
    "blocks": {"own": {"body": [{"parallel": {"merge": "add", "branches": [BODY, []]}}]}},
    "layers": [{**CONV, "id": "x"}, {"residual": {"body": BODY}, "repeat": 2}, {"own": {}}, {"chain": {"body": BODY}}],
    "head": {
        "body": [{"linear": {"out": 5}, "id": "a"}, {"act": {}}, {"concat": {}, "from": ["input", "a", "act1"]}],
        "classes": 3,
    },
}


@pytest.mark.filterwarnings("ignore:The TorchScript type system:UserWarning")
def test_the_network_is_the_same_however_it_is_carried() -> None:
    """The plain computation's outputs; scripted, copied, pickled, and written as a plain file, with one state dict."""
    net = build(DOCUMENT).eval()
    x = torch.randn(2, 3, 12, 12)
    there: dict[str, Any] = {}
    exec(source_text(net, "wired"), there)
    plain = there["Net"]().eval()
    assert list(plain.state_dict()) == list(net.state_dict())
    plain.load_state_dict(net.state_dict())
    others = [plain, copy.deepcopy(net), pickle.loads(pickle.dumps(net)), torch.jit.script(net)]
    assert all(torch.equal(other(x), net(x)) for other in others)

    body = dict(net.layers.get_submodule("chain1").named_children())
    y = torch.randn(2, 6, 12, 12)
    one = body["x"](y)
    total = one + body["2"](one) + y
    joined = torch.cat((one, total), 1)
    torch.testing.assert_close(net.layers.get_submodule("chain1")(y), body["conv3"](joined), rtol=0, atol=0)


def test_checkpointing_changes_no_gradient() -> None:
    """Nor does a copy forget that it is asked for."""
    net = build(DOCUMENT)
    x = torch.randn(4, 3, 12, 12)
    found = []
    for enable in (False, True):
        net.set_grad_checkpointing(enable)
        block: Any = copy.deepcopy(net).layers.get_submodule("chain1")
        assert block.grad_checkpointing is pickle.loads(pickle.dumps(block)).grad_checkpointing is enable
        net.zero_grad()
        net(x).square().mean().backward()
        found.append([parameter.grad.clone() for parameter in net.parameters() if parameter.grad is not None])
    torch.testing.assert_close(*found)


def test_every_number_is_proved() -> None:
    """Shapes, costs, memory and fields, and the traced network gives the same."""
    verification = verify(DOCUMENT)
    assert [str(check) for check in verification.checks if check.verdict != "proved"] == []
    report, traced = analyze(DOCUMENT), analyze(build(DOCUMENT).eval(), input_size=(3, 12, 12))
    assert (report.params, report.macs) == (traced.params, traced.macs)
    assert report.features.receptive_field == traced.features.receptive_field


def test_a_parallel_in_other_words() -> None:
    """What branches say is the same network when it is said with `from`: counts, fields, memory."""
    branches = {"parallel": {"merge": "concat", "branches": [[], [CONV], [CONV, CONV]]}}
    wired = [
        {"identity": {}, "id": "all"},
        {**CONV, "from": "all", "id": "a"},
        {**CONV, "from": "all", "id": "b"},
        {**CONV, "id": "c"},
        {"concat": {}, "from": ["all", "a", "c"]},
    ]
    one, other = (
        analyze({"input": [4, 9, 9], "layers": [item]})
        for item in (branches, {"residual": {"body": wired, "shortcut": "none", "act": "none"}})
    )
    assert (one.params, one.macs, one.peak_bytes()) == (other.params, other.macs, other.peak_bytes())
    assert one.features.receptive_field == other.features.receptive_field


def test_canonical_form_and_difference() -> None:
    """`from` is left out where it names the item above; another operand is a change in its place."""
    chained = {
        "input": [3, 8, 8],
        "layers": [{"chain": {"body": [{**CONV, "from": "input"}, {**CONV, "from": "conv1"}]}}],
    }
    assert load(chained).hash == load({"input": [3, 8, 8], "layers": [{"chain": {"body": [CONV, CONV]}}]}).hash
    spec = load(DOCUMENT)
    assert load(spec.canonical()) == spec
    changed = copy.deepcopy(DOCUMENT)
    changed["layers"][1]["residual"]["body"][3]["from"] = ["input", "torch"]
    places = ["residual1.0.body", "residual1.1.body", "own1.body.parallel1.branches[0]", "chain1.body"]
    assert [str(change) for change in diff(spec, changed).changes] == [
        f"~ layers.{place}.concat1.from: [x, torch] -> [input, torch]" for place in places
    ]
