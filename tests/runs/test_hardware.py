from pathlib import Path

import pytest
import torch

from inspection.runs import hardware
from inspection.runs.hardware import cpu_has_bf16, pick_hardware


def pick(**settings):
    return pick_hardware({"accelerator": "auto", "precision": "auto", "channels_last": "auto"} | settings)


@pytest.fixture
def machine(monkeypatch):
    """Pretends to be a machine with or without a GPU, and with or without bf16 instructions."""

    def pretend(gpu=False, gpu_bf16=True, cpu_bf16=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: gpu_bf16)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
        monkeypatch.setattr(hardware, "cpu_has_bf16", lambda: cpu_bf16)

    return pretend


@pytest.mark.parametrize(
    ("has", "precision", "channels_last"),
    [
        ({"gpu": True}, "bf16-mixed", True),
        ({"gpu": True, "gpu_bf16": False}, "16-mixed", True),
        ({"cpu_bf16": True}, "bf16-mixed", True),
        ({}, "32-true", False),
    ],
)
def test_picked_for_the_machine(machine, has, precision, channels_last):
    machine(**has)
    picked = pick()
    assert (picked.precision, picked.channels_last) == (precision, channels_last)
    assert picked.description.startswith("GPU H200" if has.get("gpu") else "CPU ")


def test_what_is_stated_is_taken(machine):
    machine(gpu=True, cpu_bf16=True)
    assert pick(precision="32-true").precision == "32-true"
    assert pick(precision="32-true", channels_last=True).channels_last
    assert not pick(channels_last=False).channels_last
    on_cpu = pick(accelerator="cpu")
    assert on_cpu.description.startswith("CPU ")
    assert on_cpu.precision == "bf16-mixed"


def test_this_machine_has_bf16_instructions_or_not():
    """Against what Linux says of the processor."""
    place = Path("/proc/cpuinfo")
    if not place.is_file():
        pytest.skip("no Linux")
    flags = place.read_text(encoding="utf-8", errors="replace")
    if "flags" not in flags:
        pytest.skip("no x86 processor")
    assert cpu_has_bf16() == ("avx512_bf16" in flags or "amx_tile" in flags)
