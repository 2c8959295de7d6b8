"""The command line. Exit status 0: success; 1: a check failed; 2: bad input, one line for each problem."""

from __future__ import annotations

import gc
import os
import sys
from typing import Annotated

import typer

from fieldspec.cli.commands import SETTINGS, CommandGroup

__all__ = ["main"]

app = typer.Typer(name="fieldspec", cls=CommandGroup, no_args_is_help=True, **SETTINGS)


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
    """Small convolutional networks from declarative specs: exact cost and receptive field before a weight exists.

    \b
    fieldspec list                          the networks of the catalogue
    fieldspec analyze c1c2c3c40             field, parameters and multiply-adds of every layer
    fieldspec check my_network.yaml         exit status 1 if a constraint is violated
    fieldspec verify c1c2c3c40              build it, measure it and compare every number
    fieldspec search open.yaml              the best networks of an open spec under its constraints
    fieldspec train c1c2c3c40               train it on CIFAR-10 with a recipe

    Exit status: 0 success, 1 a check failed, 2 bad input.
    """


def main() -> None:
    """Run a command; bad input prints one line for each problem on stderr, never a traceback."""
    gc.disable()  # until the command's body starts: imports create no garbage
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # it would search every installed package for plugins
    from fieldspec.architectures.document.problems import SpecError
    from fieldspec.blocks.errors import FieldspecError

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
        if not isinstance(error, MemoryError) and "allocate memory" not in str(error):  # torch's error message
            raise
        _fail("error: not enough memory for this network")
    except ImportError as error:
        _fail(f"error: fieldspec needs {error.name}, which cannot be imported: {error}")
    finally:
        gc.enable()


def _fail(message: str) -> None:
    print(message, file=sys.stderr)
    sys.exit(2)
