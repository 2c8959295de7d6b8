"""Shared code of the commands: arguments, loading specs, printing results."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fieldspec.architectures.document.reader import read
from fieldspec.architectures.spec import catalogue
from fieldspec.architectures.spec.spec import ArchitectureSpec, load, loads, with_params
from fieldspec.blocks.errors import FieldspecError, InputError
from fieldspec.blocks.formatting import size_text

if TYPE_CHECKING:
    from fieldspec.analysis.report.report import Report
    from fieldspec.architectures.spaces.open_spec import OpenSpec
    from fieldspec.architectures.spec.constraints import ConstraintResult


def names_beginning(incomplete: str) -> list[str]:
    """Complete a spec to names of the catalogue; without a match, shells offer files."""
    return [name for name in catalogue.list_models() if name.startswith(incomplete)]


def parameters_beginning(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete --set to the parameters of the catalogue network given before it."""
    words = [*ctx.params.values(), *ctx.args]  # click counts arguments before an incomplete option as part of it
    names = [word for word in words if isinstance(word, str) and word in catalogue.list_models()]
    params = load(names[-1]).params if names else {}
    return [f"{name}=" for name in params if name.startswith(incomplete)]


SPEC_HELP = "A catalogue name, a YAML or JSON file, or - for stdin."
Spec = Annotated[str, typer.Argument(metavar="SPEC", help=SPEC_HELP, autocompletion=names_beginning)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A value for a parameter or an open setting; repeatable.",
        autocompletion=parameters_beginning,
    ),
]
Network = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help="A catalogue name, a YAML or JSON file, -, timm:NAME, torchvision:NAME or package.module:FACTORY.",
        autocompletion=names_beginning,
    ),
]
ModuleInput = Annotated[
    str | None,
    typer.Option(
        "--input",
        metavar="CxHxW",
        help="Another input, such as 3x64x64; of a PyTorch network also several, by name or with a dtype: "
        "image=3x64x64,words=50:int64.",
    ),
]
Profile = Annotated[
    Path | None,
    typer.Option(
        "--profile", metavar="FILE", help="Predict latency_ms for the machine that bench --fit wrote this profile on."
    ),
]
NAME = re.compile(r"[a-zA-Z_]\w*([.\[][^=]*)?")  # a parameter, or the path of a setting: layers[3].conv.out
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def load_spec(spec: str, given: Iterable[str] | None = None) -> ArchitectureSpec:
    """Load a spec by catalogue name, from a file or from stdin; `given` are the values of `--set`."""
    from fieldspec.architectures.readings.reports import is_module_name

    if is_module_name(spec) and spec not in catalogue.list_models():
        raise FieldspecError(f"{spec} is a PyTorch network, not a spec; convert it: fieldspec show {spec} > a.yaml")
    params = dict(map(parameter, given or ()))
    return loads(sys.stdin.buffer.read(), name="<stdin>", **params) if spec == "-" else load(spec, **params)


def load_open_spec(spec: str, given: Iterable[str] | None = None) -> OpenSpec:
    """Load a spec that may be open, likewise."""
    from fieldspec.architectures.spaces.open_spec import load_open, open_spec

    params = dict(map(parameter, given or ()))
    if spec != "-":
        return load_open(spec, **params)
    return open_spec(with_params(read(sys.stdin.buffer.read(), "<stdin>"), params, "<stdin>"))


def timed_by(report: Report, profile: Path | None) -> Report:
    """Add the latency that a profile predicts to a report, if a profile is given."""
    if profile is None:
        return report
    from fieldspec.analysis.latency.profile import load_profile

    return load_profile(profile).told(report)


def parameter(text: str) -> tuple[str, Any]:
    """Parse `width=0.5` to a name, which may be the path of an open setting, and a value, parsed as in specs."""
    name, sign, value = text.partition("=")
    if not sign or not NAME.fullmatch(name):
        raise FieldspecError(f"--set: needs NAME=VALUE such as width=0.5, gets {text!r}")
    return name, read(f"value: {value}", f"--set {name}").data["value"]


def input_size_of(text: str, lengths: range) -> list[int]:
    """Parse the numbers of --input; `lengths` are the allowed lengths."""
    parts = text.lower().split("x")
    if len(parts) not in lengths or not all(part.isascii() and part.isdecimal() for part in parts):
        raise FieldspecError(f"--input: needs channels x height x width, such as 3x64x64, gets {text!r}")
    return [int(part) for part in parts]


def module_input_of(text: str) -> Any:
    """Parse --input for a module: comma-separated [NAME=]CxHxW[:TYPE].

    Example:
        >>> module_input_of("3x224x224"), module_input_of("50:int64"), module_input_of("image=3x64x64,label=1:int64")
        ((3, 224, 224), ((50,), 'int64'), {'image': (3, 64, 64), 'label': ((1,), 'int64')})
    """
    found: list[tuple[str, Any]] = []
    for part in text.split(","):
        name, _, rest = part.rpartition("=")
        sizes, _, dtype = rest.partition(":")
        numbers = sizes.lower().split("x")
        if not all(number.isascii() and number.isdecimal() for number in numbers):
            raise FieldspecError(f"--input: needs [NAME=]CxHxW[:TYPE] such as 3x64x64 or words=50:int64, gets {part!r}")
        shape = tuple(map(int, numbers))
        found.append((name, (shape, dtype) if dtype else shape))
    if all(name for name, _ in found):
        return dict(found)
    return found[0][1] if len(found) == 1 else [size for _, size in found]


@contextmanager
def input_explained(net: Any, own: Sequence[int], given: str | None) -> Iterator[None]:
    """Within this context, an input on which the network does not run is said to be the default, if none is given."""
    try:
        yield
    except InputError as error:
        if given is not None:
            raise
        parameters = signature(net.forward).parameters.values()
        needed = [one.name for one in parameters if one.default is one.empty and one.kind is one.POSITIONAL_OR_KEYWORD]
        size = size_text(own)
        sizes = ",".join(f"{name}=CxHxW" for name in needed) if len(needed) > 1 else "CxHxW"
        raise FieldspecError(f"{error} ({size} is the default; give another input: --input {sizes})") from None


def print_verdicts(verdicts: Iterable[ConstraintResult]) -> None:
    """Print one line per constraint."""
    for verdict in verdicts:
        typer.echo(f"  {verdict.word:<8}{verdict}")


def print_json(data: Any) -> None:
    """JSON, indented."""
    typer.echo(json.dumps(data, indent=2))


def tell_error(text: str) -> None:
    """Print to stderr."""
    typer.echo(text, err=True)


def tell_written(paths: Sequence[Path], folder: Path) -> None:
    """Print to stderr how many specs were written."""
    tell_error(f"{len(paths):,} {'spec is' if len(paths) == 1 else 'specs are'} in {folder}")


def spinner(text: str) -> AbstractContextManager[Any]:
    """Show a spinner while torch loads and works, if stderr is a terminal."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(text)


def need(command: str, extra: str, *packages: str) -> None:
    """Raise before any work starts if a package is missing."""
    for package in packages:
        if find_spec(package) is None:
            raise FieldspecError(f"fieldspec {command} needs {package}: pip install 'fieldspec[{extra}]'")
