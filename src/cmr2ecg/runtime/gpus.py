"""Detect whether jobs will use a GPU, for the Snakefile: without torch, whose import takes seconds."""

import os
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/gpus")  # of NVIDIA's driver on Linux: a folder for each GPU


def uses_gpu(device: str) -> bool:
    """Return whether jobs with the setting `device` use a GPU, as chosen by training/device.py on this machine."""
    return device == "cuda" or (device == "auto" and has_gpu())


def has_gpu() -> bool:
    """Return whether this machine has a GPU that CUDA_VISIBLE_DEVICES does not hide."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return not hidden and DRIVER.is_dir() and any(DRIVER.iterdir())
