"""The table of commands; each is only imported when it is used."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, MutableMapping
from functools import wraps
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

HOMES = {  # module:function, in --help order
    "list": "catalogue:list_networks",
    "show": "catalogue:show",
    "analyze": "report:analyze",
    "check": "specs:check",
    "diff": "specs:diff",
    "draw": "pages:draw",
    "report": "pages:report",
    "schema": "specs:schema",
    "build": "network:build",
    "verify": "verification:verify",
    "search": "choosing.searching:search",
    "fit": "choosing.fitting:fit",
    "recipes": "recipes:list_recipes",
    "train": "training:train",
    "export": "running.exporting:export",
    "bench": "running.benching:bench",
    "evaluate": "evaluation:evaluate",
    "predict": "evaluation:predict",
}
SETTINGS: dict[str, Any] = {
    "pretty_exceptions_enable": False,
    "rich_markup_mode": None,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class Commands(MutableMapping[str, Any]):
    """A mapping of command names to Typer commands, created when they are looked up."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._made:
            self._made[name] = _command(name)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(HOMES)

    def __len__(self) -> int:
        return len(HOMES)


class CommandGroup(TyperGroup):
    """The group `fieldspec`, which imports only the command that it runs."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = Commands()


def _command(name: str) -> Any:
    module, _, function = HOMES[name].partition(":")
    alone = typer.Typer(add_completion=False, **SETTINGS)
    alone.command(name)(_collected(getattr(import_module(f"fieldspec.cli.{module}"), function)))
    return typer.main.get_command(alone)


def _collected(function: Callable[..., None]) -> Callable[..., None]:
    """A command that reenables the garbage collector, which is off during startup, before its body runs."""

    @wraps(function)
    def command(*args: Any, **kwargs: Any) -> None:
        gc.enable()
        function(*args, **kwargs)

    return command
