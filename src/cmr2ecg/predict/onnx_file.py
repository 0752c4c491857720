"""A release's networks as one ONNX graph, and the check that it gives the same numbers."""

import warnings
from pathlib import Path

import numpy as np
import torch
from timm.layers import set_fused_attn

from cmr2ecg.predict.ensemble import Ensemble, build_ensemble, predict
from cmr2ecg.predict.onnx_session import open_onnx
from cmr2ecg.predict.release import Release
from cmr2ecg.runtime.command import InputError

TOLERANCE = 1e-4  # of a standard deviation, or of a probability
OPSET = 17


def export_onnx(ensemble: Ensemble, ecg: np.ndarray, path: Path) -> None:
    """Write the graph: input `ecg` (n, 12, recorded samples), an output (seeds, n, outputs) named as each target.

    torch's tracing exporter takes 4 s for the demo's 40 networks, its newer one 104 s for the same graph.

    Args:
        ensemble: on the CPU, built without fused attention, which the tracer does not know.
        ecg: cleaned ECGs (n, 12, recorded samples) to trace it with.
        path: the file to write; weights are inside.
    """
    names = {"ecg": {0: "n"}, **{target: {1: "n"} for target in ensemble.targets}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numbers that become constants, which they are
        torch.onnx.export(
            ensemble,
            (torch.from_numpy(ecg),),
            path,
            input_names=["ecg"],
            output_names=ensemble.targets,
            dynamic_axes=names,
            opset_version=OPSET,
            dynamo=False,
        )


def parity(ensemble: Ensemble, path: Path, ecg: np.ndarray) -> float:
    """Return the largest difference between torch and onnxruntime, phenotypes in standard deviations.

    Raises:
        InputError: if it is above TOLERANCE.
    """
    ours, theirs = predict(ensemble, ecg), open_onnx(path)(ecg)
    worst = 0.0
    for name, fits in ensemble.fits.items():
        scale = 1.0 if fits.std is None else fits.std.numpy()
        worst = max(worst, float(np.max(np.abs(ours[name] - theirs[name]) / scale)))
    if not worst <= TOLERANCE:
        raise InputError(f"{path}: differs from the networks by {worst:.1e}, more than {TOLERANCE:.0e}")
    return worst


def export_checked(release: Release, ecg: np.ndarray, path: Path) -> float:
    """Write the graph and return its largest difference from the networks, for several ECGs and for one.

    Raises:
        InputError: if it differs by more than TOLERANCE.
    """
    set_fused_attn(False)
    try:
        ensemble = build_ensemble(release)
    finally:
        set_fused_attn(True)
    export_onnx(ensemble, ecg, path)
    ensemble = build_ensemble(release)
    return max(parity(ensemble, path, ecg), parity(ensemble, path, ecg[:1]))
