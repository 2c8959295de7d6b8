"""The command that times networks: bench."""

from __future__ import annotations

from enum import StrEnum
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli.shared import Json, Set, input_size_of, load_spec, print_json, spinner, tell_error

if TYPE_CHECKING:
    from fieldspec.analysis.latency.conditions import Conditions
    from fieldspec.export.speed.benchmark import BenchSubject


class EngineChoice(StrEnum):
    """Engines; same values as `fieldspec.analysis.latency.conditions.ENGINES`."""

    eager = "eager"
    compiled = "compiled"
    onnxruntime = "onnxruntime"


class DtypeChoice(StrEnum):
    """Dtypes; same values as `fieldspec.analysis.latency.conditions.DTYPES`."""

    float32 = "float32"
    float16 = "float16"
    bfloat16 = "bfloat16"


def bench(
    spec: Annotated[
        str | None,
        typer.Argument(
            metavar="SPEC",
            help="A catalogue name, a YAML or JSON file, -, a run, a checkpoint, timm:NAME, torchvision:NAME or"
            " package.module:FACTORY.",
        ),
    ] = None,
    engine: Annotated[
        list[EngineChoice] | None, typer.Option("--engine", help="The engine; repeatable. By default eager.")
    ] = None,
    batch: Annotated[
        list[int] | None, typer.Option("--batch", min=1, help="The batch size; repeatable. By default 1.")
    ] = None,
    dtype: Annotated[
        list[DtypeChoice] | None, typer.Option("--dtype", help="The dtype; repeatable. By default float32.")
    ] = None,
    threads: Annotated[
        list[int] | None, typer.Option("--threads", min=1, help="Number of CPU threads; repeatable. By default 1.")
    ] = None,
    device: Annotated[str, typer.Option(help="The device: cpu, cuda, ...")] = "cpu",
    seconds: Annotated[
        float | None, typer.Option("--seconds", min=0, help="Seconds of timed calls, per condition.")
    ] = None,
    cpu_time: Annotated[
        bool, typer.Option("--cpu-time", help="Measure CPU time, for busy machines; with one thread on the CPU.")
    ] = False,
    pretrained: Annotated[bool, typer.Option("--pretrained", help="Use pretrained weights.")] = False,
    input_size: Annotated[
        str | None, typer.Option("--input", metavar="CxHxW", help="Another input, such as 3x64x64.")
    ] = None,
    fit: Annotated[
        Path | None,
        typer.Option(
            "--fit", metavar="FILE", help="Time operators instead of a network, and write this machine's profile."
        ),
    ] = None,
    as_json: Json = False,
    given: Set = None,
) -> None:
    """Time a network on this machine.

    Prints median, percentiles and images per second. Every engine is timed with every batch size, dtype and number of
    threads. A latency_ms constraint of the spec is checked against the medians for batch 1: exit status 1 if one
    violates it. --fit times random operators; with the profile that it writes, check and analyze predict the latency
    of networks without building them.

    \b
    fieldspec bench c1c2c3c40
    fieldspec bench runs/c1c2c3c40-fast25 --engine eager --engine onnxruntime --batch 1 --batch 64
    fieldspec bench timm:resnet18 --device cuda --dtype float16 --engine compiled
    fieldspec bench --fit laptop.json
    fieldspec check my_network.yaml --profile laptop.json
    """
    ways = _conditions(engine, batch, dtype, threads, device, cpu_time)
    if fit is not None:
        _fit(fit, spec, ways, seconds, as_json)
        return
    if spec is None:
        raise FieldspecError("bench needs a SPEC, or --fit FILE")
    from fieldspec.export.speed.benchmark import SECONDS
    from fieldspec.export.speed.benchmark import bench as timed
    from fieldspec.export.speed.table import text

    with spinner(f"timing {spec}"):
        subject = _subject(spec, pretrained, input_size, given)
        report = timed(subject, ways, seconds=SECONDS if seconds is None else seconds)
    if as_json:
        print_json(report.to_dict())
    else:
        typer.echo(text(report))
    if not all(verdict.holds for verdict in report.verdicts):
        raise typer.Exit(1)


def _conditions(
    engines: list[EngineChoice] | None,
    batches: list[int] | None,
    dtypes: list[DtypeChoice] | None,
    threads: list[int] | None,
    device: str,
    cpu_time: bool,
) -> list[Conditions]:
    """All combinations of the options."""
    from fieldspec.analysis.latency.conditions import Conditions

    clock: Any = "cpu" if cpu_time else "wall"
    if cpu_time and (device != "cpu" or set(threads or [1]) != {1}):
        raise FieldspecError("--cpu-time needs one thread on the CPU; remove --threads and --device")
    names = [one.value for one in engines or [EngineChoice.eager]]
    types = [one.value for one in dtypes or [DtypeChoice.float32]]
    return [
        Conditions(name, device, dtype, size, count, clock)  # type: ignore[arg-type]  # both have the same values
        for name, size, dtype, count in product(names, batches or [1], types, threads or [1])
    ]


def _subject(spec: str, pretrained: bool, input_size: str | None, given: list[str] | None) -> BenchSubject:
    from fieldspec.architectures.readings.reports import is_module_name
    from fieldspec.export.speed.benchmark import subject_of

    size = None if input_size is None else input_size_of(input_size, range(2, 5))
    has_weights = pretrained or Path(spec).is_dir() or spec.endswith(".safetensors")
    if given and (has_weights or is_module_name(spec)):
        raise FieldspecError(f"--set is for a spec; remove it for {spec}")
    if has_weights or is_module_name(spec):
        return subject_of(spec, pretrained=pretrained, input_size=size)
    return subject_of(load_spec(spec, given), input_size=size)


def _fit(path: Path, spec: str | None, ways: list[Conditions], seconds: float | None, as_json: bool) -> None:
    """Time operators and write a profile."""
    if spec is not None or len(ways) > 1:
        raise FieldspecError("--fit times operators of all kinds under one engine, batch size, dtype and number of"
                             " threads; remove SPEC and repeated options")  # fmt: skip
    from fieldspec.analysis.latency.samples import sampled_operators
    from fieldspec.export.speed.profiling import SECONDS, profile_machine

    with spinner("timing operators"):
        limit = SECONDS if seconds is None else seconds
        profile = profile_machine(sampled_operators(), ways[0], seconds=limit, name=path.name)
    profile.save(path)
    if as_json:
        data = profile.to_dict()
        print_json({"path": str(path), **{key: one for key, one in data.items() if key != "operators"}})
    else:
        tell_error(f"{path}: {len(profile.measured):,} operators on {profile.machine} ({profile.conditions})")
