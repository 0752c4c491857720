"""What a sweep consists of: its trials, rounds and jobs, and what each job is told."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cmr2ecg.study.files import HIDDEN
from cmr2ecg.study.fit_jobs import fit_settings, subset_files, target_of, values_file
from cmr2ecg.study.sections import Config, as_json, runs_of
from cmr2ecg.study.sweep_grid import (
    Rung,
    Settings,
    axes_of,
    grid_of,
    pack_count,
    pack_slice,
    planned_rungs,
    planned_trials,
)
from cmr2ecg.study.targets import WHOLE, is_regression

TABULAR = "tabular"
OWN = ("seeds", "keep_checkpoints")  # settings of fine-tuning that a sweep has its own of, or none


@dataclass(frozen=True)
class Sweep:
    """A sweep over the settings of one encoder, or of the tabular model, for one target.

    section: the config's, with the encoder's own grid. trials: in the order in which they are packed into jobs.
    """

    encoder: str
    target: str
    section: Config
    trials: Sequence[Settings]
    rungs: Sequence[Rung]

    def packs(self, rung: int) -> list[str]:
        """Return the score files of one round, one a job; of the tabular model there is one job."""
        alone = self.encoder == TABULAR
        count = 1 if alone else pack_count(self.rungs[rung].trials, self.section["trials_per_job"])
        folder = f"<results>/sweep/{self.encoder}/{self.target}/rung_{rung}"
        return [f"{folder}/pack_{pack}.json" for pack in range(count)]

    def previous_packs(self, rung: int) -> list[str]:
        """Return all score files of the round before, which say what goes on."""
        return self.packs(rung - 1) if rung else []

    def all_packs(self) -> list[str]:
        """Return the score files of the whole sweep."""
        return [path for rung in range(len(self.rungs)) for path in self.packs(rung)]


def swept(config: Config) -> list[tuple[str, str]]:
    """Return encoder and target of every sweep, sorted."""
    networks, tabular = config["sweep"], config["sweep_tabular"]
    pairs = {(encoder, target) for encoder in networks["encoders"] for target in networks["targets"]}
    return sorted(pairs | {(TABULAR, target) for target in tabular["targets"]})


def sweep_of(config: Config, encoder: str, target: str) -> Sweep:
    """Return one sweep."""
    if encoder == TABULAR:
        section, epochs = {"strategy": "grid", "seed": 0, **config["sweep_tabular"]}, 1
    else:
        section = {**config["sweep"], "grid": grid_of(config["sweep"], encoder)}
        epochs = most_epochs(config, encoder)
    trials = planned_trials(section, target)
    return Sweep(encoder, target, section, trials, planned_rungs(section, len(trials), epochs))


def most_epochs(config: Config, encoder: str) -> int:
    """Return the epochs of a whole fine-tuning, unless its subjects are few."""
    return {**config["finetune"], **config["finetune"]["overrides"].get(encoder, {})}["epochs"]


def sweep_settings(config: Config, sweep: Sweep, rung: int, pack: int) -> str:
    """Return what a job needs: fine-tune settings without those that are swept, and its trials.

    Trials that are added later are at the end of a random order, so the jobs before them have the same settings still.
    """
    section, reached = sweep.section, sweep.rungs[rung]
    places = pack_slice(pack, section["trials_per_job"])
    whole: dict[str, Any] = json.loads(fit_settings(config, "finetune", sweep.encoder))
    left_out = {*OWN, *axes_of(section["grid"], sweep.target)}
    return as_json(
        {
            **{key: value for key, value in whole.items() if key not in runs_of(config)},
            "method": {key: value for key, value in whole["method"].items() if key not in left_out},
            "sweep": {
                "rung": rung,
                "pack": pack,
                # The last round goes to the end of each training, which on few subjects takes more epochs.
                "epochs": reached.epochs if reached.epochs < most_epochs(config, sweep.encoder) else None,
                "seeds": section["seeds"],
                "trials": sweep.trials[places] if rung == 0 else None,
                "promoted": reached.trials if rung else 0,
                "first": places.start,
                "last": places.stop,
            },
        }
    )


def sweep_tabular_settings(config: Config, target: str) -> str:
    """Return the settings of XGBoost's sweep."""
    section = config["sweep_tabular"]
    axes = axes_of(section["grid"], target)
    fixed = {key: config["train_tabular"][key] for key in section["grid"] if key not in axes}
    return as_json({"method": fixed, "grid": axes, "seeds": section["seeds"]})


def select_settings(config: Config, sweep: Sweep) -> str:
    """Return what the choice depends on beside the scores."""
    return json.dumps({"strategy": sweep.section["strategy"], "runner_ups": config["sweep"]["runner_ups"]})


def choices(config: Config, encoder: str, fits: Sequence[str]) -> list[str]:
    """Return the choices of the sweeps of an encoder for the targets of some fits."""
    pairs = set(swept(config))
    targets = dict.fromkeys(map(target_of, fits))
    return [f"<results>/select/{encoder}_{target}.json" for target in targets if (encoder, target) in pairs]


def hidden_values(target: str) -> str:
    """Return the table of a target's values without the test subjects."""
    return values_file(target).replace("<results>/read_tabular", HIDDEN)


def whole_subset(target: str) -> list[str]:
    """Return a disease's whole balanced subset: settings are chosen there, and hold for the smaller ones too."""
    return [] if is_regression(target) else subset_files([f"{target}/{WHOLE}"])


def fits_per_job(config: Config) -> float:
    """Return how many fine-tunings, each with all its seeds, a job of a sweep is worth."""
    trainings = config["sweep"]["trials_per_job"] * len(config["sweep"]["seeds"])
    return trainings / len(config["finetune"]["seeds"])
