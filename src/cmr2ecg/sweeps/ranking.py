"""Which trials go on, and which one is chosen: by the mean over seeds of the best validation score."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
    scores = [score for score, _ in best.values()]
    whole = None not in scores
    failures = [outcome.failure or "no epoch has a score" for outcome in outcomes if best[outcome.seed][0] is None]
    return Ranked(
        trial,
        group[0].settings,
        rung,
        max(len(outcome.scores) for outcome in outcomes),
        math.fsum(scores) / len(scores) if whole else None,
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
