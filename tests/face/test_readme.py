"""What the README shows is what happens."""

import doctest
import re
import shlex
from pathlib import Path

import pytest
import yaml

from fieldspec.cli import main

README = Path(__file__).parents[2] / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_the_python_examples_run() -> None:
    """Every python block, one session from top to bottom, prints what stands there."""
    session = "\n".join(text for language, text in BLOCKS if language == "python")
    examples = doctest.DocTestParser().get_doctest(session, {}, "README.md", str(README), 0)
    result = doctest.DocTestRunner(verbose=False).run(examples)
    assert result.attempted > 8
    assert result.failed == 0


CONSOLE = [text for language, text in BLOCKS if language == "console"]


@pytest.mark.parametrize("text", CONSOLE, ids=[text.split("\n", 1)[0] for text in CONSOLE])
def test_the_commands_print_what_stands_there(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every console block, run beside the specs of the yaml blocks, prints what stands below it."""
    monkeypatch.chdir(tmp_path)
    for language, spec in BLOCKS:
        if language == "yaml":
            (tmp_path / f"{yaml.safe_load(spec)['name']}.yaml").write_text(spec, encoding="utf-8")
    command, expected = text.removeprefix("$ fieldspec ").split("\n", 1)
    monkeypatch.setattr("sys.argv", ["fieldspec", *shlex.split(command)])
    with pytest.raises(SystemExit) as stop:
        main()
    printed = capfd.readouterr()
    assert printed.out + printed.err == expected
    assert stop.value.code == (2 if printed.err else 0)


def test_there_are_commands_to_run() -> None:
    """The table and the errors are shown by commands, not by hand."""
    assert len(CONSOLE) >= 2


def test_files_that_it_names_are_there() -> None:
    """Every link into the repository leads somewhere."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8"))
    assert links
    assert all((README.parent / link).exists() for link in links)
