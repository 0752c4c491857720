"""Which trials go on, and which one is chosen: by the mean over seeds of the best validation score.

A finished sweep as files: the choice with its runner-ups, the table of trials, and their scores by epoch.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from cmr2ecg.sweeps.store import Outcome


@dataclass(frozen=True)
class Result:
    """A trial's settings and what one seed of it gave."""

    settings: Mapping[str, float]
    outcome: Outcome


@dataclass(frozen=True)
class Ranked:
    """A trial over all its seeds. `score` is the mean of the seeds' best validation scores, None if a seed failed."""

    trial: str
    settings: Mapping[str, float]
    rung: int
    epochs: int
    score: float | None
    seeds: Mapping[int, float | None]
    best_epoch: Mapping[int, int | None]
    failure: str


def best_of(scores: Sequence[float | None]) -> tuple[float | None, int | None]:
    """Return the highest score and the first epoch (0, 1, ...) that has it; None where there is no number."""
    numbers = [(value, -epoch) for epoch, value in enumerate(scores) if value is not None and math.isfinite(value)]
    value, epoch = max(numbers, default=(None, 0))
    return value, None if value is None else -epoch


def rank(results: Sequence[Result], rung: int = 0) -> list[Ranked]:
    """Return the trials of one round, best first; equal scores in order of name, those without a score last."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        groups.setdefault(result.outcome.trial, []).append(result)
    return sorted((_ranked(trial, group, rung) for trial, group in groups.items()), key=_place)


def _place(entry: Ranked) -> tuple:
    return -entry.rung, entry.score is None, -(entry.score or 0.0), entry.trial


def _ranked(trial: str, group: Sequence[Result], rung: int) -> Ranked:
    outcomes = sorted((result.outcome for result in group), key=lambda outcome: outcome.seed)
    best = {outcome.seed: best_of([] if outcome.failure else outcome.scores) for outcome in outcomes}
    scores = [score for score, _ in best.values() if score is not None]
    failures = [outcome.failure or "no epoch has a score" for outcome in outcomes if best[outcome.seed][0] is None]
    return Ranked(
        trial,
        group[0].settings,
        rung,
        max(len(outcome.scores) for outcome in outcomes),
        math.fsum(scores) / len(scores) if len(scores) == len(best) else None,
        {seed: score for seed, (score, _) in best.items()},
        {seed: epoch for seed, (_, epoch) in best.items()},
        next(iter(failures), ""),
    )


def promoted(results: Sequence[Result], count: int) -> list[Mapping[str, float]]:
    """Return the settings of the `count` best trials of a round, best first; failed ones never go on."""
    return [entry.settings for entry in rank(results) if entry.score is not None][:count]


def rank_rungs(rungs: Sequence[Sequence[Result]]) -> list[Ranked]:
    """Return every trial at the last round it reached: the latest round first, within it the best first.

    Scores of different rounds are not compared, for they come from different numbers of epochs.
    """
    last: dict[str, Ranked] = {}
    for number, results in enumerate(rungs):
        last |= {entry.trial: entry for entry in rank(results, number)}
    return sorted(last.values(), key=_place)


def choice_of(ranking: Sequence[Ranked], runner_ups: int) -> dict:
    """Return what select/ENCODER_TARGET.json says: `settings` of the best trial, its scores, and the next best.

    Without a trial that has a score there is no choice: `settings` is empty, so that the final training takes those of
    the config, and `reason` says why.
    """
    usable = [entry for entry in ranking if entry.score is not None]
    if not usable:
        return {
            "settings": {},
            "chosen": None,
            "runner_ups": [],
            "reason": ranking[0].failure if ranking else "no trial",
        }
    return {
        "settings": dict(usable[0].settings),
        "chosen": entry_of(usable[0]),
        "runner_ups": [entry_of(entry) for entry in usable[1 : 1 + runner_ups]],
        "reason": "",
    }


def entry_of(entry: Ranked) -> dict:
    """Return one trial as a JSON value."""
    return {
        "trial": entry.trial,
        "settings": dict(entry.settings),
        "score": entry.score,
        "seeds": {str(seed): score for seed, score in entry.seeds.items()},
        "best_epoch": {str(seed): epoch for seed, epoch in entry.best_epoch.items()},
        "rung": entry.rung,
        "epochs": entry.epochs,
        "failure": entry.failure,
    }


def trial_table(ranking: Sequence[Ranked]) -> pd.DataFrame:
    """Return one row a trial, best first: rank, trial, its settings, rung, epochs, score, a column a seed, failure."""
    rows = [
        {
            "rank": place,
            "trial": entry.trial,
            **entry.settings,
            "rung": entry.rung,
            "epochs": entry.epochs,
            "score": entry.score,
            **{f"score_seed_{seed}": score for seed, score in entry.seeds.items()},
            "failure": entry.failure,
        }
        for place, entry in enumerate(ranking, start=1)
    ]
    return pd.DataFrame(rows)


def curve_table(rungs: Sequence[Sequence[Result]]) -> pd.DataFrame:
    """Return trial, seed, epoch, score of every trial at the last round it reached, in order of name."""
    last = {(result.outcome.trial, result.outcome.seed): result.outcome for rung in rungs for result in rung}
    rows = [
        (trial, seed, epoch, score)
        for (trial, seed), outcome in sorted(last.items())
        for epoch, score in enumerate(outcome.scores)
    ]
    return pd.DataFrame(rows, columns=["trial", "seed", "epoch", "score"])


def total_seconds(costs: Sequence[Mapping]) -> dict[str, float]:
    """Return {trial/seed: seconds of training} over all rounds: each round's seconds hold those before."""
    total: dict[str, float] = {}
    for cost in costs:
        for name, seconds in cost["seconds"].items():
            total[name] = max(total.get(name, 0.0), seconds)
    return dict(sorted(total.items()))
