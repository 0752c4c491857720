"""Whether jobs will use a GPU, found without torch, whose import takes seconds: the Snakefile asks."""

import os
from pathlib import Path

DRIVER = Path("/proc/driver/nvidia/gpus")  # of NVIDIA's driver on Linux: a folder for each GPU


def uses_gpu(device: str) -> bool:
    """Return whether jobs with the setting `device` use a GPU, as training/device.py will choose on this machine."""
    return device == "cuda" or (device == "auto" and has_gpu())


def has_gpu() -> bool:
    """Return whether this machine has a GPU that CUDA_VISIBLE_DEVICES does not hide."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip() in ("", "-1")
    return not hidden and DRIVER.is_dir() and any(DRIVER.iterdir())
