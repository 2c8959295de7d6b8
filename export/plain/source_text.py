"""Source of a Python file with a network's modules and forward pass."""

from __future__ import annotations

import re
from typing import TypeAlias

from torch import nn

from fieldspec.architectures.network.specnet import SpecNet
from fieldspec.blocks.containers import (
    Add,
    AddTensors,
    Chain,
    Concat,
    ConcatTensors,
    Multiply,
    MultiplyTensors,
    Wired,
)
from fieldspec.export.plain.forward import WIDTH, Step, forward_lines
from fieldspec.export.plain.leaves import DEFINITIONS, leaf

Tree: TypeAlias = "str | tuple[str, list[tuple[str, Tree]]]"  # a constructor, or a container with named children
HOLDERS: dict[type[nn.Module], str] = {Add: "Add", Chain: "chain", Concat: "Concat", Multiply: "Multiply"}
JOINS: dict[type[nn.Module], str] = {AddTensors: "add", MultiplyTensors: "multiply", ConcatTensors: "concat"}


class Brought(set[str]):
    """The definitions that a source needs: names of `DEFINITIONS`, and classes of wired modules."""

    def __init__(self) -> None:
        super().__init__()
        self.wired: dict[str, str] = {}  # name of each class, by its source

    def class_of(self, module: Wired) -> str:
        """The name of the class with a module's forward pass; identically wired blocks share a class."""
        children = module.named_children()
        pairs = zip(children, module.sources, strict=True)
        steps = [Step(name, read, JOINS.get(type(child), f'self["{name}"]')) for (name, child), read in pairs]
        doc = '    """Modules that read the outputs of earlier ones."""'
        number = 1 + len(self.wired)
        body = "\n".join([doc, "", *forward_lines(steps, [len(steps)])])
        for text, name in self.wired.items():
            if text.partition("\n")[2] == body:
                return name
        self.wired[f"class Wired{number}(nn.ModuleDict):\n{body}"] = f"Wired{number}"
        return f"Wired{number}"


def source_text(net: SpecNet, name: str) -> str:
    """Write a network as source that needs only torch, with the same module names and state dict.

    Raises:
        FieldspecError: A module has no plain form.
    """
    used = Brought()
    body = [*_layers(net, used), "", "", *_net(net, used)]
    if any("chain(" in line for line in body):
        used.add("chain")
    brought = [DEFINITIONS[one].strip("\n") for one in DEFINITIONS if one in used]
    text = "\n\n\n".join([*brought, *used.wired, "\n".join(body)])
    return "\n".join([*_head(net, name, text), "", "", text, ""])


def _head(net: SpecNet, name: str, text: str) -> list[str]:
    """The module docstring, and the imports that a source needs."""
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


def _layers(net: SpecNet, used: Brought) -> list[str]:
    """Write the class of the trunk: its modules and forward pass."""
    lines = ["class Layers(nn.Module):", '    """Everything before the head."""', "", "    def __init__(self) -> None:"]
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
    return [*lines, "", *_forward(net)]


def _merges(net: SpecNet, id: str) -> bool:
    """Whether an item only merges others, so that the forward pass needs no module for it."""
    return any(item.id == id and len(item.sources) > 1 for item in net.items)


def _forward(net: SpecNet) -> list[str]:
    """Write the trunk's forward pass, to its last item or to the outputs that the spec names."""
    steps = []
    for item in net.items:
        first, *rest = item.id.split(".")
        inside = "".join(f'["{part}"]' for part in rest)
        steps.append(Step(item.id, item.sources, item.kind if len(item.sources) > 1 else f"self.{first}{inside}"))
    ids = [item.id for item in net.items]
    return forward_lines(steps, [1 + ids.index(end) for end in net.ends] or [len(steps)])


def _net(net: SpecNet, used: Brought) -> list[str]:
    if net.ends:
        given, head, forward = ("[output, ...]", "list[Tensor]", "self.layers(x)")
    else:
        given, head, forward = ("(batch, classes)", "Tensor", "self.head(self.layers(x))")
    return [
        "class Net(nn.Module):",
        f'    """{net.spec.name}: (batch, {", ".join(map(str, net.spec.input))}) -> {given}."""',
        "",
        "    def __init__(self) -> None:",
        "        super().__init__()",
        "        self.layers = Layers()",
        *([] if net.ends else printed("self.head = ", _classifier(net, used), 8)),
        "",
        f"    def forward(self, x: Tensor) -> {head}:",
        f"        return {forward}",
    ]


def _classifier(net: SpecNet, used: Brought) -> Tree:
    behind = () if net.head.on_map else ("act", "mean", "squeeze")  # only present for a classifier on a map
    children = [(key, child) for key, child in net.head.named_children() if key not in behind]
    parts = {key: tree(child, used) for key, child in children}
    if net.head.unpooled:  # the classifier reads the channels of each unit
        used.add("OnChannels")
        parts["fc"] = f"OnChannels({net.head.fc.extra_repr()})"
    return ("chain", list(parts.items()))


def tree(module: nn.Module, used: Brought) -> Tree:
    """The constructor of a module, with its children."""
    if isinstance(module, Wired):
        return (used.class_of(module), [(key, tree(child, used)) for key, child in _with_modules(module)])
    holder = HOLDERS.get(type(module))
    if holder is None:
        return leaf(module, used)
    used.add(holder)
    return (holder, [(key, tree(child, used)) for key, child in module.named_children()])


def _with_modules(module: Wired) -> list[tuple[str, nn.Module]]:
    """The children that the forward pass calls; merges need no module."""
    return [(key, child) for key, child in module.named_children() if type(child) not in JOINS]


def printed(before: str, parts: Tree, indent: int, after: str = "") -> list[str]:
    """Format an expression on one line if it fits, else with one line per part."""
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
    """Format a call whose arguments do not fit on the line."""
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
