"""The data of a network for the page's script: boxes, blocks, windows, formulas."""

from __future__ import annotations

from typing import Any

from fieldspec.analysis.report.operations import operation
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.report.text.tables import MARKS
from fieldspec.architectures.spec.constraints import Constraints
from fieldspec.blocks.formatting import side_text, size_text
from fieldspec.pages.drawing import geometry
from fieldspec.pages.drawing.diagram import Diagram
from fieldspec.pages.drawing.grid import Grid
from fieldspec.pages.drawing.parts import LayerPart
from fieldspec.pages.facts.formulas import formulas_of
from fieldspec.pages.facts.profiles import profiles_of
from fieldspec.pages.facts.windows import axes_of

NO_CONSTRAINTS = Constraints()
SIZES = {
    "width": geometry.WIDTH,
    "height": geometry.HEIGHT,
    "header": geometry.HEADER,
    "padding": geometry.PADDING,
    "gap": geometry.GAP,
    "between": geometry.BETWEEN,
    "lane": geometry.LANE,
}  # of the drawing, shared with the script's layout


BUDGETS = {"params": "params", "macs": "macs", "memory": "live"}  # measures that are sums or maxima over layers


def network_facts(diagram: Diagram, constraints: Constraints = NO_CONSTRAINTS) -> dict[str, Any]:
    """Collect the data of a network for the script; windows and profiles that layers share are stored once."""
    report = diagram.report
    fields: list[dict[str, Any]] = []
    numbers: dict[Any, int] = {}
    profiles = profiles_of(report, [leaf.main for leaf in diagram.leaves])
    features = report.index(report.features)
    layers = []
    for leaf in diagram.leaves:
        field, profile = report.layers[leaf.main].field, profiles.get(leaf.main)
        key = field.axes, field.has_position, str(profile)
        if key not in numbers:
            numbers[key] = len(fields)
            fields.append({"axes": axes_of(field.axes), "profile": profile, "moves": field.has_position})
        layers.append(_layer(report, leaf, numbers[key]))
    return {
        "name": report.name,
        "input": list(report.input),
        "params": report.params,
        "macs": report.macs,
        "features": next(n for n, leaf in enumerate(diagram.leaves) if features in leaf.layers),
        "budgets": {
            one.name: [BUDGETS[one.name], int(one.limit)]
            for one in constraints.comparisons
            if one.name in BUDGETS and one.relation in ("<", "<=")
        },
        "fields": fields,
        "layers": layers,
        "blocks": [
            _block(grid, children, block.path)
            for grid, children, block in zip(diagram.grids, diagram.children, diagram.blocks, strict=True)
        ],
        "opened": sorted(diagram.opened()),
        "sizes": SIZES,
    }


def _layer(report: Report, leaf: LayerPart, field: int) -> dict[str, Any]:
    """The data of a box: the layer, what is folded into it, and their total costs."""
    own = [report.layers[index] for index in leaf.layers]
    main = own[0]
    known = bool(main.field.axes)
    data: dict[str, Any] = {
        "id": main.id,
        "op": operation(main),
        "then": [operation(one) for one in own[1:]],
        "shape": size_text(own[-1].shape),
        "units": list(main.shape[1:]),
        "field": field,
        "size": side_text(main.receptive_field) + MARKS[main.status] if known else "unknown",
        "jump": side_text(main.jump) if known else "",
        "status": main.status,
        "params": sum(one.params for one in own),
        "macs": sum(one.macs for one in own),
        "live": max(one.live_bytes() for one in own),
        "formulas": [str(formula) for index in leaf.layers for formula in formulas_of(report, index)],
    }
    since = own[-1].global_since
    return {**data, "since": since} if since else data


def _block(grid: Grid, children: tuple[int, ...], path: str) -> dict[str, Any]:
    return {
        "path": path,
        "children": list(children),
        "rows": [list(row) for row in grid.rows],
        "columns": [[part, column] for part, column in grid.columns.items()],
        "lanes": [[part, lane.column, lane.first, lane.last] for part, lane in grid.lanes.items()],
        "boxes": grid.boxes,
        "lines": [list(line) for line in grid.lines],
    }
