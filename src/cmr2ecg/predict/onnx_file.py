"""A release's networks as ONNX graphs, and the check that these give the same numbers."""

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from timm.layers import set_fused_attn
from torch import Tensor, nn

from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.predict.ensemble import Ensemble, Network, build_encoder, build_ensemble, embed, predict
from cmr2ecg.predict.onnx_session import open_onnx
from cmr2ecg.predict.release import EMBEDDING, Release
from cmr2ecg.runtime.command import InputError

TOLERANCE = 1e-4  # of a standard deviation, or of a probability
OPSET = 17


def export_onnx(ensemble: Ensemble, ecg: np.ndarray, path: Path) -> None:
    """Write the graph: input `ecg` (n, 12, recorded samples), an output (seeds, n, outputs) named as each target.

    torch's tracing exporter takes 4 s for the demo's 40 networks, its newer one 104 s for the same graph.

    Args:
        ensemble: on the CPU, built without fused attention, which the tracer does not support.
        ecg: cleaned ECGs (n, 12, recorded samples) to trace it with.
        path: the file to write; weights are inside.
    """
    dims = {"ecg": {0: "n"}, **{target: {1: "n"} for target in ensemble.targets}}
    _trace(ensemble, ecg, path, dims)


def _trace(network: nn.Module, ecg: np.ndarray, path: Path, dims: dict[str, dict[int, str]]) -> None:
    """Write a network's graph; `dims` names its input, its outputs and which of their dimensions may vary."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about values that become constants, as intended
        torch.onnx.export(
            network,
            (torch.from_numpy(ecg),),
            path,
            input_names=["ecg"],
            output_names=[name for name in dims if name != "ecg"],
            dynamic_axes=dims,
            opset_version=OPSET,
            dynamo=False,
        )


class FirstSamples(nn.Module):
    """An encoder that takes whole records and uses their first samples, as `ensemble.embed` does."""

    def __init__(self, encoder: EcgEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ecg: Tensor) -> Tensor:
        """Return embeddings (batch, dim) of ECGs (batch, 12, recorded samples)."""
        return self.encoder(ecg[..., : self.encoder.samples])


def export_encoder(release: Release, ecg: np.ndarray, path: Path) -> float:
    """Write the pre-trained encoder's graph, output `embedding` (n, dim), and return its largest difference.

    The difference from the network is in standard deviations of the embeddings, for several ECGs and for one.

    Raises:
        InputError: if it is above TOLERANCE.
    """
    encoder = _unfused(build_encoder, release)
    _trace(FirstSamples(encoder).eval(), ecg, path, {"ecg": {0: "n"}, EMBEDDING: {0: "n"}})
    encoder, graph = build_encoder(release), open_onnx(path)
    ours = [embed(encoder, some) for some in (ecg, ecg[:1])]
    theirs = [graph(some)[EMBEDDING] for some in (ecg, ecg[:1])]
    scale = max(float(ours[0].std()), 1e-6)
    return _checked(path, max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True)) / scale)


def _unfused(build: Callable[[Release], Network], release: Release) -> Network:
    """Return networks whose attention the tracer supports."""
    set_fused_attn(False)
    try:
        return build(release)
    finally:
        set_fused_attn(True)


def _checked(path: Path, worst: float) -> float:
    """Return the difference, checked."""
    if not worst <= TOLERANCE:
        raise InputError(f"{path}: differs from the networks by {worst:.1e}, more than {TOLERANCE:.0e}")
    return worst


def parity(ensemble: Ensemble, path: Path, ecg: np.ndarray) -> float:
    """Return the largest difference between torch and onnxruntime, phenotypes in standard deviations.

    Raises:
        InputError: if it is above TOLERANCE.
    """
    ours, theirs = predict(ensemble, ecg), open_onnx(path)(ecg)
    worst = 0.0
    for name, fits in ensemble.by_target.items():
        scale = 1.0 if fits.std is None else fits.std.numpy()
        worst = max(worst, float(np.max(np.abs(ours[name] - theirs[name]) / scale)))
    return _checked(path, worst)


def export_checked(release: Release, ecg: np.ndarray, path: Path) -> float:
    """Write the graph and return its largest difference from the networks, for several ECGs and for one.

    Raises:
        InputError: if it differs by more than TOLERANCE.
    """
    export_onnx(_unfused(build_ensemble, release), ecg, path)
    ensemble = build_ensemble(release)
    return max(parity(ensemble, path, ecg), parity(ensemble, path, ecg[:1]))


def example(samples: int) -> NDArray[np.float32]:
    """Return two synthetic cleaned ECGs (2, 12, samples) to try a network on: noise around beats, unit variance."""
    rng = np.random.default_rng(0)
    beats = np.cos(np.arange(samples) * 2 * np.pi / 400) ** 20
    return (beats + rng.normal(0, 0.3, (2, 12, samples))).astype(np.float32)


def example_record(samples: int) -> NDArray[np.float32]:
    """Return one synthetic ECG (1, 12, samples) in mV, with limb leads that agree (Einthoven, Goldberger)."""
    ecg = example(samples)[:1]
    one, two = ecg[:, 0], ecg[:, 1]
    ecg[:, 2:6] = np.stack([two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=1)
    return ecg
