"""Running a notebook's cells without a kernel: in one session, as Jupyter would show them."""

from __future__ import annotations

import ast
import base64
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

Cell = dict[str, Any]


def read(path: Path) -> dict[str, Any]:
    """A notebook as plain data."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def run_cells(notebook: dict[str, Any]) -> list[list[Cell]]:
    """The outputs of every cell of code, in the notebook's own form."""
    session: dict[str, Any] = {"__name__": "__main__"}
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    return [_run("".join(cell["source"]), number, session) for number, cell in enumerate(code, 1)]


def _run(source: str, number: int, session: dict[str, Any]) -> list[Cell]:
    """What a cell prints, and the value of its last line."""
    tree = ast.parse(source)
    end = tree.body[-1] if tree.body else None
    last = end.value if isinstance(end, ast.Expr) else None
    if last is not None:
        tree.body.pop()
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, f"<cell {number}>", "exec"), session)
        value = eval(compile(ast.Expression(last), f"<cell {number}>", "eval"), session) if last else None
    outputs: list[Cell] = []
    if text := printed.getvalue():
        outputs.append({"name": "stdout", "output_type": "stream", "text": text.splitlines(keepends=True)})
    if value is not None:
        outputs.append(
            {"data": _shown(value), "execution_count": number, "metadata": {}, "output_type": "execute_result"}
        )
    return outputs


def _shown(value: Any) -> dict[str, Any]:
    """In every form that a notebook asks for."""
    data: dict[str, Any] = {}
    html = getattr(value, "_repr_html_", lambda: None)()
    if html is not None:
        data["text/html"] = html.splitlines(keepends=True)
    if hasattr(value, "_repr_png_"):
        data["image/png"] = base64.b64encode(value._repr_png_()).decode()
        return data | {"text/plain": [f"<{type(value).__name__}>"]}
    return data | {"text/plain": repr(value).splitlines(keepends=True)}


def write(path: Path, notebook: dict[str, Any], outputs: list[list[Cell]]) -> None:
    """The notebook with these outputs."""
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    for number, (cell, shown) in enumerate(zip(code, outputs, strict=True), 1):
        cell["execution_count"], cell["outputs"] = number, shown
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
