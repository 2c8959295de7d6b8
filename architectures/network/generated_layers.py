"""Turns the items of a spec into one module whose code is generated from their wiring."""
# Annotations are evaluated here (no `from __future__`): TorchScript and torch.fx read them.

import dataclasses
from collections.abc import Mapping, Sequence

from torch import fx, nn

from fieldspec.architectures.spec.spec import ArchitectureSpec, Item
from fieldspec.blocks.containers import wire


class Layers(fx.GraphModule):
    """Code generated from items: (batch, in_chans, ...) -> tapped outputs, then the last item's or the named ones."""

    def __init__(self, root: nn.Module, graph: fx.Graph, class_name: str = "Layers") -> None:
        # torch.jit.script reads this source; it would warn about the annotations in GraphModule's
        super().__init__(root, graph, class_name)


def generate_layers(items: Sequence[Item], modules: Mapping[str, nn.Module], ends: Sequence[str]) -> Layers:
    """Generate the module of items, with submodules under their ids; `ends` names the outputs, if there are several."""
    trunk = Layers(nn.Module(), fx.Graph())
    outputs = [number for number, item in enumerate(items, 1) if item.tap]
    ids = [item.id for item in items]
    last = [1 + ids.index(end) for end in ends] or ([] if items[-1].tap else [len(items)])
    wire(trunk, {name: modules[name] for name in ids}, [item.sources for item in items], [*outputs, *last])
    return trunk


def needed_items(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items that a tap depends on, with their sources renumbered."""
    wanted = {number for number, item in enumerate(items, 1) if item.tap}
    for number in range(len(items), 0, -1):
        if number in wanted:
            wanted.update(items[number - 1].sources)
    kept = [0, *sorted(wanted - {0})]
    place = {number: at for at, number in enumerate(kept)}
    return tuple(
        dataclasses.replace(items[number - 1], sources=tuple(place[source] for source in items[number - 1].sources))
        for number in kept[1:]
    )


def output_of(spec: ArchitectureSpec) -> int:
    """Index of the node whose output the head reads; with several outputs, the last one."""
    return spec.graph.output if spec.ends else spec.outputs[-1]
