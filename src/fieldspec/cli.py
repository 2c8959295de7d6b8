"""The command line. Exit status 0: done; 1: a check failed; 2: bad input, said in one line each."""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldspec import cli_training
from fieldspec.architectures import catalogue
from fieldspec.architectures.problems import SpecError
from fieldspec.architectures.spec import ArchitectureSpec, load, loads
from fieldspec.blocks.errors import FieldspecError

if TYPE_CHECKING:
    from fieldspec.analysis.report import Report
    from fieldspec.architectures.constraints import Constraints, Verdict
    from fieldspec.architectures.pretrained import Weights
    from fieldspec.architectures.verification import Verification

app = typer.Typer(
    name="fieldspec",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Spec = Annotated[str, typer.Argument(metavar="SPEC", help="A catalogue name, a YAML or JSON file, or - for stdin.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class SpecFormat(StrEnum):
    """What `show` writes."""

    yaml = "yaml"
    json = "json"


def version(value: bool) -> None:
    """Print the version and stop."""
    if value:
        from fieldspec import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def fieldspec(
    show_version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=version, is_eager=True)
    ] = False,
) -> None:
    """Small convolutional networks from a declarative spec: what they cost and see, before a weight exists.

    \b
    fieldspec list                          the networks that ship
    fieldspec analyze c1c2c3c40             every layer's field, parameters, multiply-adds
    fieldspec check my_network.yaml         exit status 1 if a constraint is broken
    fieldspec verify c1c2c3c40              build it, measure it, compare every number
    fieldspec train c1c2c3c40               train it on CIFAR-10 by a recipe

    Exit status: 0 done, 1 a check failed, 2 bad input.
    """


@app.command("list")
def list_networks(as_json: Json = False) -> None:
    """The networks of the catalogue, with what they cost and see.

    WEIGHTS are those that ship with fieldspec: their accuracy on test images, and their recipe.

    \b
    fieldspec list
    fieldspec list --json
    """
    from fieldspec.architectures.pretrained import weights_of
    from fieldspec.architectures.questions import analyze

    specs = [load(name) for name in catalogue.names()]
    rows = [(analyze(spec), weights_of(spec.hash)) for spec in specs]
    if as_json:
        keys = ("name", "input", "params", "macs")
        _print_json([{key: getattr(r, key) for key in keys} | _field(r) | _weights(shipped) for r, shipped in rows])
        return
    width = max(len(report.name) for report, _ in rows)
    typer.echo(f"{'NAME':<{width}}  {'INPUT':>9}  {'FIELD':>6}  {'PARAMS':>9}  {'MACS':>12}  WEIGHTS")
    for report, shipped in rows:
        size = "x".join(map(str, report.input))
        field = min(report.features.receptive_field)
        trained = ", ".join(f"{100 * one.card['test_accuracy']:.2f} % {one.tag}" for one in shipped) or "-"
        typer.echo(f"{report.name:<{width}}  {size:>9}  {field:>6}  {report.params:>9,}  {report.macs:>12,}  {trained}")


def _weights(shipped: list[Weights]) -> dict[str, Any]:
    said = ("data", "epochs", "test_accuracy")
    return {"weights": [{"name": one.name} | {key: one.card[key] for key in said} for one in shipped]}


def _field(report: Report) -> dict[str, Any]:
    return {"receptive_field": report.features.receptive_field}


@app.command()
def show(
    spec: Spec,
    canonical: Annotated[bool, typer.Option("--canonical", help="With every default and id filled in.")] = False,
    format: Annotated[SpecFormat, typer.Option(help="How to write it.")] = SpecFormat.yaml,
) -> None:
    """A spec, as its author wrote it or in its canonical form.

    \b
    fieldspec show c1c2c3c40
    fieldspec show c1c2c3c40 --canonical --format json
    """
    from fieldspec.architectures.writer import dump

    loaded = _load(spec)
    if spec in catalogue.names() and format is SpecFormat.yaml and not canonical:
        typer.echo(catalogue.path(spec).read_text(encoding="utf-8"), nl=False)  # with its comments
        return
    typer.echo(dump(loaded, format=format.value, canonical=canonical), nl=False)


@app.command()
def analyze(
    spec: Spec,
    all_layers: Annotated[bool, typer.Option("--all", help="A row a layer, activations and norms too.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print every layer as CSV.")] = False,
    as_json: Json = False,
    input_size: Annotated[
        str | None, typer.Option("--input", metavar="CxHxW", help="Another input, such as 3x64x64.")
    ] = None,
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Pixels that each layer adds, their price, padding, input sizes.")
    ] = False,
    effective: Annotated[
        bool, typer.Option("--effective", help="How much of the field is really seen: paths counted.")
    ] = False,
    picture: Annotated[
        Path | None, typer.Option("--picture", help="Draw the effective field: a .png, .pdf or .svg file.")
    ] = None,
    tile: Annotated[
        int | None, typer.Option("--tile", min=1, help="Halo of inference in tiles of so many units.")
    ] = None,
) -> None:
    """What every layer costs and sees. A spec needs no torch; any network of PyTorch is run once without values.

    Field, jump and center are in input pixels; multiply-adds are of one example. A star marks fields behind a
    global operation, which also see the whole input.

    \b
    fieldspec analyze c1c2c3c40
    fieldspec analyze c1c2c3c40 --markdown > table.md
    fieldspec analyze my_network.yaml --input 3x64x64 --json
    fieldspec analyze c1c2c3c40 --ledger --effective --picture field.png --tile 8
    fieldspec analyze timm:resnet50,output_stride=8 --input 3x512x512
    fieldspec analyze torchvision:googlenet
    fieldspec analyze my_package.nets:make_net --input 1x28x28
    """
    from fieldspec.analysis.extras import extras, printed
    from fieldspec.architectures.constraints import judge

    if markdown + csv + as_json > 1:
        raise FieldspecError("--markdown, --csv and --json are one choice; give one of them")
    report, constraints = _report(spec, input_size)
    if csv and (ledger or effective or picture or tile):
        raise FieldspecError("--csv is of the layers; give --json or --markdown for other readings")
    if further := extras(report, ledger=ledger, effective=effective, picture=picture, tile=tile):
        typer.echo(printed(report.name, further, "json" if as_json else "markdown" if markdown else "text"))
    elif as_json:
        typer.echo(report.to_json())
    elif csv:
        typer.echo(report.to_csv(), nl=False)
    elif markdown:
        typer.echo(report.to_markdown(all_layers=all_layers), nl=False)
    else:
        typer.echo(report.to_text(all_layers=all_layers), nl=False)
        verdicts = judge(constraints, report)
        if verdicts:
            typer.echo("\nConstraints")
            _print_verdicts(verdicts)


def _report(spec: str, input_size: str | None) -> tuple[Report, Constraints]:
    """The report of a spec with its constraints, or of a network of PyTorch without any."""
    from fieldspec.architectures.constraints import Constraints
    from fieldspec.architectures.questions import analyze as report_of
    from fieldspec.architectures.questions import is_module_name

    is_module = is_module_name(spec)
    size = None if input_size is None else _input_size(input_size, range(2, 5) if is_module else range(3, 4))
    if not is_module:
        loaded = _load(spec)
        return report_of(loaded, input_size=size), loaded.constraints
    with _spinner(f"running {spec} without values"):
        from fieldspec.analysis.trace import report_of_module
        from fieldspec.architectures.modules import named_module

        net, own = named_module(spec, weights=False)
        return report_of_module(net, size or own, spec), Constraints()


def _input_size(text: str, lengths: range) -> list[int]:
    parts = text.lower().split("x")
    if len(parts) not in lengths or not all(part.isdigit() for part in parts):
        raise FieldspecError(f"--input: needs channels x height x width such as 3x64x64, gets {text!r}")
    return [int(part) for part in parts]


def _print_verdicts(verdicts: list[Verdict]) -> None:
    for verdict in verdicts:
        typer.echo(f"  {'holds ' if verdict.holds else 'BROKEN'}  {verdict}")


@app.command()
def check(spec: Spec, as_json: Json = False) -> None:
    """The constraints of a spec, each with its verdict. Exit status 1 if one is broken.

    \b
    fieldspec check c1c2c3c40
    fieldspec check my_network.yaml --json
    """
    from fieldspec.analysis.report import report_of
    from fieldspec.architectures.constraints import judge

    loaded = _load(spec)
    report = report_of(loaded.graph(), loaded.name)
    verdicts = judge(loaded.constraints, report)
    broken = [verdict for verdict in verdicts if not verdict.holds]
    if as_json:
        rows = [{"constraint": v.name, "needs": v.needs, "has": v.has, "holds": v.holds} for v in verdicts]
        _print_json({"schema": 1, "name": loaded.name, "holds": not broken, "constraints": rows})
    elif not verdicts:
        typer.echo(f"{loaded.name} states no constraints")
    else:
        _print_verdicts(verdicts)
    if broken:
        raise typer.Exit(1)


@app.command()
def diff(before: Spec, after: Spec, as_json: Json = False) -> None:
    """What two specs differ in: settings and numbers. Exit status 1 if they differ, as diff(1) does.

    \b
    fieldspec diff c1c2c3c40 c1c2c3c40_wide
    fieldspec diff old.yaml new.yaml --json
    """
    from fieldspec.architectures.comparison import diff as compare

    difference = compare(_load(before), _load(after))
    if as_json:
        _print_json(difference.to_dict())
    else:
        typer.echo(str(difference))
    if difference:
        raise typer.Exit(1)


@app.command()
def schema() -> None:
    """The JSON Schema of a spec, for completion in an editor.

    \b
    fieldspec schema > fieldspec.schema.json
    and, at the top of a spec:  # yaml-language-server: $schema=fieldspec.schema.json
    """
    from fieldspec.architectures.schema import json_schema

    _print_json(json_schema())


@app.command()
def build(
    spec: Spec,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where to write it; NAME.safetensors by default.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
    as_json: Json = False,
) -> None:
    """Build the network and write a checkpoint. It is a safetensors file that carries its spec.

    \b
    fieldspec build c1c2c3c40
    fieldspec build my_network.yaml -o net.safetensors --seed 1
    """
    loaded = _load(spec)
    path = output or Path(f"{loaded.name}.safetensors")
    if path.exists() and not force:
        raise FieldspecError(f"{path}: exists already; give --force to overwrite it, or another --output")
    with _spinner(f"building {loaded.name}"):
        import torch

        from fieldspec.architectures.builder import build as build_network
        from fieldspec.architectures.checkpoint import save_checkpoint

        torch.manual_seed(seed)
        net = build_network(loaded)
        save_checkpoint(path, net)
    params = sum(parameter.numel() for parameter in net.parameters())
    if as_json:
        _print_json({"path": str(path), "name": loaded.name, "hash": loaded.hash, "params": params, "seed": seed})
    else:
        typer.echo(f"{path}: {loaded.name}, {params:,} parameters, initial weights of seed {seed}")


@app.command()
def verify(
    spec: Spec,
    timm: Annotated[bool, typer.Option("--timm", help="Check timm's contract instead, point by point.")] = False,
    layer: Annotated[
        list[str] | None, typer.Option("--layer", metavar="ID", help="Measure the field of this layer; repeatable.")
    ] = None,
    input_size: Annotated[
        str | None, typer.Option("--input", metavar="CxHxW", help="Another input, such as 3x64x64.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Build the network, measure it, compare every number. Exit status 1 if one differs from what was claimed.

    Fields are measured by the gradient of the linearized network, multiply-adds by torch's FlopCounterMode.

    \b
    fieldspec verify c1c2c3c40              parameters, shapes, multiply-adds, fields, memory
    fieldspec verify my_network.yaml --timm reset_classifier, features_only, script, export, ...
    fieldspec verify timm:resnet50          any network of PyTorch, stage by stage
    fieldspec verify torchvision:googlenet --layer inception4e --layer inception3b
    """
    if timm:
        ok = _check_contract(_load(spec), as_json)
    else:
        with _spinner(f"building and measuring {spec}"):
            verification = _verification(spec, input_size, layer)
        ok = verification.ok
        if as_json:
            _print_json(verification.to_dict())
        else:
            typer.echo(str(verification))
    if not ok:
        raise typer.Exit(1)


def _verification(spec: str, input_size: str | None, layers: list[str] | None) -> Verification:
    """The measurements of a spec's network, or of one of PyTorch."""
    from fieldspec.architectures.questions import is_module_name
    from fieldspec.architectures.verification import verify as measure

    if not is_module_name(spec):
        size = None if input_size is None else _input_size(input_size, range(3, 4))
        return measure(_load(spec), input_size=size, layers=layers)
    from fieldspec.architectures.modules import named_module

    net, own = named_module(spec)
    size = None if input_size is None else _input_size(input_size, range(2, 5))
    return measure(net, input_size=size or own, layers=layers, name=spec)


def _check_contract(spec: ArchitectureSpec, as_json: bool) -> bool:
    with _spinner(f"checking {spec.name} against timm's contract"):
        from fieldspec.architectures.contract import timm_contract

        points = timm_contract(spec)
    ok = all(point.ok for point in points)
    if as_json:
        rows = [{"point": p.name, "ok": p.ok, "detail": p.detail} for p in points]
        _print_json({"schema": 1, "name": spec.name, "ok": ok, "points": rows})
    else:
        for point in points:
            detail = f": {point.detail}" if point.detail else ""
            typer.echo(f"  {'ok    ' if point.ok else 'FAILED'}  {point.name}{detail}")
        typer.echo(f"{sum(point.ok for point in points)} of {len(points)} points hold")
    return ok


for _command in cli_training.COMMANDS:
    app.command()(_command)


def _load(spec: str) -> ArchitectureSpec:
    return loads(sys.stdin.buffer.read(), name="<stdin>") if spec == "-" else load(spec)


def _print_json(data: Any) -> None:
    typer.echo(json.dumps(data, indent=2))


def _spinner(text: str) -> AbstractContextManager[Any]:
    """Something that moves while torch is loaded and at work; silent where nobody watches."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(text)


def main() -> None:
    """Run a command; errors of the input are one line each on stderr, never a traceback."""
    try:
        app(prog_name="fieldspec")
    except SystemExit as error:
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `fieldspec analyze ... | head` has seen enough
        sys.exit(0)
    except SpecError as error:
        _fail(str(error))  # file:line:column first, as editors expect it
    except FieldspecError as error:
        _fail(f"error: {error}")
    except OSError as error:
        _fail(f"error: {error.filename or 'output'}: {error.strerror or error}")
    except ImportError as error:
        _fail(f"error: fieldspec needs {error.name}, which cannot be imported: {error}")


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(2)
