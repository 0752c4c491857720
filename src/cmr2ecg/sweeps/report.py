"""A finished sweep as files: the choice with its runner-ups, the table of trials, and their scores by epoch."""

from collections.abc import Mapping, Sequence

import pandas as pd

from cmr2ecg.sweeps.ranking import Ranked, Result


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
