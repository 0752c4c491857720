"""Run a release's ONNX graph; nothing here imports torch, whose import alone takes seconds."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cmr2ecg.runtime.command import InputError


def open_onnx(path: Path) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
    """Return a function from cleaned ECGs (n, 12, recorded samples) to each target's (seeds, n, outputs) float64.

    A call takes one core, and several threads may call at once: with many small networks that is faster than a call
    on several cores, which wait for each other at every operation.

    Raises:
        InputError: if the file cannot be read.
    """
    # From 1.29 ONNX Runtime reports its use to Microsoft unless this is set at import.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()  # in case it was imported before
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions have no common base class
        raise InputError(
            f"{path}: not a readable ONNX file ({type(error).__name__}); fetch the release again"
        ) from error
    names = [output.name for output in session.get_outputs()]

    def outputs(ecg: np.ndarray) -> dict[str, np.ndarray]:
        values = session.run(None, {"ecg": np.ascontiguousarray(ecg, np.float32)})
        return {name: value.astype(np.float64) for name, value in zip(names, values, strict=True)}

    return outputs
