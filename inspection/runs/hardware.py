"""What this machine is good at: device, precision and memory layout."""

import ctypes
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch


@dataclass(frozen=True)
class Hardware:
    """What training runs on.

    Attributes:
        precision: Lightning's name of it, e.g. `bf16-mixed`.
        channels_last: Whether images and weights lie with the channels last.
        description: For people.
        device: `cuda`, `mps` or `cpu`.
    """

    precision: str
    channels_last: bool
    description: str
    device: Literal["cuda", "mps", "cpu"] = "cpu"


def _cpu_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def cpu_has_bf16() -> bool:
    """Whether the CPU multiplies bfloat16 in hardware; without, bf16 is slower than float32."""
    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, check, lambda: False)()) for check in checks)


def pick_hardware(trainer: Mapping[str, Any]) -> Hardware:
    """Device, precision and layout for a trainer config; what it states is taken, `auto` is decided here."""
    accelerator = str(trainer["accelerator"])
    kind: Literal["cuda", "mps", "cpu"] = "cpu"
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        kind = "cuda"
    elif accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        kind = "mps"
    precision = str(trainer["precision"])
    if precision == "auto":
        if kind == "cuda":
            precision = (
                "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
            )
        else:
            precision = "bf16-mixed" if kind == "cpu" and cpu_has_bf16() else "32-true"
    layout = trainer["channels_last"]
    channels_last = (kind == "cuda" or precision == "bf16-mixed") if layout == "auto" else bool(layout)
    if kind == "cuda":
        name = f"GPU {torch.cuda.get_device_name()}"
    elif kind == "mps":
        name = "GPU (Apple)"
    else:
        name = f"CPU {_cpu_name()}, {torch.get_num_threads()} threads of {os.cpu_count()}"
    return Hardware(precision, channels_last, name, kind)


def keep_freed_memory() -> None:
    """Let the process reuse freed memory instead of handing it back at once (glibc; elsewhere nothing happens).

    Every step frees and allocates the same large tensors. By default glibc maps and unmaps each of them, and the
    kernel fills the pages with zeros again and again: nearly half of a LeNet step on a CPU. `give_back_memory`
    ends it.
    """
    _mallopt(-4, 0)  # M_MMAP_MAX: no mappings of their own for large blocks
    _mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD: the heap keeps up to 2 GiB of free space on its top


def give_back_memory() -> None:
    """Hand free memory back to the system, for example after a job of a sweep."""
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


def _mallopt(parameter: int, value: int) -> None:
    libc = _glibc()
    if libc is not None:
        libc.mallopt(parameter, value)


def _glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    try:
        return ctypes.CDLL("libc.so.6")
    except OSError:
        return None
