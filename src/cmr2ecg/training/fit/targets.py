"""What a fit predicts: one disease (cross-entropy, AUROC) or a group of phenotypes (squared error, Pearson's r)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from cmr2ecg.loading.labels import output_names, output_values, unusable
from cmr2ecg.metrics.auroc import auroc
from cmr2ecg.metrics.correlation import pearson
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import is_regression


@dataclass(frozen=True)
class Task:
    """A target and the names of its outputs: one for a disease, one a phenotype for a group of §IV-B."""

    target: str
    outputs: tuple[str, ...]

    @property
    def is_regression(self) -> bool:
        """Say whether the outputs are phenotypes."""
        return is_regression(self.target)

    @property
    def metric(self) -> str:
        """Return the name of the validation metric (§IV-D.2)."""
        return "r" if self.is_regression else "auroc"

    @property
    def network_outputs(self) -> int:
        """Return the width of the head: two classes, or one value a phenotype."""
        return len(self.outputs) if self.is_regression else 2


def task_of(target: str) -> Task:
    """Return the task of a phenotype group (lv, rv, wt, ecc, err) or, by any other name, of a disease."""
    return Task(target, tuple(output_names(target)))


def values_of(task: Task, labels: Path, phenotypes: Path, eids: np.ndarray) -> np.ndarray:
    """Return what the subjects have (n, outputs) float64: 0 or 1, or the phenotypes' units with NaN where absent.

    Raises:
        InputError: if a table lacks a subject or a column.
    """
    return output_values(phenotypes if task.is_regression else labels, task.target, eids)


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation of each output (k,) over the training subjects that have it."""

    mean: np.ndarray
    std: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Scale":
        """Return the statistics of values (n, k), NaN left out; the standard deviation is the population's."""
        return cls(np.nanmean(values, axis=0), np.nanstd(values, axis=0))

    def to_z(self, values: np.ndarray) -> np.ndarray:
        """Return z-scores of values (n, k) in their units."""
        return (values - self.mean) / self.std

    def to_units(self, z: np.ndarray) -> np.ndarray:
        """Return values in their units of z-scores (n, k)."""
        return z * self.std + self.mean


def learnable(task: Task, train: np.ndarray, val: np.ndarray) -> tuple[list[int], dict[str, str]]:
    """Return the columns that can be learnt and scored, and {output: reason} of the others.

    Args:
        task: the target.
        train, val: (n, outputs) values, NaN where absent.

    Raises:
        InputError: if no column is left; gives the first one's reason and names no subject.
    """
    reasons = {name: unusable(task.target, train[:, k], val[:, k]) for k, name in enumerate(task.outputs)}
    kept = [k for k, reason in enumerate(reasons.values()) if not reason]
    if not kept:
        name, reason = next(iter(reasons.items()))
        raise InputError(f"{task.target}: cannot be learnt or scored; {name} has {reason}")
    return kept, {name: reason for name, reason in reasons.items() if reason}


def loss_of(task: Task, outputs: Tensor, targets: Tensor, label_smoothing: float) -> Tensor:
    """Return the mean loss of a batch, in fp32.

    Args:
        task: the target.
        outputs: (batch, network_outputs) logits of the two classes, or z-scored phenotypes.
        targets: (batch, outputs) labels 0 or 1, or z-scores with NaN where absent.
        label_smoothing: share of the label spread over both classes; diseases only.

    Returns:
        cross-entropy, or the squared error averaged over the values that are there (0 if none is).
    """
    if not task.is_regression:
        return cross_entropy(outputs.float(), targets[:, 0].long(), label_smoothing=label_smoothing)
    present = ~targets.isnan()
    errors = outputs.float() - targets.nan_to_num()
    return (errors.square() * present).sum() / present.sum().clamp(min=1)


def readout(task: Task, outputs: Tensor, scale: Scale) -> np.ndarray:
    """Return (n, outputs) float64: the probability of the disease, or phenotypes in their units.

    outputs: (n, network_outputs) of the network.
    """
    if task.is_regression:
        return scale.to_units(outputs.double().cpu().numpy())
    return outputs.float().softmax(dim=1)[:, 1:].double().cpu().numpy()


def score(task: Task, y_true: np.ndarray, y_score: np.ndarray) -> float:
    """Return the AUROC, or the mean over phenotypes of Pearson's r, of (n, outputs) values; y_true may hold NaN."""
    if not task.is_regression:
        return auroc(y_true[:, 0], y_score[:, 0])
    by_output = [pearson(a, b) for a, b in zip(y_true.T, y_score.T, strict=True)]
    return float(np.mean(np.nan_to_num(by_output)))  # constant predictions order nothing: 0


def targets_tensor(task: Task, values: np.ndarray, scale: Scale) -> Tensor:
    """Return training targets (n, outputs) float32: labels as they are, phenotypes as z-scores."""
    return torch.tensor(scale.to_z(values) if task.is_regression else values, dtype=torch.float32)
