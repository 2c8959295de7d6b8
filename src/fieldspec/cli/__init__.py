"""The command line. Exit status 0: success; 1: a check failed; 2: bad input, one line for each problem."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from fieldspec.architectures.document.problems import SpecError
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli import (
    catalogue,
    evaluation,
    exporting,
    network,
    pages,
    recipes,
    report,
    specs,
    training,
    verification,
)
from fieldspec.cli.choosing import fitting, searching
from fieldspec.cli.running import benching

__all__ = ["main"]

app = typer.Typer(
    name="fieldspec",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, Callable[..., None]] = {
    "list": catalogue.list_networks,
    "show": catalogue.show,
    "analyze": report.analyze,
    "check": specs.check,
    "diff": specs.diff,
    "draw": pages.draw,
    "report": pages.report,
    "schema": specs.schema,
    "build": network.build,
    "verify": verification.verify,
    "search": searching.search,
    "fit": fitting.fit,
    "recipes": recipes.list_recipes,
    "train": training.train,
    "export": exporting.export,
    "bench": benching.bench,
    "evaluate": evaluation.evaluate,
    "predict": evaluation.predict,
}


def version(value: bool) -> None:
    """Print the version and exit."""
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
    fieldspec list                          the networks of the catalogue
    fieldspec analyze c1c2c3c40             field, parameters and multiply-adds of every layer
    fieldspec check my_network.yaml         exit status 1 if a constraint is broken
    fieldspec verify c1c2c3c40              build it, measure it and compare every number
    fieldspec search open.yaml              the best networks of an open spec under its constraints
    fieldspec train c1c2c3c40               train it on CIFAR-10 with a recipe

    Exit status: 0 success, 1 a check failed, 2 bad input.
    """


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


def main() -> None:
    """Run a command; bad input prints one line for each problem on stderr, never a traceback."""
    try:
        app(prog_name="fieldspec")
    except SystemExit as error:
        if not isinstance(error.__context__, BrokenPipeError):
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `fieldspec analyze ... | head` closed the pipe
        sys.exit(0)
    except SpecError as error:
        _fail(str(error))  # file:line:column first, as editors expect
    except FieldspecError as error:
        _fail(f"error: {error}")
    except OSError as error:
        _fail(f"error: {error.filename or 'output'}: {error.strerror or error}")
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate memory" not in str(error):  # in torch's words
            raise
        _fail("error: not enough memory for this network")
    except ImportError as error:
        _fail(f"error: fieldspec needs {error.name}, which cannot be imported: {error}")


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(2)
