"""The timings of a network as a table."""

from __future__ import annotations

from fieldspec.export.speed.benchmark import PERCENTILES, SpeedReport, SpeedRow

HEAD = ("engine", "device", "dtype", "batch", "threads", "median", *[f"p{p}" for p in PERCENTILES], "images/s")
WORDS = 3  # text columns, before the numbers


def text(report: SpeedReport) -> str:
    """Format the network, the machine, and one row per condition; times are in milliseconds."""
    rows = [HEAD, *map(_row, report.rows)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEAD))]
    lines = [f"{report.name} on {'x'.join(map(str, report.input))}: milliseconds per call, on {report.machine}"]
    lines += ["  ".join(_cell(row[at], widths[at], at) for at in range(len(row))).rstrip() for row in rows]
    lines += [f"  {verdict.word:<8}{verdict}" for verdict in report.verdicts]
    if any(row.is_disturbed for row in report.rows):
        least = min(row.timing.busy for row in report.rows if row.is_disturbed)
        lines.append(f"The machine was busy: this process ran {100 * least:.0f} % of the time; medians are too high.")
        lines.append("--cpu-time excludes the time of other processes, for one thread on the CPU.")
    return "\n".join(lines)


def _row(row: SpeedRow) -> tuple[str, ...]:
    on, timing = row.conditions, row.timing
    times = [timing.median_ms, *[timing.percentile(percent) for percent in PERCENTILES]]
    return (
        *(on.engine, on.device, on.dtype, f"{on.batch:,}", f"{on.threads}"),
        *[f"{one:,.3f}" for one in times],
        f"{row.images_per_second:,.0f}",
    )


def _cell(text: str, width: int, at: int) -> str:
    return text.ljust(width) if at < WORDS else text.rjust(width)
