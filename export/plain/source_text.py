"""A network's modules and its forward pass as the text of a Python file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

from torch import nn

from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.architectures.spec.spec import Item
from fieldspec.blocks.containers import Add, Chain, Concat, Multiply
from fieldspec.blocks.errors import FieldspecError
from fieldspec.export.plain.leaves import DEFINITIONS, leaf

WIDTH = 120
Tree: TypeAlias = "str | tuple[str, list[tuple[str, Tree]]]"  # a constructor, or what holds others under their names
HOLDERS: dict[type[nn.Module], str] = {Add: "Add", Chain: "chain", Concat: "Concat", Multiply: "Multiply"}


def source_text(net: SpecNet, name: str) -> str:
    """A module of torch alone, with the names, and so the state dict, of the network.

    Raises:
        FieldspecError: A part of it has no plain form.
    """
    if net.ends:
        raise FieldspecError(f"{net.spec.name} has several outputs, and a plain file has one")
    used: set[str] = set()
    body = [*_layers(net, used), "", "", *_net(net, used)]
    if any("chain(" in line for line in body):
        used.add("chain")
    brought = [DEFINITIONS[one].strip("\n") for one in DEFINITIONS if one in used]
    text = "\n\n\n".join([*brought, "\n".join(body)])
    return "\n".join([*_head(net, name, text), "", "", text, ""])


def _head(net: SpecNet, name: str, text: str) -> list[str]:
    """The docstring and the imports that the text needs."""
    shape = ", ".join(map(str, net.spec.input))
    lines = [
        f'"""{name}, written by fieldspec for torch alone.',
        "",
        "Its state dict is that of the fieldspec network:",
        "",
        "    net = Net()",
        f'    net.load_state_dict(safetensors.torch.load_file("{name}.safetensors"))',
        f"    net.eval()(torch.zeros(1, {shape}))",
        '"""',
        "",
    ]
    if "OrderedDict(" in text:
        lines.append("from collections import OrderedDict")
    if "Any" in text:
        lines.append("from typing import Any")
    lines += [""] if lines[-1] else []
    if "torch." in text:
        lines.append("import torch")
    if "F." in text:
        lines.append("import torch.nn.functional as F")
    return [*lines, "from torch import Tensor, nn"]


def _layers(net: SpecNet, used: set[str]) -> list[str]:
    """The class of the trunk: its modules, and the forward pass over them."""
    lines = ["class Layers(nn.Module):", '    """All but the head."""', "", "    def __init__(self) -> None:"]
    lines.append("        super().__init__()")
    for group in dict.fromkeys(item.id.split(".")[0] for item in net.items):
        module = net.layers.get_submodule(group)
        if group not in [item.id for item in net.items] and [key for key, _ in module.named_children()]:
            parts: Tree = ("nn.ModuleDict", [(key, tree(child, used)) for key, child in module.named_children()])
        elif _merges(net, group):
            continue
        else:
            parts = tree(module, used)
        lines += printed(f"self.{group} = ", parts, 8)
    return [*lines, "", *_forward(net.items)]


def _merges(net: SpecNet, id: str) -> bool:
    """Whether an item only joins others, for which the forward pass needs no module."""
    return any(item.id == id and len(item.sources) > 1 for item in net.items)


def _forward(items: Sequence[Item]) -> list[str]:
    """A line an item; one name for all where each reads the one before."""
    in_series = all(item.sources == (number,) for number, item in enumerate(items))
    names = ["x", *["x" if in_series else item.id.replace(".", "_") for item in items]]
    lines = ["    def forward(self, x: Tensor) -> Tensor:"]
    for number, item in enumerate(items, 1):
        lines.append(f"        {names[number]} = {_call(item, [names[source] for source in item.sources])}")
    return [*lines, f"        return {names[-1]}"]


def _call(item: Item, sources: Sequence[str]) -> str:
    if len(sources) > 1:
        joined = {"add": " + ".join(sources), "multiply": " * ".join(sources)}
        return joined.get(item.kind, f"torch.cat([{', '.join(sources)}], 1)")
    first, *rest = item.id.split(".")
    inside = "".join(f'["{part}"]' for part in rest)
    return f"self.{first}{inside}({sources[0]})"


def _net(net: SpecNet, used: set[str]) -> list[str]:
    behind = () if net.head.on_map else ("act", "mean", "squeeze")  # of a classifier on a map
    children = [(key, child) for key, child in net.head.named_children() if key not in behind]
    parts = {key: tree(child, used) for key, child in children}
    if net.head.unpooled:  # its classifier reads the channels of each unit
        used.add("OnChannels")
        parts["fc"] = f"OnChannels({net.head.fc.extra_repr()})"
    head: Tree = ("chain", list(parts.items()))
    return [
        "class Net(nn.Module):",
        f'    """{net.spec.name}: (batch, {", ".join(map(str, net.spec.input))}) -> (batch, classes)."""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        "        self.layers = Layers()",
        *printed("self.head = ", head, 8),
        "",
        "    def forward(self, x: Tensor) -> Tensor:",
        "        return self.head(self.layers(x))",
    ]


def tree(module: nn.Module, used: set[str]) -> Tree:
    """A module with those inside it."""
    holder = HOLDERS.get(type(module))
    if holder is None:
        return leaf(module, used)
    used.add(holder)
    return (holder, [(key, tree(child, used)) for key, child in module.named_children()])


def printed(before: str, parts: Tree, indent: int, after: str = "") -> list[str]:
    """An expression on one line where it fits, else a line a part."""
    flat = f"{' ' * indent}{before}{_flat(parts)}{after}"
    if len(flat) <= WIDTH:
        return [flat]
    if isinstance(parts, str):
        return _split(before, parts, indent, after)
    holder, children = parts
    lines = [f"{' ' * indent}{before}{holder}(", f"{' ' * indent}    {{"]
    for key, child in children:
        lines += printed(f'"{key}": ', child, indent + 8, ",")
    return [*lines, f"{' ' * indent}    }}", f"{' ' * indent}){after}"]


def _split(before: str, call: str, indent: int, after: str) -> list[str]:
    """A call whose settings do not fit behind its name."""
    name, _, settings = call.removesuffix(")").partition("(")
    lines = [f"{' ' * (indent + 4)}{settings}"]
    if len(lines[0]) > WIDTH:
        lines = [f"{' ' * (indent + 4)}{one}," for one in re.split(r", (?![^(]*\))", settings)]  # not inside brackets
    return [f"{' ' * indent}{before}{name}(", *lines, f"{' ' * indent}){after}"]


def _flat(parts: Tree) -> str:
    if isinstance(parts, str):
        return parts
    holder, children = parts
    parts_said = ", ".join(f'"{key}": {_flat(child)}' for key, child in children)
    return f"{holder}({{{parts_said}}})"
