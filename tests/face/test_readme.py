"""What the README and the pages of docs/ show is what happens, and every link leads somewhere."""

from __future__ import annotations

import doctest
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from fieldspec.architectures.document.problems import SpecError
from fieldspec.architectures.spaces.open_spec import load_open
from fieldspec.architectures.spec.spec import loads
from fieldspec.blocks import registry
from fieldspec.cli import app, main
from fieldspec.training.recipe.recipe import load_recipe

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]
MOST_WORDS = 1_400  # of the README: a read of five minutes
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INPUT = [32, 16, 16]  # of items that stand in a block of their own


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, from top to bottom."""
    return [text for name, text in BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]


def of_pages(language: str) -> list[Any]:
    """Every block of a language, beside its page."""
    return [
        pytest.param(page, text, id=f"{page.stem}: {text.splitlines()[0]}")
        for page in PAGES
        for text in blocks(page, language)
    ]


def of_the_console(page: Path) -> Iterator[tuple[str, str]]:
    """The commands that a page shows, each with what it prints."""
    for text in blocks(page, "console"):
        command, _, printed = text.removeprefix("$ fieldspec ").partition("\n")
        yield command, printed


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=lambda page: page.stem)
def test_the_python_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every python block of a page, one session from top to bottom, prints what stands there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "_BLOCKS", dict(registry._BLOCKS))  # a page may register one of its own
    texts = blocks(page, "python")
    assert all(text.startswith(">>> ") for text in texts), "without a prompt it would not be run"
    examples = doctest.DocTestParser().get_doctest("\n".join(texts), {}, page.name, str(page), 0)
    result = doctest.DocTestRunner(verbose=False).run(examples)
    assert result.attempted >= 3
    assert result.failed == 0


@pytest.mark.parametrize(("page", "text"), of_pages("console"))
def test_the_commands_print_what_stands_there(
    page: Path, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every console block, run beside the specs of its page's yaml blocks, prints what stands below it."""
    monkeypatch.chdir(tmp_path)
    for spec in blocks(page, "yaml"):
        if (name := re.search(r"^name: (\w+)$", spec, re.MULTILINE)) is not None:
            (tmp_path / f"{name[1]}.yaml").write_text(spec, encoding="utf-8")
    command, expected = text.removeprefix("$ fieldspec ").split("\n", 1)
    monkeypatch.setattr("sys.argv", ["fieldspec", *shlex.split(command)])
    with pytest.raises(SystemExit) as stop:
        main()
    printed = capfd.readouterr()
    assert printed.out + printed.err == expected
    assert stop.value.code == (2 if printed.err else int("--exit-code" in command))


def test_there_is_something_to_run() -> None:
    """The table and the errors are shown by commands, and the README has examples of its own."""
    assert len(of_pages("console")) >= 4
    assert all(blocks(README, language) for language in ("python", "console", "yaml"))


@pytest.mark.parametrize(("page", "text"), of_pages("yaml"))
def test_the_specs_and_recipes_load(page: Path, text: str, tmp_path: Path) -> None:
    """Every yaml block is a spec, a recipe, or a list of items; what a command is shown to refuse is refused."""
    name = re.search(r"^name: (\w+)$", text, re.MULTILINE)
    if text.startswith("- "):
        loads(f"input: {INPUT}\nlayers:\n{text}")
    elif re.search("^epochs: ", text, re.MULTILINE):
        (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
        load_recipe(tmp_path / "recipe.yaml")
    elif name and any(printed.startswith(f"{name[1]}.yaml:") for _, printed in of_the_console(page)):
        with pytest.raises(SpecError):
            loads(text)
    else:
        load_open(yaml.safe_load(text))


COMMANDS = [
    pytest.param(line.strip(), id=f"{page.stem}: {line.strip()}")
    for page in PAGES
    for text in blocks(page, "")
    for line in text.splitlines()
    if line.startswith("fieldspec ")
]


@pytest.mark.parametrize("line", COMMANDS)
def test_the_commands_that_are_not_run_are_understood(line: str) -> None:
    """Commands without their output take the arguments that stand there."""
    arguments = shlex.split(line.partition(" > ")[0], comments=True)[1:]
    group: Any = typer.main.get_command(app)
    with group.make_context("fieldspec", list(arguments)) as context:
        name, command, rest = group.resolve_command(context, arguments)
        command.make_context(name, rest, parent=context).close()


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings of a page."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """What a page links to, within the repository."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    return re.findall(r"\]\((?!https?:)([^)]+)\)", text)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file or a folder, and to a heading where it names one."""
    for link in links(page):
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_linked() -> None:
    """From the README and from the list of pages."""
    pages = {page.name for page in PAGES if page.parent.name == "docs" and page.name != "README.md"}
    assert pages == set(links(ROOT / "docs" / "README.md")) - {"../README.md"}
    assert pages == {Path(link).name.partition("#")[0] for link in links(README) if re.match(r"docs/[^/]*$", link)} - {
        "README.md", ""
    }  # fmt: skip


def test_the_house_is_as_it_stands() -> None:
    """The README names every folder of source code and every room in it, in the order of imports."""
    (house,) = [text for text in blocks(README, "") if "src/fieldspec/" in text]
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-dir"]
    rooms = {name.rpartition("/")[2] for name in packages.values() if name.count("/") <= 1}
    assert [room for room in rooms if f"{room}/" not in house] == []
    arrow = " ← ".join(re.findall(r"^(\S+)/ ", house, re.MULTILINE))
    assert f"`{arrow}`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    """It is read in five minutes; what is more goes to docs/."""
    assert len(README.read_text(encoding="utf-8").split()) <= MOST_WORDS
