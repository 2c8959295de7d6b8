"""Time of a whole report compared with other tools, in one process on the same networks.

    pip install fvcore torchlens
    pip install --no-deps --ignore-requires-python rfa_toolbox        # declares Python < 3.11
    python benchmarks/analysis.py

Fifty different specs of the C1C2C3C40 family, all with different widths, so that caches between calls do not help. Each
tool gets its input prepared (a loaded spec, or the same network in plain torch, in eval mode) and is timed for
everything that it reports: fieldspec's whole report, torchinfo's summary, fvcore's multiply-adds, TorchLens' trace with
the receptive fields that it has, rfa_toolbox' graph with fields.

Loading a spec validates it completely, so a loaded spec has its layers laid out and their fields computed. Two further
rows repeat that work: the report of layers laid out again, and of a dict that is loaded first.
"""

import collections
import collections.abc
import contextlib
import gc
import importlib
import importlib.metadata
import io
import logging
import platform
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from seed_network import SeedNetwork

import fieldspec as fs
from fieldspec.analysis import report_of
from fieldspec.blocks.block import Chain
from fieldspec.blocks.graph import LayerGraph
from fieldspec.blocks.library import conv

SPECS = 50
SLOW = 8  # number of networks for tools that take over 100 ms each
CHAIN_ROUNDS = 3  # repetitions; the fastest counts


def family(number: int) -> dict[str, Any]:
    """A member of the family with its own widths."""
    document = fs.load("c1c2c3c40").to_dict()
    document["name"] = f"c1c2c3c40_{number}"
    for layer in document["layers"]:
        for settings in layer.values():
            if "expand" in settings:
                settings["expand"] += number
    return document


def seconds(function: Callable[[Any], object], subjects: list[Any]) -> list[float]:
    """Time of each call; the first subject is the warm-up."""
    function(subjects[0])
    times = []
    for subject in subjects[1:]:
        start = time.perf_counter()
        function(subject)
        times.append(time.perf_counter() - start)
    return times


def tools() -> Iterator[tuple[str, Callable[[torch.nn.Module], object]]]:
    """The other tools that are installed; prints which are missing."""
    image = torch.zeros(1, 3, 32, 32)

    def torchinfo(net: torch.nn.Module) -> object:
        module = importlib.import_module("torchinfo")
        return str(module.summary(net, input_size=(1, 3, 32, 32), verbose=0, depth=9))

    def fvcore(net: torch.nn.Module) -> object:
        return importlib.import_module("fvcore.nn").FlopCountAnalysis(net, image).total()

    def torchlens(net: torch.nn.Module) -> object:
        trace = importlib.import_module("torchlens").trace(net, image)
        sizes = []
        for layer in trace.layers:
            with contextlib.suppress(Exception):  # missing for pooled and flat layers
                sizes.append(layer.receptive_field.size)
        return sizes

    def rfa_toolbox(net: torch.nn.Module) -> object:
        collections.Sequence = collections.abc.Sequence  # type: ignore[attr-defined]  # its name before Python 3.10
        module = importlib.import_module("rfa_toolbox")
        return module.create_graph_from_pytorch_model(net, input_res=(1, 3, 32, 32))

    for tool in (torchinfo, fvcore, torchlens, rfa_toolbox):
        yield tool.__name__, tool


def laid_out_and_read(spec: fs.ArchitectureSpec) -> fs.Report:
    """The report of a spec, with layers laid out and fields computed again."""
    graph = LayerGraph(spec.graph.nodes[:1])
    outputs = [0]
    for item in spec.items:
        outputs.append(graph.place(item.block, item.id, *[outputs[source] for source in item.sources]))
    graph.output = outputs[-1]
    if spec.head is not None:
        for part in (spec.head.pooling, spec.head.body, spec.head.classifier):
            graph.output = graph.place(part, "head", graph.output)
    return report_of(graph, spec.name)


def compare() -> float:
    """Print the table; returns the speedup over torchinfo."""
    documents = [family(number) for number in range(SPECS + 1)]
    specs = [fs.load(document) for document in documents]
    nets = [SeedNetwork(number).eval() for number in range(SPECS + 1)]
    for spec, net in zip(specs, nets, strict=True):
        assert fs.analyze(spec).params == sum(parameter.numel() for parameter in net.parameters())
    ours = statistics.median(seconds(fs.analyze, specs))
    anew = statistics.median(seconds(laid_out_and_read, specs))
    loading = statistics.median(seconds(fs.load, documents))
    both = statistics.median(seconds(fs.analyze, documents))
    image = torch.zeros(1, 3, 32, 32)
    with torch.inference_mode():
        forward = statistics.median(seconds(lambda net: net(image), nets))
    print(f"{'':<28}{'median ms':>10}{'fieldspec = 1':>15}")
    rows = [
        ("fieldspec, loaded spec", ours),
        ("fieldspec, laid out anew", anew),
        ("fieldspec, load the spec", loading),
        ("fieldspec, dict to report", both),
        ("one forward pass", forward),
    ]
    for name, tool in tools():
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            logging.disable()  # fvcore logs each op that it does not count
            try:
                first = seconds(tool, nets[:2])[0]
                times = seconds(tool, nets if first < 0.1 else nets[:SLOW])
            except Exception as error:  # shown in the table: a tool that fails has no time
                rows.append((f"{name}: {type(error).__name__}", float("nan")))
                continue
        rows.append((f"{name} {importlib.metadata.version(name)}", statistics.median(times)))
    for name, median in rows:
        print(f"{name:<28}{median * 1e3:>10.3f}{median / ours:>15.1f}")
    return dict(rows)[f"torchinfo {importlib.metadata.version('torchinfo')}"] / ours


def chains() -> None:
    """Print the time per layer for chains of growing length: constant if the cost is linear."""
    print(f"\n{'chain of bare 3x3 convs':<28}{'us a layer':>10}")
    layer = conv(4, out_channels=4, norm="none", act="none").children[0][1]
    for length in (1_000, 10_000, 100_000):
        block = Chain(tuple((f"conv{number}", layer) for number in range(length)))
        spent = []
        for _ in range(CHAIN_ROUNDS):
            gc.collect()
            start = time.perf_counter()
            report = report_of(LayerGraph.of(block, (4, 32, 32)))
            spent.append(time.perf_counter() - start)
            assert report.features.receptive_field == (2 * length + 1,) * 2
        print(f"{length:<28,}{min(spent) / length * 1e6:>10.1f}")


def command() -> None:
    """Print the time of the whole command, in a new process each."""
    times = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "fieldspec", "analyze", "c1c2c3c40"], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    print(f"\n{'fieldspec analyze c1c2c3c40':<28}{statistics.median(times) * 1e3:>10.0f} ms, a process each")


if __name__ == "__main__":
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {versions}")
    print(f"{torch.get_num_threads()} threads; {SPECS} specs ({SLOW} for tools over 100 ms)\n")
    ratio = compare()
    chains()
    command()
    print(f"\n{ratio:.0f} times faster than torchinfo")
