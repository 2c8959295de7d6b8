"""What a run is computed on: said on its card, and asked before bfloat16 is used."""

from __future__ import annotations

import ctypes
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


def keep_freed_memory() -> bool:
    """Tell the C library to keep the memory of freed tensors for the next ones; whether it has been told.

    glibc maps every block of more than 32 MB anew and gives it back when it is freed, so that each activation of each
    step is paid for in page faults: more than half of the time of a step of c1c2c3c40 at batch 128 on two cores. The
    process then keeps the most that it ever used. Another C library is left as it is.

    Source:
        mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mmap_max, trim_threshold = -4, -1  # M_MMAP_MAX: no block is mapped; M_TRIM_THRESHOLD, -1: none is given back
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, -1))


def hardware(device: torch.device, processes: int = 1) -> str:
    """What computes, in words: a GPU for each process, or the processor that they share."""
    name = device_name(device)
    if device.type == "cuda":
        return f"{processes} x {name}" if processes > 1 else name
    return f"{name}, {torch.get_num_threads()} threads"


def device_name(device: torch.device) -> str:
    """The GPU, or the processor."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
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
