"""What a sweep consists of: its trials, rounds and jobs, and what each job is told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cmr2ecg.study.encoders import network_of
from cmr2ecg.study.files import HIDDEN
from cmr2ecg.study.fit_jobs import finetuning_of, subset_files, target_of, values_file
from cmr2ecg.study.sections import as_json, training_settings, without_plans
from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.sweep_grid import (
    Rung,
    Trial,
    axes_of,
    combinations,
    grid_of,
    pack_count,
    pack_slice,
    planned_rungs,
    planned_trials,
    shuffled,
)
from cmr2ecg.study.targets import WHOLE, is_regression

TABULAR = "tabular"
OWN = ("seeds", "keep_checkpoints")  # settings of fine-tuning that a sweep has its own of, or none


@dataclass(frozen=True)
class Sweep:
    """A sweep over the settings of one encoder, or of the tabular model, for one target.

    axes: {setting: values tried}. trials: in the order in which they are packed into jobs, so many a job.
    """

    encoder: str
    target: str
    strategy: str
    axes: Mapping[str, Sequence[float]]
    trials: Sequence[Trial]
    trials_per_job: int
    rungs: Sequence[Rung]

    def packs(self, rung: int) -> list[str]:
        """Return the score files of one round, one a job."""
        count = pack_count(self.rungs[rung].trials, self.trials_per_job)
        folder = f"<results>/sweep/{self.encoder}/{self.target}/rung_{rung}"
        return [f"{folder}/pack_{pack}.json" for pack in range(count)]

    def previous_packs(self, rung: int) -> list[str]:
        """Return all score files of the round before, which say what goes on."""
        return self.packs(rung - 1) if rung else []

    def all_packs(self) -> list[str]:
        """Return the score files of the whole sweep."""
        return [path for rung in range(len(self.rungs)) for path in self.packs(rung)]


def swept(settings: Settings) -> list[tuple[str, str]]:
    """Return encoder and target of every sweep, sorted."""
    pairs = {(encoder, target) for encoder in settings.sweep.encoders for target in settings.sweep.targets}
    return sorted(pairs | {(TABULAR, target) for target in settings.sweep_tabular.targets})


def sweep_of(settings: Settings, encoder: str, target: str) -> Sweep:
    """Return one sweep."""
    if encoder == TABULAR:
        return _tabular_sweep(settings, target)
    section = settings.sweep
    trials = planned_trials(section, encoder, target)
    rungs = planned_rungs(section, len(trials), finetuning_of(settings, encoder).epochs)
    axes = axes_of(grid_of(section, encoder), target)
    return Sweep(encoder, target, section.strategy, axes, trials, section.trials_per_job, rungs)


def _tabular_sweep(settings: Settings, target: str) -> Sweep:
    """Return the sweep of the tabular model, whose trials are all in one job."""
    axes = axes_of(dict(settings.sweep_tabular.grid), target)
    trials = shuffled(combinations(axes), seed=0)
    return Sweep(TABULAR, target, "grid", axes, trials, len(trials), [Rung(1, len(trials))])


def sweep_settings(settings: Settings, sweep: Sweep, rung: int, pack: int) -> str:
    """Return what a job needs: fine-tune settings without those that are swept, and its trials.

    Trials that are added later are at the end of a random order, so the jobs before them have the same settings still.
    """
    reached, places = sweep.rungs[rung], pack_slice(pack, sweep.trials_per_job)
    finetuning = finetuning_of(settings, sweep.encoder)
    left_out = {*OWN, *sweep.axes}
    method = {key: value for key, value in without_plans(finetuning).items() if key not in left_out}
    return as_json(
        {
            **training_settings(settings, method, network_of(sweep.encoder)),
            "sweep": {
                "rung": rung,
                "pack": pack,
                # The last round goes to the end of each training, which on few subjects takes more epochs.
                "epochs": reached.epochs if reached.epochs < finetuning.epochs else None,
                "seeds": settings.sweep.seeds,
                "trials": sweep.trials[places] if rung == 0 else None,
                "promoted": reached.trials if rung else 0,
                "first": places.start,
                "last": places.stop,
            },
        }
    )


def sweep_tabular_settings(settings: Settings, target: str) -> str:
    """Return the settings of XGBoost's sweep."""
    section = settings.sweep_tabular
    axes = axes_of(dict(section.grid), target)
    fixed = settings.train_tabular.model_dump(include={*dict(section.grid)} - {*axes})
    return as_json({"method": fixed, "grid": axes, "seeds": section.seeds})


def select_settings(settings: Settings, sweep: Sweep) -> str:
    """Return what the choice depends on beside the scores."""
    return json.dumps({"strategy": sweep.strategy, "runner_ups": settings.sweep.runner_ups})


def choices(settings: Settings, encoder: str, fits: Sequence[str]) -> list[str]:
    """Return the choices of the sweeps of an encoder for the targets of some fits."""
    pairs = set(swept(settings))
    targets = dict.fromkeys(map(target_of, fits))
    return [f"<results>/select/{encoder}_{target}.json" for target in targets if (encoder, target) in pairs]


def hidden_values(target: str) -> str:
    """Return the table of a target's values without the test subjects."""
    return values_file(target).replace("<results>/read_tabular", HIDDEN)


def whole_subset(target: str) -> list[str]:
    """Return a disease's whole balanced subset: settings are chosen there, and hold for the smaller ones too."""
    return [] if is_regression(target) else subset_files([f"{target}/{WHOLE}"])


def fits_per_job(settings: Settings) -> float:
    """Return how many fine-tunings, each with all its seeds, a job of a sweep is worth."""
    trainings = settings.sweep.trials_per_job * len(settings.sweep.seeds)
    return trainings / len(settings.finetune.seeds)
