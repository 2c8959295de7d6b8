"""The house: which room may import which, what is packaged, what stays free of torch."""

import ast
import importlib
import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fieldspec.architectures.spec.catalogue import list_models

ROOT = Path(__file__).parents[2]
FLOORS = [
    "blocks",
    "analysis",
    "architectures",
    "training",
    "search",
    "export",
    "pages",
    "src/fieldspec",
]  # each may import those before it; `fieldspec.lazy`, which imports nothing, is open to all
ROOMS = {  # of a floor: what each room may import of the others there; the floors below are open to all
    "blocks/layers": set(),
    "blocks/settings": {"blocks/layers"},
    "blocks/library": {"blocks/layers", "blocks/settings"},
    "analysis/fields": set(),
    "analysis/modules": set(),
    "analysis/report": {"analysis/fields"},
    "analysis/effective": {"analysis/fields", "analysis/modules", "analysis/report"},
    "analysis/inference": set(),
    "analysis/latency": {"analysis/fields", "analysis/report"},
    "analysis/sizes": {"analysis/fields", "analysis/report"},
    "analysis/ledger": {"analysis/fields", "analysis/report", "analysis/sizes"},
    "analysis/promise": {"analysis/effective", "analysis/report"},
    "analysis/trace": {"analysis/fields", "analysis/modules", "analysis/report"},
    "analysis/proof": {"analysis/fields", "analysis/modules", "analysis/report"},
    "architectures/document": set(),
    "architectures/expansion": {"architectures/document"},
    "architectures/spec": {"architectures/document", "architectures/expansion"},
    "architectures/spaces": {"architectures/document", "architectures/expansion", "architectures/spec"},
    "architectures/network": {"architectures/document", "architectures/spec"},
    "architectures/readings": {"architectures/document", "architectures/spec", "architectures/network"},
    "architectures/reference": {"architectures/document", "architectures/expansion", "architectures/spec"},
    "architectures/adoption": {
        "architectures/document",
        "architectures/expansion",
        "architectures/spec",
        "architectures/network",
    },
    "architectures/contract": {"architectures/document", "architectures/spec", "architectures/network"},
    "training/quantization": set(),
    "training/recipe": set(),
    "training/data": {"training/recipe"},
    "training/folder": {"training/recipe", "training/data"},
    "training/evaluation": {"training/recipe", "training/data", "training/folder"},
    "training/loop": {
        "training/quantization",
        "training/recipe",
        "training/data",
        "training/folder",
        "training/evaluation",
    },
    "training/run": {
        "training/quantization",
        "training/recipe",
        "training/data",
        "training/folder",
        "training/evaluation",
        "training/loop",
    },
    "search/space": set(),
    "search/exact": {"search/space"},
    "search/results": {"search/space", "search/exact"},
    "search/fitting": {"search/space", "search/exact", "search/results"},
    "search/methods": {"search/space", "search/exact", "search/results"},
    "search/study": {"search/space", "search/exact", "search/results", "search/methods"},
    "export/engines": set(),
    "export/litert": {"export/engines"},
    "export/onnx": {"export/engines"},
    "export/plain": set(),
    "export/speed": {"export/engines", "export/onnx"},
    "export/file": {"export/engines", "export/litert", "export/onnx", "export/plain"},
    "pages/drawing": set(),
    "pages/facts": {"pages/drawing"},
    "pages/comparison": {"pages/drawing", "pages/facts"},
    "pages/page": {"pages/drawing", "pages/facts", "pages/comparison"},
    "pages/figures": {"pages/drawing", "pages/facts"},
    "pages/notebook": {"pages/drawing"},
    "src/fieldspec/cli": set(),
}
LIBRARIES = {  # what a floor may import beside the standard library
    "blocks": {"annotated_types", "einops", "timm", "torch", "typing_extensions"},
    "analysis": {
        "PIL", "matplotlib", "numpy", "rich", "timm", "torch", "torchinfo", "torchvision", "typing_extensions",
    },
    "architectures": {
        "annotated_types", "huggingface_hub", "onnx", "pydantic", "safetensors", "timm", "torch", "torchvision",
        "typing_extensions", "yaml",
    },
    "training": {
        "PIL", "albumentations", "annotated_types", "cv2", "filelock", "lightning", "matplotlib", "numpy", "pydantic",
        "safetensors", "timm", "torch", "torchmetrics", "torchvision", "typing_extensions",
    },
    "search": {"filelock", "matplotlib", "numpy", "optuna", "sqlalchemy"},
    "export": {
        "ai_edge_litert", "ai_edge_quantizer", "flatbuffers", "numpy", "onnx", "onnxruntime", "safetensors",
        "tflite_micro", "timm", "torch",
    },
    "pages": {"PIL", "jinja2", "markupsafe", "matplotlib", "numpy"},
    "src/fieldspec": {"rich", "torch", "typer", "typing_extensions"},
}  # fmt: skip
TORCH = {"einops", "lightning", "safetensors", "timm", "torch", "torchinfo", "torchvision"}
WITH_TORCH = {  # rooms and files that may load torch; all others answer without
    "analysis/effective/image_folder.py",
    "analysis/effective/measured_field.py",
    "analysis/modules",
    "analysis/proof",
    "analysis/trace",
    "architectures/adoption/adoption.py",
    "architectures/adoption/proof.py",
    "architectures/adoption/weights.py",
    "architectures/contract",
    "architectures/network/builder.py",
    "architectures/network/checkpoint.py",
    "architectures/network/digest.py",
    "architectures/network/features.py",
    "architectures/network/generated_layers.py",
    "architectures/network/head.py",
    "architectures/network/head_of_spec.py",
    "architectures/network/specnet.py",
    "architectures/network/timm_models.py",
    "architectures/readings/named_modules.py",
    "architectures/readings/weights_at_hand.py",
    "architectures/readings/reports.py",  # only to know a module where one is given
    "blocks/block.py",  # only for a type
    "blocks/containers.py",
    "blocks/leaves.py",
    "blocks/modules.py",
    "export/file",
    "export/litert/tflite.py",
    "export/onnx",
    "export/plain",
    "export/speed",
    "src/fieldspec/cli/network.py",
    "training",
}
PAIRS = {  # an expression, or a layer, and the module that it builds
    "Add", "Chain", "Concat", "DepthToSpace", "GlobalPool", "Multiply", "PadChannels", "Parallel", "SelectChannels",
    "Shuffle", "SpaceToDepth", "Wired",
}  # fmt: skip
MOST_FILES = 12  # side by side in a room
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]


def sources(place: str) -> Iterator[Path]:
    """The Python files of a floor or a room, links into the others left out."""
    for folder, folders, files in os.walk(ROOT / place, followlinks=False):
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


def within(module: str) -> str:
    """The folder of the checkout that an imported module of the project lies in; the file itself as it is."""
    return module.removeprefix("fieldspec.").replace(".", "/").replace("cli", "src/fieldspec/cli")


def lies_in(path: str, places: Iterable[str]) -> bool:
    """Whether a file, or a module's path, is one of these or inside one of them."""
    return any(path == place or path.startswith(f"{place}/") for place in places)


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_run_one_way(floor: str) -> None:
    """blocks <- analysis <- architectures <- training <- export <- pages <- src/fieldspec, lazy imports counted."""
    later = FLOORS[FLOORS.index(floor) + 1 :]
    for path in sources(floor):
        for module in imported(path):
            first, _, rest = module.partition(".")
            known = first == "fieldspec" or first in sys.stdlib_module_names or first in LIBRARIES[floor]
            assert known, f"{path} imports {module}"
            if first == "fieldspec" and floor != "src/fieldspec":
                assert rest, f"{path} imports the face"
                assert not lies_in(within(module), later), f"{path} imports {module}"


@pytest.mark.parametrize("room", ROOMS)
def test_rooms_import_only_what_they_may(room: str) -> None:
    """Of the other rooms on their floor; so tracing and the proof never know of each other."""
    others = {other for other in ROOMS if other.split("/")[0] == room.split("/")[0]} - ROOMS[room] - {room}
    for path in sources(room):
        for module in imported(path):
            assert not lies_in(within(module), others), f"{path} imports {module}"


def test_every_folder_is_a_room_with_a_rule() -> None:
    """A new folder needs its rule here; folders within a room share it. Two floors have files beside their rooms."""
    folders = {path.parent.relative_to(ROOT).as_posix() for floor in FLOORS for path in sources(floor)}
    assert {folder for folder in folders if not lies_in(folder, ROOMS)} == set(FLOORS)
    loose = {
        floor: [path.name for path in (ROOT / floor).glob("*.py") if path.name != "__init__.py"] for floor in FLOORS
    }
    assert [floor for floor, files in loose.items() if files] == ["blocks", "src/fieldspec"]


def test_rooms_are_small() -> None:
    """What is more than a dozen files side by side becomes rooms."""
    counts = Counter(path.parent for floor in FLOORS for path in sources(floor) if path.name != "__init__.py")
    assert [(folder, count) for folder, count in counts.items() if count > MOST_FILES] == []


def test_the_rooms_of_the_catalogue_are_small() -> None:
    """Every network lies in one, under a name of its own; what is more than a dozen side by side becomes rooms."""
    catalogue = ROOT / "architectures" / "catalogue"
    rooms = {room.name: [path.stem for path in room.iterdir()] for room in catalogue.iterdir()}
    assert all(len(names) <= MOST_FILES for names in rooms.values())
    names = [name for names in rooms.values() for name in names]
    assert sorted(names) == sorted(set(names)) == list_models()
    assert all(path.suffix == ".yaml" for path in catalogue.glob("*/*"))


def test_only_named_rooms_load_torch() -> None:
    """Loading, reading and answering need no torch."""
    files = {path.relative_to(ROOT).as_posix(): imported(path) for floor in FLOORS for path in sources(floor)}
    with_torch = {path for path, modules in files.items() if {module.split(".")[0] for module in modules} & TORCH}
    assert {path for path in with_torch if not lies_in(path, WITH_TORCH)} == set()
    assert [place for place in WITH_TORCH if not any(lies_in(path, [place]) for path in with_torch)] == []


def test_one_word_means_one_thing() -> None:
    """No two classes or types share a name, but for an expression and the module that it builds."""
    homes: dict[str, set[str]] = {}
    for path in [path for floor in FLOORS for path in sources(floor)]:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                names = [node.name]
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [target.id for target in targets if isinstance(target, ast.Name)]
            else:
                continue
            for name in names:
                if name[0].isupper() and not name.isupper():
                    homes.setdefault(name, set()).add(path.relative_to(ROOT).as_posix())
    shared = {name: files for name, files in homes.items() if len(files) > 1}
    assert shared.keys() == PAIRS, shared
    assert all(all(file.startswith("blocks/") for file in files) for files in shared.values())


def test_one_place_knows_of_the_pages() -> None:
    """The floors below find them by name, in one file, when somebody looks."""
    below = [path for floor in FLOORS[: FLOORS.index("pages")] for path in sources(floor)]
    named = [path for path in below if "fieldspec.pages" in path.read_text(encoding="utf-8")]
    assert named == [ROOT / "analysis/report/pictured.py"]


def test_importing_the_face_is_light() -> None:
    """`import fieldspec` loads neither torch nor pydantic nor yaml."""
    code = "import sys, fieldspec; print(sorted({'torch', 'pydantic', 'yaml', 'timm', 'rich'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_every_source_folder_is_packaged() -> None:
    """A folder that pyproject does not list works in an editable install and is missing from the wheel."""
    folders = {path.parent.relative_to(ROOT).as_posix() for floor in FLOORS for path in sources(floor)}
    packages = {package_of(folder): folder for folder in folders}
    assert packages.keys() == set(SETUPTOOLS["packages"])
    assert packages == SETUPTOOLS["package-dir"]
    assert all((ROOT / folder / "__init__.py").is_file() for folder in folders)


def package_of(folder: str) -> str:
    """What a folder of the checkout is imported as."""
    return (folder.removeprefix("src/") if folder.startswith("src/") else f"fieldspec/{folder}").replace("/", ".")


def test_the_links_of_the_face_lead_to_the_rooms() -> None:
    """Type checkers and doctests follow them."""
    for floor in FLOORS[:-1]:
        assert (ROOT / "src" / "fieldspec" / floor).resolve() == ROOT / floor


def test_versions_agree() -> None:
    """The version stands in pyproject and in the face."""
    assert importlib.import_module("fieldspec").__version__ == PROJECT["project"]["version"]


@pytest.mark.parametrize("package", SETUPTOOLS["packages"])
def test_public_names_are_complete_and_sorted(package: str) -> None:
    """`__all__` is sorted, and each of its names is there."""
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert names or package.count(".") > 1, "a floor says what is public; a room's files are imported by name"
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
        f"fieldspec/{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "architectures/catalogue").glob("*/*")
    }
    recipes = {f"fieldspec/training/recipes/{path.name}" for path in (ROOT / "training/recipes").glob("*")}
    weights = {f"fieldspec/architectures/weights/{path.name}" for path in (ROOT / "architectures/weights").glob("*")}
    models = {f"fieldspec/export/models/{path.name}" for path in (ROOT / "export/models").glob("*")}
    assert recipes | weights | models <= names
    files = {"py.typed", "blocks/layers/base.py", "architectures/reference/grammar.md"}
    templates = [path.relative_to(ROOT).as_posix() for path in (ROOT / "pages").glob("*/templates/*")]
    assert {Path(one).suffix for one in templates} == {".html", ".css", ".js"}
    files |= set(templates)
    assert catalogue | {f"fieldspec/{name}" for name in files} <= names
    floors = tuple(f"{floor}/" for floor in FLOORS[:-1])
    assert not any(name.startswith(floors) for name in names)
    target = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True, capture_output=True)
    listed = subprocess.run(
        [sys.executable, "-m", "fieldspec", "list"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(target)},
    )  # fmt: skip
    assert "c1c2c3c40 " in listed.stdout
