"""What a sweep tries: the paper's grid, a random part of it, or a successive halving; and in which jobs (§IV-C.2).

Standard library only: Snakemake plans its jobs from here each time the Snakefile is read.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.targets import is_regression

CLASSIFICATION_ONLY = ("label_smoothing",)  # a squared error has no labels to smooth
WITHOUT_EFFECT = {"ecg_cnn": ("layer_decay",)}  # axes that change nothing in a network
Settings = Mapping[str, float]


@dataclass(frozen=True)
class Rung:
    """A round of a sweep: `trials` of them are trained up to `epochs`. A grid or random search has one round."""

    epochs: int
    trials: int


def trial_id(settings: Settings) -> str:
    """Return a name that depends on the values alone: not on their order, nor on how a number is written (0 or 0.0)."""
    values = {axis: f"{float(value):.12g}" for axis, value in settings.items()}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]


def axes_of(grid: Mapping[str, Sequence[float]], target: str) -> dict[str, Sequence[float]]:
    """Return the axes that are swept for a target: an empty one is not, nor is label smoothing for phenotypes."""
    dropped = CLASSIFICATION_ONLY if is_regression(target) else ()
    return {axis: values for axis, values in grid.items() if values and axis not in dropped}


def grid_of(section: Mapping, encoder: str) -> dict[str, Sequence[float]]:
    """Return one encoder's grid: with its overrides, and no values on axes that change nothing in its network.

    section: config["sweep"].
    """
    own = {**section["grid"], **section["overrides"].get(encoder, {})}
    return own | {axis: [] for axis in WITHOUT_EFFECT.get(network_of(encoder), ())}


def combinations(axes: Mapping[str, Sequence[float]]) -> list[dict[str, float]]:
    """Return every combination of the axes' values."""
    return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]


def shuffled(trials: Sequence[Settings], seed: int) -> list[Settings]:
    """Return the trials in an order drawn by `seed`, which other trials beside them do not change.

    Each trial's place comes from a hash of the seed and its name. So the first n are a random n without replacement,
    a larger n only adds, and neighbours differ in batch size, which levels the cost of the jobs.
    """
    return sorted(trials, key=lambda trial: hashlib.sha256(f"{seed}:{trial_id(trial)}".encode()).digest())


def planned_trials(section: Mapping, target: str) -> list[Settings]:
    """Return the trials of one sweep in the order in which they are packed into jobs.

    section: config["sweep"], with grid, strategy, trials and seed. `trials` null takes the whole grid.
    """
    whole = shuffled(combinations(axes_of(section["grid"], target)), section["seed"])
    return whole if section["strategy"] == "grid" else whole[: section["trials"]]


def planned_rungs(section: Mapping, count: int, epochs: int) -> list[Rung]:
    """Return the rounds of a sweep of `count` trials whose trainings have at most `epochs` epochs.

    Successive halving (Jamieson and Talwalkar, AISTATS 2016) trains all trials for minimum_epochs, keeps the best
    1/eta (rounded down, at least one), trains those eta times as long, and so on to `epochs`. It ends as soon as one
    trial is left, for then nothing is left to choose.
    """
    if section["strategy"] != "halving":
        return [Rung(epochs, count)]
    eta, reached = section["eta"], min(section["minimum_epochs"], epochs)
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


def sweep_disagreements(config: Mapping) -> Iterator[str]:
    """Yield one line for each mistake in config["sweep"] and config["sweep_tabular"]."""
    sweep, tabular, finetune = config["sweep"], config["sweep_tabular"], config["finetune"]
    if sweep["encoders"]:
        yield from _unused("sweep.encoders", sweep["encoders"], "finetune.encoders", finetune["encoders"])
        yield from _unused("sweep.targets", sweep["targets"], "finetune.targets", finetune["targets"])
        for encoder in sweep["encoders"]:
            own = {**sweep, "grid": grid_of(sweep, encoder)}
            for target in sweep["targets"]:
                yield from _grid("sweep", own, target, encoder)
            yield from _trials(own, encoder)
        if sweep["strategy"] == "halving":
            yield from _epochs(sweep, finetune)
    if tabular["targets"]:
        trained = config["train_tabular"]["targets"]
        yield from _unused("sweep_tabular.targets", tabular["targets"], "train_tabular.targets", trained)
        yield from _grid("sweep_tabular", tabular, tabular["targets"][0])


def _unused(name: str, wanted: list[str], other: str, there: list[str]) -> Iterator[str]:
    for item in wanted:
        if item not in there:
            yield f"{name} names {item}, which {other} lacks; add it there or drop it here"


def _grid(name: str, section: Mapping, target: str, encoder: str = "") -> Iterator[str]:
    if not axes_of(section["grid"], target):
        kind = f" for {encoder} and {target}" if encoder else ""
        yield f"{name}.grid is empty{kind}; give one axis its values, or switch the sweep off with {name}." + (
            "targets: []" if name == "sweep_tabular" else "encoders: []"
        )


def _trials(sweep: Mapping, encoder: str) -> Iterator[str]:
    count, strategy = sweep["trials"], sweep["strategy"]
    if strategy == "random" and count is None:
        yield "sweep.trials is null; random wants the number of trials, the whole grid is strategy: grid"
    if strategy == "grid" or count is None:
        return
    for target in sweep["targets"]:
        size = math.prod(len(values) for values in axes_of(sweep["grid"], target).values())
        if count > size:
            yield f"sweep.trials is {count}; the grid has only {size} combinations for {encoder} and {target}"


def _epochs(sweep: Mapping, finetune: Mapping) -> Iterator[str]:
    for encoder in sweep["encoders"]:
        epochs = finetune["overrides"].get(encoder, {}).get("epochs", finetune["epochs"])
        if sweep["minimum_epochs"] > epochs:
            yield f"sweep.minimum_epochs is {sweep['minimum_epochs']}; {encoder} is trained for only {epochs} epochs"
