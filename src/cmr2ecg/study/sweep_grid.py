"""What a sweep tries: the paper's grid, a random part of it, or a successive halving; and in which jobs (§IV-C.2).

Standard library only: Snakemake plans its jobs from here each time the Snakefile is read.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.targets import is_regression

if TYPE_CHECKING:
    from cmr2ecg.study.settings.sweeps import Sweep

CLASSIFICATION_ONLY = ("label_smoothing",)  # a squared error has no labels to smooth
WITHOUT_EFFECT = {"ecg_cnn": ("layer_decay",)}  # axes that change nothing in a network
Trial = Mapping[str, float]


@dataclass(frozen=True)
class Rung:
    """A round of a sweep: `trials` of them are trained up to `epochs`. A grid or random search has one round."""

    epochs: int
    trials: int


def trial_id(settings: Trial) -> str:
    """Return a name that depends on the values alone: not on their order, nor on how a number is written (0 or 0.0)."""
    values = {axis: f"{float(value):.12g}" for axis, value in settings.items()}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def axes_of(grid: Mapping[str, Sequence[float]], target: str) -> dict[str, Sequence[float]]:
    """Return the axes that are swept for a target: an empty one is not, nor is label smoothing for phenotypes."""
    dropped = CLASSIFICATION_ONLY if is_regression(target) else ()
    return {axis: values for axis, values in grid.items() if values and axis not in dropped}


def grid_of(section: "Sweep", encoder: str) -> dict[str, Sequence[float]]:
    """Return one encoder's grid: with its overrides, and no values on axes that change nothing in its network."""
    overrides = {str(name): changes for name, changes in section.overrides.items()}
    own = section.grid.changed(overrides.get(encoder))
    return {**dict(own), **{axis: () for axis in WITHOUT_EFFECT.get(network_of(encoder), ())}}


def combinations(axes: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
    """Return every combination of the axes' values."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def shuffled(trials: Sequence[Trial], seed: int) -> list[Trial]:
    """Return the trials in an order drawn by `seed`, which other trials beside them do not change.

    Each trial's place comes from a hash of the seed and its name. So the first n are a random n without replacement,
    a larger n only adds, and neighbours differ in batch size, which levels the cost of the jobs.
    """
    return sorted(trials, key=lambda trial: hashlib.sha256(f"{seed}:{trial_id(trial)}".encode()).digest())


def planned_trials(section: "Sweep", encoder: str, target: str) -> list[Trial]:
    """Return the trials of one sweep in the order in which they are packed into jobs."""
    whole = shuffled(combinations(axes_of(grid_of(section, encoder), target)), section.seed)
    return whole if section.strategy == "grid" else whole[: section.trials]


def planned_rungs(section: "Sweep", count: int, epochs: int) -> list[Rung]:
    """Return the rounds of a sweep of `count` trials whose trainings have at most `epochs` epochs.

    Successive halving (Jamieson and Talwalkar, AISTATS 2016) trains all trials for minimum_epochs, keeps the best
    1/eta (rounded down, at least one), trains those eta times as long, and so on to `epochs`. It ends as soon as one
    trial is left, for then nothing is left to choose.
    """
    if section.strategy != "halving":
        return [Rung(epochs, count)]
    eta, reached = section.eta, min(section.minimum_epochs, epochs)
    rungs = [Rung(reached, count)]
    while reached < epochs and count // eta > 1:
        reached, count = min(reached * eta, epochs), count // eta
        rungs.append(Rung(reached, count))
    return rungs


def pack_count(trials: int, trials_per_job: int) -> int:
    """Return the number of jobs that so many trials need."""
    return math.ceil(trials / trials_per_job)


def pack_slice(pack: int, trials_per_job: int) -> slice:
    """Return the places that job number `pack` takes in the order of the trials."""
    return slice(pack * trials_per_job, (pack + 1) * trials_per_job)


def epochs_trained(rungs: Sequence[Rung]) -> int:
    """Return the most epochs a sweep trains over all trials, a trial going on where its last round ended."""
    steps = zip(rungs, (0, *(rung.epochs for rung in rungs)), strict=False)
    return sum(rung.trials * (rung.epochs - before) for rung, before in steps)
