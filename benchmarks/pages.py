"""The size of some networks' pages, and the time that a browser needs to load them and to open every block.

    python benchmarks/pages.py [--times 5]

Headless Chromium; the time to the `load` event, the best of several, since other processes only add to it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import fieldspec as fs
from fieldspec.architectures.readings.named_modules import named_module
from fieldspec.pages import Exhibit, page_of
from fieldspec.training.loop.machine import hardware

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
from browser import Tab, chromium

UNET = {
    "input": [3, 256, 256],
    "layers": [
        {"residual": {"out": 16}, "id": "e1"},
        {"residual": {"out": 32, "stride": 2}, "id": "e2"},
        {"residual": {"out": 64, "stride": 2}, "id": "bottom"},
        {"resize": {"scale": 2}, "id": "up2"},
        {"concat": {}, "from": ["up2", "e2"]},
        {"residual": {"out": 32}},
        {"resize": {"scale": 2}, "id": "up1"},
        {"concat": {}, "from": ["up1", "e1"]},
        {"residual": {"out": 16}},
    ],
}
NETWORKS: dict[str, Any] = {
    "c1c2c3c40": "c1c2c3c40",
    "torchvision:resnet50": None,
    "torchvision:googlenet": None,
    "torchvision:densenet121": None,
    "a U-Net": UNET,
    "a chain of 2,000 convolutions": {"input": [4, 32, 32], "layers": [{"conv": {"out": 4}, "repeat": 2000}]},
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=5)
    times = parser.parse_args().times
    with tempfile.TemporaryDirectory() as folder, chromium(Path(folder) / "profile") as browser:
        print(datetime.now(UTC).date(), hardware(torch.device("cpu")), browser.send("Browser.getVersion")["product"])
        print(f"\n{'':<31}layers     bytes  made in s  opened in s  all blocks in s")
        for name, source in NETWORKS.items():
            report = _report(name, source)
            begun = time.perf_counter()
            text = page_of([Exhibit(report, name)])
            made = time.perf_counter() - begun
            path = Path(folder) / "page.html"
            path.write_text(text, encoding="utf-8")
            tabs = [Tab(browser, path, 1300, 900) for _ in range(times)]
            opened = min(tab.run("performance.getEntriesByType('navigation')[0].loadEventEnd") for tab in tabs) / 1e3
            script = "(() => { const t = performance.now(); document.querySelector('.open-all').click();"
            blocks = min(
                tab.run(f"{script} document.body.offsetHeight; return performance.now() - t; }})()") for tab in tabs
            )
            size = len(text.encode())
            print(f"{name:<30}{len(report.layers) - 1:>7}{size:>10,}{made:>11.1f}{opened:>13.2f}{blocks / 1e3:>17.2f}")


def _report(name: str, source: Any) -> fs.Report:
    if source is not None:
        return fs.analyze(source)
    net, size = named_module(name, weights=False)
    return fs.analyze(net, input_size=size)


if __name__ == "__main__":
    main()
