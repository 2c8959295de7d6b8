"""The house: which room may import which, what is packaged, what stays free of torch."""

import ast
import importlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ["blocks", "analysis", "architectures", "training", "src/fieldspec"]  # each may import those before it
TRAINING = {
    "PIL",
    "albumentations",
    "cv2",
    "lightning",
    "matplotlib",
    "numpy",
    "torchmetrics",
    "torchvision",
}  # at home
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
CONTRACT = ["adaptation", "as_module", "compilers", "features", "subject", "training"]
LINEAR = ["contractions", "mode", "movers", "pointwise", "recurrent", "resizing", "statistics", "thin", "windows"]


def sources(room: str) -> Iterator[Path]:
    """The Python files of a room, links into the others left out."""
    for folder, folders, files in os.walk(ROOT / room, followlinks=False):
        folders[:] = [name for name in folders if not Path(folder, name).is_symlink()]
        yield from (Path(folder, name) for name in files if name.endswith(".py"))


def imported(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_imports_run_one_way(room: str) -> None:
    """blocks <- analysis <- architectures <- training <- src/fieldspec, lazy imports counted."""
    later = {name.split("/")[-1] for name in ROOMS[ROOMS.index(room) + 1 :]} - {"fieldspec"}
    for path in sources(room):
        for module in imported(path):
            first, _, rest = module.partition(".")
            assert (
                first
                in (
                    "fieldspec",
                    "annotated_types",
                    "einops",
                    "matplotlib",
                    "numpy",
                    "pydantic",
                    "rich",
                    "safetensors",
                    "timm",
                    "torch",
                    "torchinfo",
                    "torchvision",
                    "typer",
                    "typing_extensions",
                    "yaml",
                    "onnx",
                )
                or first in sys.stdlib_module_names
                or (room == "training" and first in TRAINING)
            ), path
            if first == "fieldspec" and room != "src/fieldspec":
                assert rest, f"{path} imports the face"
                assert rest.split(".")[0] not in later, f"{path} imports {module}"


def test_only_named_files_load_torch() -> None:
    """Loading, reading and answering need no torch: the files that import it are these."""
    torch_files = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        if room != "training"
        for path in sources(room)
        if any(
            module.split(".")[0] in ("torch", "timm", "einops", "torchinfo", "safetensors") for module in imported(path)
        )
    }
    assert torch_files - {"architectures/questions.py", "blocks/block.py", "src/fieldspec/cli/building.py"} == {
        "analysis/attributes.py",
        "analysis/effective_measured.py",
        "analysis/image_folder.py",
        *(f"analysis/linear/{name}.py" for name in LINEAR),
        *(f"analysis/measure_{name}.py" for name in ("counts", "field", "memory", "probe", "runs")),
        "analysis/proof.py",
        "analysis/proof_fields.py",
        "analysis/trace/module.py",
        "analysis/trace/watching.py",
        "analysis/trace/weights.py",
        "analysis/trace/pointwise_rules.py",
        "analysis/trace/quiet.py",
        "analysis/trace/recurrent_rules.py",
        "analysis/trace/rules.py",
        "analysis/trace/stand_ins.py",
        "analysis/trace/tracer.py",
        "analysis/trace/view_rules.py",
        "architectures/modules.py",
        "architectures/builder.py",
        "architectures/checkpoint.py",
        *(f"architectures/contract/{name}.py" for name in CONTRACT),
        "architectures/specnet.py",
        "architectures/timm_models.py",
        "blocks/containers.py",
        "blocks/leaves.py",
        "blocks/modules.py",
    }


def test_importing_the_face_is_light() -> None:
    """`import fieldspec` loads neither torch nor pydantic nor yaml."""
    code = "import sys, fieldspec; print(sorted({'torch', 'pydantic', 'yaml', 'timm', 'rich'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_every_source_folder_is_packaged() -> None:
    """A folder that pyproject does not list works in an editable install and is missing from the wheel."""
    folders = {path.parent.relative_to(ROOT).as_posix() for room in ROOMS for path in sources(room)}
    packages = {package_of(folder): folder for folder in folders}
    assert packages.keys() == set(SETUPTOOLS["packages"])
    assert packages == SETUPTOOLS["package-dir"]
    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)


def package_of(folder: str) -> str:
    """What a folder of the checkout is imported as."""
    return (folder.removeprefix("src/") if folder.startswith("src/") else f"fieldspec/{folder}").replace("/", ".")


def test_the_links_of_the_face_lead_to_the_rooms() -> None:
    """Type checkers and doctests follow them."""
    for room in ROOMS[:-1]:
        assert (ROOT / "src" / "fieldspec" / room).resolve() == ROOT / room


def test_versions_agree() -> None:
    """The version stands in pyproject and in the face."""
    assert importlib.import_module("fieldspec").__version__ == PROJECT["project"]["version"]


@pytest.mark.parametrize("package", SETUPTOOLS["packages"])
def test_public_names_are_complete_and_sorted(package: str) -> None:
    """`__all__` is sorted, and each of its names is there."""
    module = importlib.import_module(package)
    names = module.__all__
    assert sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name)) == names
    for name in names:  # a file of the same name would hide what is meant
        assert not isinstance(getattr(module, name), ModuleType), f"{package}.{name} is a module"


def test_the_wheel_holds_what_it_needs(tmp_path: Path) -> None:
    """Built, installed outside the checkout and run there: the catalogue and py.typed travel along."""
    checkout = tmp_path / "checkout"  # a build leaves a folder behind, which the next build would take files from
    left_out = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, checkout, symlinks=True, ignore=left_out)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(checkout)]
    subprocess.run(build, check=True, capture_output=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    catalogue = {
        f"fieldspec/architectures/catalogue/{path.name}" for path in (ROOT / "architectures/catalogue").glob("*")
    }
    recipes = {f"fieldspec/training/recipes/{path.name}" for path in (ROOT / "training/recipes").glob("*")}
    weights = {f"fieldspec/architectures/weights/{path.name}" for path in (ROOT / "architectures/weights").glob("*")}
    assert recipes | weights <= names
    assert catalogue | {"fieldspec/py.typed", "fieldspec/blocks/layers/base.py"} <= names
    assert not any(name.startswith(("blocks/", "analysis/", "architectures/", "training/")) for name in names)
    target = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True, capture_output=True)
    listed = subprocess.run(
        [sys.executable, "-m", "fieldspec", "list"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(target)},
    )  # fmt: skip
    assert "c1c2c3c40 " in listed.stdout
