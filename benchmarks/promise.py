"""Which training-free measure predicts accuracy: rank correlations with held-out accuracy.

    pip install 'fieldspec[dev,train]'
    python benchmarks/promise.py draw FOLDER          # networks of the space of benchmarks/search.py, as specs
    fieldspec show c1c2c3c40 > FOLDER/c1c2c3c40.yaml
    for spec in FOLDER/*.yaml; do
        fieldspec train $spec --recipe fast25 --epochs 2 --threads 1 --data CIFAR10 -o RUNS/$(basename $spec .yaml)
    done
    python benchmarks/promise.py collect RUNS FOLDER  # into benchmarks/promise.csv
    python benchmarks/promise.py > benchmarks/promise.txt

The trained networks and their accuracies are in promise.csv, so the table needs no training. They are within the
budgets of c1c2c3c40 in parameters and multiply-adds; the first 16 are spread over parameters, multiply-adds and
field, the next 12 over multiply-adds and field at nearly equal parameters. A tenth of the training images was held
out.
"""

import csv
import math
import platform
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from search import SPACE

from fieldspec.analysis.promise.promise import Promise
from fieldspec.analysis.report.report import Report
from fieldspec.architectures import analyze
from fieldspec.architectures.document.reader import read
from fieldspec.architectures.document.values import flow
from fieldspec.architectures.spaces.open_spec import OpenSpec, open_spec
from fieldspec.architectures.spec.constraints import MEASURES
from fieldspec.blocks.layers import Activation, numel
from fieldspec.search.space.candidates import Candidate, measure, values_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CATALOGUE = "c1c2c3c40"  # in addition to those of the space
TRAINED = Path(__file__).with_suffix(".csv")
POOL = 3_000  # candidates to choose from
BUDGET = {"params": 178_178, "macs": 21_766_440}
EQUAL = range(140_000, 178_179)  # range of nearly equal parameters
LINES = (
    *[(name,) for name in ("params", "macs", "receptive_field", "depth", "entropy", "map_entropy", "effectiveness")],
    *[("params", "macs"), ("params", "macs", "receptive_field"), ("params", "macs", "depth")],
    *[("params", "macs", "effective_field"), ("params", "macs", "memory"), ("params", "macs", "narrowest_map")],
    *[("params", "macs", "entropy"), ("params", "macs", "map_entropy"), ("params", "macs", "effectiveness")],
    *[("params", "receptive_field"), ("params", "macs", "receptive_field", "narrowest_map")],
)
WIDE = 10  # characters per column
DRAWS = 2_000  # bootstrap samples


def nonlinear(report: Report) -> int:
    """Number of elements after activations."""
    return sum(numel(layer.shape) for layer in report.layers if isinstance(layer.layer, Activation))


def image_share(report: Report) -> float:
    """Share of the image inside the effective field."""
    return Promise.of(report).image_share or 0.0


READINGS: dict[str, Callable[[Report], float]] = {
    **{name: MEASURES[name] for name in ("params", "macs", "memory", "receptive_field", "effective_field")},
    "image_share": image_share,
    **{name: MEASURES[name] for name in ("depth", "entropy", "map_entropy", "effectiveness", "narrowest_map")},
    "nonlinear elements": nonlinear,
}


# -- the networks ----------------------------------------------------------------------------------------------


def draw(folder: Path) -> None:
    """Write networks of the space within the budgets as specs."""
    spec = open_spec(read(SPACE))
    pool = candidates(spec, random.Random(0))
    chances = np.random.default_rng(0)
    chosen = spread(pool, ("params", "macs", "receptive_field"), 16, chances)
    equal = [one for one in pool if one.measures["params"] in EQUAL]
    chosen += spread(equal, ("macs", "receptive_field"), 12, chances)
    folder.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(chosen):
        data = spec.document(values_of(spec, one.numbers)) | {"name": f"n{number:02}"}
        data.pop("constraints")
        (folder / f"n{number:02}.yaml").write_text(yaml.safe_dump(data, sort_keys=False))


def candidates(spec: OpenSpec, chances: random.Random) -> list[Candidate]:
    """Sample candidates within the budgets; low values of wide domains are favored, or few networks would be small."""
    found: dict[tuple[float, ...], Candidate] = {}
    while len(found) < POOL:
        scale = chances.random()
        numbers = []
        for domain in spec.domains:
            count = len(domain.values)
            low = min(int(count * chances.random() ** (1 + 3 * scale)), count - 1)
            numbers.append(low if count > 5 else chances.randrange(count))
        one = measure(spec, numbers, (*BUDGET, "receptive_field"))
        if one is not None and all((one.measures[name] or math.inf) <= most for name, most in BUDGET.items()):
            found.setdefault(tuple([one.measures[name] or 0 for name in BUDGET]), one)
    return list(found.values())


def spread(
    pool: Sequence[Candidate], names: Sequence[str], count: int, chances: np.random.Generator
) -> list[Candidate]:
    """Choose candidates far apart in the logarithms of some measures, without the outermost 2 %."""
    at = np.array([[math.log(one.measures[name] or 1) for name in names] for one in pool])
    low, high = np.quantile(at, (0.01, 0.99), axis=0)
    at = (at - low) / (high - low)
    inside = ((at >= 0) & (at <= 1)).all(axis=1)
    kept = [int(chances.choice(np.flatnonzero(inside)))]
    while len(kept) < count:
        apart = np.linalg.norm(at[:, None] - at[kept][None], axis=2).min(axis=1)
        kept.append(int(np.where(inside, apart, -1.0).argmax()))
    return [pool[number] for number in kept]


def collect(runs: Path, specs: Path) -> None:
    """Collect the accuracies of finished runs and the values of their networks in a table."""
    domains = open_spec(read(SPACE)).domains
    with TRAINED.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "held_out", *[domain.name for domain in domains]])
        for path in sorted(specs.glob("*.yaml")):
            log = runs / path.stem / "log.csv"
            if (runs / path.stem / "evaluation.json").is_file():
                accuracy = float(list(csv.DictReader(log.open()))[-1]["held_out_accuracy"])
                data = {} if path.stem == CATALOGUE else yaml.safe_load(path.read_text())
                values = [flow(value_at(data, domain.path)) if data else "" for domain in domains]
                writer.writerow([path.stem, f"{accuracy:.4f}", *values])


def value_at(data: Any, path: Sequence[int | str]) -> Any:
    """The value at a path of a document."""
    for key in path:
        data = data[key]
    return data


def trained() -> tuple[list[Report], Floats]:
    """Read the networks of the table and their accuracies."""
    spec = open_spec(read(SPACE))
    reports, accuracies = [], []
    for row in csv.DictReader(TRAINED.open()):
        values = [yaml.safe_load(row[domain.name]) for domain in spec.domains]
        source = CATALOGUE if row["name"] == CATALOGUE else {**spec.document(values), "name": row["name"]}
        reports.append(analyze(source))
        accuracies.append(float(row["held_out"]))
    return reports, np.array(accuracies)


# -- the judgement ---------------------------------------------------------------------------------------------


def kendall(x: Floats, y: Floats) -> float:
    """Kendall's tau-b."""
    across, up = np.sign(x[:, None] - x), np.sign(y[:, None] - y)
    scale = np.sqrt((across**2).sum() * (up**2).sum())
    return float((across * up).sum() / scale) if scale else 0.0


def ranks(x: Floats) -> Floats:
    """Centered ranks, averaged for ties."""
    placed = (x[:, None] > x).sum(axis=1) + (x[:, None] == x).sum(axis=1) / 2
    centered: Floats = placed - placed.mean()
    return centered


def pearson(x: Floats, y: Floats) -> float:
    """The correlation of centered numbers."""
    scale = np.sqrt((x**2).sum() * (y**2).sum())
    return float((x * y).sum() / scale) if scale > 1e-9 else 0.0


def spearman(x: Floats, y: Floats) -> float:
    """Spearman's rho."""
    return pearson(ranks(x), ranks(y))


def partial(x: Floats, y: Floats, given: Floats) -> float:
    """Spearman's partial rank correlation, given a third variable."""
    by = ranks(given)
    left = [one - by * (one * by).sum() / max(float((by**2).sum()), 1e-9) for one in (ranks(x), ranks(y))]
    return pearson(*left)


def interval(of: Callable[[Ints], float], count: int) -> str:
    """Format a correlation with its 95 % interval, by bootstrap over networks."""
    drawn = [of(rows) for rows in np.random.default_rng(0).integers(0, count, (DRAWS, count))]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return f"{of(np.arange(count)):+.2f} [{low:+.2f}, {high:+.2f}]"


def row(values: Floats, accuracies: Floats, params: Floats) -> list[str]:
    """Correlations over all networks (tau, rho, rho given parameters), and at nearly equal parameters (tau, rho)."""
    some = np.flatnonzero(np.isin(params, EQUAL))

    def by(of: Callable[[Floats, Floats], float], among: Ints) -> str:
        return interval(lambda rows: of(values[among[rows]], accuracies[among[rows]]), len(among))

    every = np.arange(len(values))
    left = interval(lambda rows: partial(values[rows], accuracies[rows], params[rows]), len(values))
    left = "" if (values == params).all() else left
    return [by(kendall, every), by(spearman, every), left, by(kendall, some), by(spearman, some)]


def together(numbers: Mapping[str, Floats], accuracies: Floats) -> None:
    """Leave-one-out error of linear fits of accuracy in the logarithms of some measures."""
    print(f"\nPoints by which a line misses a network that is left out (deviation {100 * accuracies.std(ddof=1):.2f})")
    for names in LINES:
        across = np.stack([np.log(numbers[name]) for name in names] + [np.ones(len(accuracies))], axis=1)
        hat = across @ np.linalg.pinv(across)
        missed = (accuracies - hat @ accuracies) / (1 - np.diag(hat))
        slopes = 100 * np.linalg.pinv(across) @ accuracies
        told = ", ".join([f"{slope:+.1f} log {name}" for slope, name in zip(slopes[:-1], names, strict=True)])
        print(f"{100 * np.sqrt((missed**2).mean()):6.2f}  {told}")


def table() -> None:
    """Print each measure's correlations, then the networks."""
    reports, accuracies = trained()
    params = np.array([report.params for report in reports], dtype=np.float64)
    equal = int(np.isin(params, EQUAL).sum())
    print(f"{date.today()}, Python {platform.python_version()}, numpy {np.__version__}")
    print(f"{len(reports)} networks, {equal} of them with {EQUAL[0]:,} to {EQUAL[-1]:,} parameters; held-out accuracy "
          f"after two epochs of fast25\nfrom {accuracies.min():.1%} to {accuracies.max():.1%}. Rank correlations with "
          "95 % intervals (bootstrap over networks); a minus: less is better\n")  # fmt: skip
    heads = ["tau, all", "rho, all", "rho given params", "tau, equal params", "rho, equal params"]
    width = 22
    print(" " * 19 + "".join([head.ljust(width) for head in heads]).rstrip())
    numbers = {name: np.array([float(reading(one)) for one in reports]) for name, reading in READINGS.items()}
    for name, values in numbers.items():
        print(name.ljust(19) + "".join([cell.ljust(width) for cell in row(values, accuracies, params)]).rstrip())
    together(numbers, accuracies)
    names = [one.name for one in reports]
    print("\nheld out " + " ".join([name.rjust(WIDE) for name in ["network", *[n.split("_")[0] for n in READINGS]]]))
    for at in np.argsort(-accuracies):
        cells = [names[at].rjust(WIDE), *[told(values[at]).rjust(WIDE) for values in numbers.values()]]
        print(f"{100 * accuracies[at]:6.2f} % " + " ".join(cells))


def told(value: float) -> str:
    """Format a number, with three decimals if small."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}"


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["draw", folder]:
            draw(Path(folder))
        case ["collect", runs, specs]:
            collect(Path(runs), Path(specs))
        case _:
            table()
