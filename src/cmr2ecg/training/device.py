"""Where a training runs and in which precision."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from timm.layers import set_fused_attn

from cmr2ecg.runtime.command import InputError


def pick_device(name: str) -> torch.device:
    """Return the device for "auto" (GPU if there is one), "cpu" or "cuda".

    Raises:
        InputError: if "cuda" is asked for and there is no GPU.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError("config: device is cuda, but torch finds no GPU; set device: auto")
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def has_bf16(device: torch.device) -> bool:
    """Say whether the GPU or processor multiplies bf16 natively; emulated bf16 is slower than fp32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    cpuinfo = Path("/proc/cpuinfo")
    flags = cpuinfo.read_text() if cpuinfo.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def pick_precision(name: str, device: torch.device) -> str:
    """Return "bf16" or "fp32" for "auto", "bf16" or "fp32"."""
    if name == "auto":
        return "bf16" if has_bf16(device) else "fp32"
    return name


@dataclass(frozen=True)
class Machine:
    """Where networks are trained: device and precision, "bf16" or "fp32"."""

    device: torch.device
    precision: str

    def described(self, threads: int) -> dict[str, object]:
        """Return what result.json says of it."""
        return {"device": self.device.type, "precision": self.precision, "threads": threads}


def pick_machine(settings: Mapping[str, Any]) -> Machine:
    """Return the machine that a step's settings `device` and `precision` name, and choose timm's attention for it.

    Raises:
        InputError: if a GPU is asked for and there is none.
    """
    device = pick_device(settings["device"])
    machine = Machine(device, pick_precision(settings["precision"], device))
    pick_attention(machine.device, machine.precision)
    return machine


def autocast(device: torch.device, precision: str) -> AbstractContextManager:
    """Return the context in which a forward pass runs in `precision`."""
    if precision == "fp32":
        return nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def pick_attention(device: torch.device, precision: str) -> None:
    """Choose timm's attention for networks built from now on.

    On the CPU in bf16 torch's fused attention is slow backwards; plain matrix products are about twice as fast, and
    models/attention.py takes them in pieces.
    """
    set_fused_attn(not (device.type == "cpu" and precision == "bf16"))
