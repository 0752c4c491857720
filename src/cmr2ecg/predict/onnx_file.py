"""A release's networks as one ONNX graph, and the check that it gives the same numbers."""

import logging
import warnings
from pathlib import Path

import numpy as np
import torch
from timm.layers import set_fused_attn

from cmr2ecg.command import InputError
from cmr2ecg.predict.ensemble import Ensemble, predict

TOLERANCE = 1e-4  # of a standard deviation, or of a probability
OPSET = 18


def export_onnx(ensemble: Ensemble, ecg: np.ndarray, path: Path) -> None:
    """Write the graph: input `ecg` (n, 12, recorded samples), an output (seeds, n, outputs) named as each target.

    Args:
        ensemble: on the CPU.
        ecg: cleaned ECGs (n >= 2, 12, recorded samples) to trace it with.
        path: the file to write; weights are inside.
    """
    for name in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            ensemble,
            (torch.from_numpy(ecg),),
            path,
            input_names=["ecg"],
            output_names=ensemble.targets,
            dynamic_shapes={"ecg": {0: torch.export.Dim.DYNAMIC}},
            opset_version=OPSET,
            external_data=False,
            dynamo=True,
            verbose=False,
        )


def run_onnx(path: Path, ecg: np.ndarray, threads: int = 1) -> dict[str, np.ndarray]:
    """Return for each target (seeds, n, outputs) of cleaned ECGs (n, 12, recorded samples)."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"ecg": ecg.astype(np.float32)}), strict=True))


def parity(ensemble: Ensemble, path: Path, ecg: np.ndarray) -> float:
    """Return the largest difference between torch and onnxruntime, phenotypes in standard deviations.

    Raises:
        InputError: if it is above TOLERANCE.
    """
    ours, theirs = predict(ensemble, ecg), run_onnx(path, ecg)
    worst = 0.0
    for name, fits in ensemble.fits.items():
        scale = 1.0 if fits.std is None else fits.std.numpy()
        worst = max(worst, float(np.max(np.abs(ours[name] - theirs[name]) / scale)))
    if not worst <= TOLERANCE:
        raise InputError(f"{path}: differs from the networks by {worst:.1e}, more than {TOLERANCE:.0e}")
    return worst


def export_checked(ensemble: Ensemble, ecg: np.ndarray, path: Path) -> float:
    """Write the graph and return its largest difference from the networks, for the ECGs and for one alone.

    Raises:
        InputError: if it differs.
    """
    set_fused_attn(True)
    export_onnx(ensemble, ecg, path)
    return max(parity(ensemble, path, ecg), parity(ensemble, path, ecg[:1]))
