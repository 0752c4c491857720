"""One job of a sweep: the trials of a pack that are not finished yet are trained, each kept as it ends."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cmr2ecg.files import atomic
from cmr2ecg.sweeps.ranking import Result
from cmr2ecg.sweeps.space import Settings, trial_id
from cmr2ecg.sweeps.store import Outcome, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """One training that a sweep asks for: a trial's settings with one seed."""

    trial: str
    settings: Settings
    seed: int


Train = Callable[[Sequence[Fit], int], Iterable[Outcome]]  # (fits, epochs) -> outcomes as they end, in any order


def fits_of(trials: Sequence[Settings], seeds: Sequence[int]) -> list[Fit]:
    """Return one fit for every trial and seed."""
    return [Fit(trial_id(settings), settings, seed) for settings in trials for seed in seeds]


def run_pack(fits: Sequence[Fit], epochs: int, store: Store, train: Train, label: str = "sweep") -> list[Result]:
    """Return the scores up to `epochs` of all fits; only those that the store lacks are trained.

    Args:
        fits: trainings of this job.
        epochs: where they stop in this round.
        store: finished trials of this sweep.
        train: trains some fits and yields each outcome as it ends.
        label: for the progress lines.
    """
    known = store.read()
    missing = [fit for fit in fits if not reached(known.get((fit.trial, fit.seed)), epochs)]
    log.info("%s: %d trainings, %d of them finished before", label, len(fits), len(fits) - len(missing))
    for number, outcome in enumerate(train(missing, epochs) if missing else (), start=1):
        store.add(outcome)
        best = max((value for value in outcome.scores if value is not None), default=float("nan"))
        log.info("%s: training %d of %d: best score %.4f", label, number, len(missing), best)
    known = store.read()
    return [Result(dict(fit.settings), cut(known[fit.trial, fit.seed], epochs)) for fit in fits]


def reached(outcome: Outcome | None, epochs: int) -> bool:
    """Return whether a training is there and nothing is missing up to `epochs`."""
    return outcome is not None and (outcome.whole or len(outcome.scores) >= epochs)


def cut(outcome: Outcome, epochs: int) -> Outcome:
    """Return an outcome as if its training had stopped at `epochs`; its seconds remain those of the whole."""
    return replace(outcome, scores=outcome.scores[:epochs], whole=outcome.whole and len(outcome.scores) <= epochs)


def write_pack(path: Path, results: Sequence[Result]) -> None:
    """Write a pack's results: the same trials give the same bytes, so nothing in here tells of time or machine."""
    rows = [{"settings": result.settings, **without_time(result.outcome)} for result in results]
    with atomic(path) as partial:
        partial.write_text("[" + ",\n".join(json.dumps(row, sort_keys=True) for row in rows) + "]\n")


def without_time(outcome: Outcome) -> Mapping:
    """Return an outcome as a map, its seconds left out."""
    return {key: value for key, value in asdict(outcome).items() if key != "seconds"}


def read_packs(paths: Iterable[Path]) -> list[Result]:
    """Return the results of several packs."""
    found = []
    for path in paths:
        for row in json.loads(path.read_text()):
            settings = row.pop("settings")
            found.append(Result(settings, Outcome(seconds=0.0, **row)))
    return found
