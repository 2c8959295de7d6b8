"""The machine that a run is computed on: its hardware and versions, bfloat16 support, memory allocator."""

from __future__ import annotations

import ctypes
import platform
from importlib import metadata
from pathlib import Path

import torch

PACKAGES = ("torch", "torchvision", "timm", "lightning", "albumentations")


def has_bfloat16(accelerator: str) -> bool:
    """Whether the hardware supports bfloat16; without it, autocast only converts back and forth, and is slower."""
    if accelerator == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if accelerator == "cpu":
        able = torch.cpu.get_capabilities()
        return bool(able.get("avx512_bf16") or able.get("amx_bf16") or able.get("amx_tile"))
    return False


def keep_freed_memory() -> bool:
    """Make glibc keep the memory of freed tensors for reuse; returns whether it does.

    By default glibc maps every block over 32 MB anew and unmaps it when it is freed, so every activation of every step
    costs page faults: more than half the time of a step of c1c2c3c40 at batch 128 on two cores. With this setting the
    process never shrinks below its peak. Other C libraries are left unchanged.

    Source:
        mallopt(3).
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    mmap_max, trim_threshold = -4, -1  # M_MMAP_MAX 0: never mmap; M_TRIM_THRESHOLD -1: never trim
    return bool(mallopt(mmap_max, 0) and mallopt(trim_threshold, -1))


def hardware(device: torch.device, processes: int = 1) -> str:
    """Name the hardware: a GPU per process, or the CPU and its threads."""
    name = device_name(device)
    if device.type == "cuda":
        return f"{processes} x {name}" if processes > 1 else name
    threads = torch.get_num_threads()
    return f"{name}, {threads} thread{'s' if threads > 1 else ''}"


def device_name(device: torch.device) -> str:
    """The name of the GPU or CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    information = Path("/proc/cpuinfo")
    for line in information.read_text().splitlines() if information.is_file() else []:
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that affect results."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
