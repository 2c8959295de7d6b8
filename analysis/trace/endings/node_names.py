"""Ids for recorded nodes: the path of the module, plus the operation if a module has several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from fieldspec.analysis.trace.recorder import Recorder


def name_nodes(record: Recorder, module_outputs: Mapping[str, int]) -> None:
    """Set the id of every node.

    The operation whose result a module returns has the module's path, or `path:2` in its second call; the module's
    other operations are `path.operation`, numbered from the second on.

    Args:
        record: Nodes without ids.
        module_outputs: The node that each module call returned.
    """
    nodes = record.graph.nodes
    taken = set(module_outputs)
    counts: Counter[str] = Counter()
    for index, node in enumerate(nodes):
        call = record.calls[index]
        if call.path and module_outputs.get(call.key) == index:
            node.id = call.key
            continue
        stem = f"{call.path}.{record.names[index]}" if call.path else record.names[index]
        stem = stem.replace("::", ".")
        while True:
            counts[stem] += 1
            node.id = stem if counts[stem] == 1 else f"{stem}:{counts[stem]}"
            if node.id not in taken:
                break
        taken.add(node.id)
