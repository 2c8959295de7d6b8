"""What a run is computed on: said on its card, and asked before bfloat16 is used."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

import torch

PACKAGES = ("torch", "torchvision", "timm", "lightning", "albumentations")


def has_bfloat16(accelerator: str) -> bool:
    """Whether the machine computes in bfloat16: elsewhere autocast converts back and forth, and is slower."""
    if accelerator == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if accelerator == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("amx_tile"))
    return False


def hardware(accelerator: str) -> str:
    """The processor in words."""
    if accelerator == "cuda":
        count = torch.cuda.device_count()
        return f"{count} x {torch.cuda.get_device_name(0)}" if count > 1 else torch.cuda.get_device_name(0)
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    for line in information.read_text().splitlines() if information.is_file() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Python's and the packages' that the result leans on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
