"""The command line. Exit status 0: done; 1: a check failed; 2: bad input, said in one line each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from fieldspec.architectures.document.problems import SpecError
from fieldspec.blocks.errors import FieldspecError
from fieldspec.cli import analyzing, building, exporting, judging, recipes, specs, training

__all__ = ["main"]

app = typer.Typer(
    name="fieldspec",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, Callable[..., None]] = {
    "list": specs.list_networks,
    "show": specs.show,
    "analyze": analyzing.analyze,
    "check": specs.check,
    "diff": specs.diff,
    "schema": specs.schema,
    "build": building.build,
    "verify": building.verify,
    "recipes": recipes.list_recipes,
    "train": training.train,
    "export": exporting.export,
    "evaluate": judging.evaluate,
    "predict": judging.predict,
}


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


for _name, _command in COMMANDS.items():
    app.command(_name)(_command)


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
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "allocate memory" not in str(error):  # torch's own word for it
            raise
        _fail("error: there is not enough memory for this network")
    except ImportError as error:
        _fail(f"error: fieldspec needs {error.name}, which cannot be imported: {error}")


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(2)
