"""What is wrong with the settings of a sweep although each is right by itself. Standard library only, as space.py."""

import math
from collections.abc import Iterator, Mapping

from cmr2ecg.sweeps.space import axes_of, grid_of


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
