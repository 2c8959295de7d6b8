"""Time and memory of the report of a PyTorch network, compared with other tools.

    pip install 'fieldspec[bench]'
    pip install --no-deps --ignore-requires-python rfa_toolbox        # declares Python < 3.11
    python benchmarks/trace.py > benchmarks/trace.txt

Time: all tools on the same module in one process, the minimum of several calls. fieldspec computes its whole report,
TorchLens its trace with the receptive fields that it has, rfa_toolbox its graph with fields, torchinfo its summary,
fvcore its multiply-adds. Memory: one process per tool and network, the peak minus the memory before the call, which
includes the network's weights.
"""

import collections
import collections.abc
import contextlib
import importlib
import importlib.metadata
import io
import logging
import platform
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable

import torch
from torch import nn

import fieldspec as fs
from fieldspec.architectures.readings.named_modules import named_module

NETWORKS = (
    "torchvision:resnet18",
    "torchvision:resnet50",
    "torchvision:densenet121",
    "torchvision:googlenet",
    "timm:efficientnet_b0",
    "timm:convnext_tiny",
)
Tool = Callable[[nn.Module, tuple[int, ...]], object]


def fieldspec(net: nn.Module, size: tuple[int, ...]) -> object:
    """fieldspec's whole report."""
    return fs.analyze(net, input_size=size)


def torchlens(net: nn.Module, size: tuple[int, ...]) -> object:
    """TorchLens' trace with the field of every layer, except pooled and flat ones."""
    trace = importlib.import_module("torchlens").trace(net, torch.zeros(1, *size))
    sizes = []
    for layer in trace.layers:
        with contextlib.suppress(Exception):
            sizes.append(layer.receptive_field.size)
    return sizes


def rfa_toolbox(net: nn.Module, size: tuple[int, ...]) -> object:
    """rfa_toolbox' graph, with fields."""
    collections.Sequence = collections.abc.Sequence  # type: ignore[attr-defined]  # its name before Python 3.10
    return importlib.import_module("rfa_toolbox").create_graph_from_pytorch_model(net, input_res=(1, *size))


def torchinfo(net: nn.Module, size: tuple[int, ...]) -> object:
    """torchinfo's summary, without fields."""
    return str(importlib.import_module("torchinfo").summary(net, input_size=(1, *size), verbose=0, depth=9))


def fvcore(net: nn.Module, size: tuple[int, ...]) -> object:
    """fvcore's multiply-adds, without fields."""
    return importlib.import_module("fvcore.nn").FlopCountAnalysis(net, torch.zeros(1, *size)).total()


TOOLS: dict[str, Tool] = {tool.__name__: tool for tool in (fieldspec, torchlens, rfa_toolbox, torchinfo, fvcore)}


def quietly(tool: Tool, net: nn.Module, size: tuple[int, ...]) -> object:
    """Call a tool, suppressing what it prints and logs."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable()
        return tool(net, size)


def times() -> dict[tuple[str, str], float]:
    """Print milliseconds per network and tool: the minimum of the calls within two seconds, at least two calls."""
    least: dict[tuple[str, str], float] = {}
    print(f"{'milliseconds':<26}" + "".join(f"{name:>14}" for name in TOOLS) + f"{'TorchLens = 1/':>16}")
    for name in NETWORKS:
        net, size = named_module(name)
        net.eval()
        cells = ""
        for label, tool in TOOLS.items():
            spent: list[float] = []
            try:
                while len(spent) < 2 or (sum(spent) < 2 and len(spent) < 20):
                    start = time.perf_counter()
                    quietly(tool, net, size)
                    spent.append(time.perf_counter() - start)
            except Exception as error:  # shown in the table: a tool that fails has no time
                cells += f"{type(error).__name__[:13]:>14}"
                continue
            least[name, label] = min(spent)
            cells += f"{min(spent) * 1e3:>14.0f}"
        ratio = least.get((name, "torchlens"), float("nan")) / least[name, "fieldspec"]
        print(f"{name:<26}{cells}{ratio:>16.1f}", flush=True)
    return least


def held() -> int:
    """Current memory of this process, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def memory_of(label: str, name: str) -> None:
    """Print by how many bytes the peak exceeds the memory with network and imports; run in a separate process."""
    net, size = wide(int(name)) if name.isdigit() else named_module(name)
    net.eval()
    quietly(TOOLS[label], *wide(1))  # warm-up: one-time imports and caches
    before = held()
    with open("/proc/self/clear_refs", "w", encoding="ascii") as clear:
        clear.write("5")  # reset the peak
    quietly(TOOLS[label], net, size)
    with open("/proc/self/status", encoding="ascii") as status:
        peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    print(max(0, peak - before))


def wide(times_wider: int) -> tuple[nn.Module, tuple[int, ...]]:
    """A chain of eight 3x3 convolutions with 64 times `width` channels; the weights grow quadratically."""
    channels = 64 * times_wider
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3)]
    for _ in range(8):
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers), (3, 32, 32)


def memories() -> None:
    """Print MB per network and tool, in a process each."""
    print(f"\n{'MB above the network':<26}" + "".join(f"{name:>14}" for name in TOOLS))
    for name in (*NETWORKS[1:3], "1", "8", "16"):
        cells = ""
        for label in TOOLS:
            command = [sys.executable, __file__, label, name]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            cells += f"{int(done.stdout) / 1e6:>14.1f}" if done.returncode == 0 else f"{'failed':>14}"
        weights = sum(p.numel() for p in (wide(int(name))[0] if name.isdigit() else named_module(name)[0]).parameters())
        label = f"8 convs of {64 * int(name)}" if name.isdigit() else name
        print(f"{label:<26}{cells}   ({weights * 4 / 1e6:,.0f} MB of weights)", flush=True)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        memory_of(*sys.argv[1:])
    else:
        print(f"{time.strftime('%Y-%m-%d')}, {platform.machine()}, {torch.get_num_threads()} threads, no GPU used")
        packages = ("torchlens", "rfa_toolbox", "torchinfo", "fvcore", "torch", "timm", "torchvision")
        found = [f"{name} {importlib.metadata.version(name)}" for name in packages]
        print(f"Python {platform.python_version()}, {', '.join(found)}\n")
        least = times()
        ratios = [
            least[name, "torchlens"] / least[name, "fieldspec"] for name in NETWORKS if (name, "torchlens") in least
        ]
        memories()
        print(f"\nat least {min(ratios):.0f} times faster than TorchLens with fields")
