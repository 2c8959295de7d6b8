"""Further readings of a spec: where its field comes from, its effective field, tiles, input sizes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from fieldspec.analysis.effective import effective_field as effective
from fieldspec.analysis.effective.effective_field import EffectiveField
from fieldspec.analysis.ledger.ledger import Ledger, ledger_of
from fieldspec.analysis.report.report import Report
from fieldspec.analysis.sizes import input_sizes, tiling
from fieldspec.analysis.sizes.input_sizes import InputSizes
from fieldspec.analysis.sizes.tiling import Tiling
from fieldspec.architectures.readings.reports import Analyzable, InputSize, analyze

ReportSource: TypeAlias = "Analyzable | Report"


def ledger(source: ReportSource, *, input_size: InputSize | None = None) -> Ledger:
    """How many pixels each layer adds to the field, and at what cost; padding; valid input sizes.

    Args:
        source: What `analyze` takes, or a report.
        input_size: As for `analyze`.

    Example:
        >>> dilated = ledger("c1c2c3c40")["conv4.conv"]
        >>> dilated.added, dilated.params_per_pixel              # 23 to 39; 9 * 64 * 64 + 128 parameters
        ((16, 16), 2312)
    """
    return ledger_of(_report(source, input_size))


def effective_receptive_field(
    source: ReportSource,
    *,
    input_size: InputSize | None = None,
    layer: str | None = None,
    unit: Sequence[int] | None = None,
) -> EffectiveField:
    """Distribution of the paths to one unit over the pixels it sees; needs no weights or gradients.

    Args:
        source: What `analyze` takes, or a report.
        input_size: As for `analyze`.
        layer: Layer id; by default the last map whose units have a position (`report.features`).
        unit: One index per axis; by default the middle of the map.

    Example:
        >>> field = effective_receptive_field("c1c2c3c40")
        >>> field.layer.receptive_field, field.side(0.95)
        ((47, 47), (31, 31))
    """
    return effective.effective_receptive_field(_report(source, input_size), layer=layer, unit=unit)


def tile_plan(
    source: ReportSource, tile: int | Sequence[int], *, input_size: InputSize | None = None, layer: str | None = None
) -> Tiling:
    """Plan tiles for inference in parts, each giving at least `tile` units of the features.

    Example:
        >>> plan = tile_plan("c1c2c3c40", 8)
        >>> plan.size, plan.stride, plan.halo[0]                 # 76 = 32 + 16 + 28
        ((76, 76), (32, 32), (16, 28))
    """
    return tiling.tile_plan(_report(source, input_size), tile, layer=layer)


def valid_input_sizes(source: ReportSource, *, input_size: InputSize | None = None) -> tuple[InputSizes, ...] | None:
    """Input sizes that run, and those that leave no row or column unread, per axis; None if unknown.

    Example:
        >>> sizes, _ = valid_input_sizes("c1c2c3c40")
        >>> str(sizes.runs)
        '17 and more'
    """
    return input_sizes.valid_input_sizes(_report(source, input_size))


def _report(source: ReportSource, input_size: InputSize | None) -> Report:
    return source if isinstance(source, Report) else analyze(source, input_size=input_size)
