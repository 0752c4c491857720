"""One job of a sweep: the trials of a pack that are not finished yet are trained, each kept as it ends."""

import argparse
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from cmr2ecg.runtime.files import atomic
from cmr2ecg.study.sweep_grid import Trial, trial_id
from cmr2ecg.sweeps.cost import DEAR, seconds_since_start, startup_share
from cmr2ecg.sweeps.ranking import Result, promoted
from cmr2ecg.sweeps.store import Outcome, Store

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fit:
    """One training that a sweep asks for: a trial's settings with one seed."""

    trial: str
    settings: Trial
    seed: int


# (fits, epochs; None: to their own end) -> outcomes as they end, in any order
Train = Callable[[Sequence[Fit], int | None], Iterable[Outcome]]


def fits_of(trials: Sequence[Trial], seeds: Sequence[int]) -> list[Fit]:
    """Return one fit for every trial and seed."""
    return [Fit(trial_id(settings), settings, seed) for settings in trials for seed in seeds]


def failed(fits: Sequence[Fit], error: Exception) -> list[Outcome]:
    """Return an outcome without a score for every fit: what is wrong lies in the data, not in their settings."""
    reason = " ".join(str(error).split())
    return [Outcome(fit.trial, fit.seed, [], 0.0, True, reason) for fit in fits]


def run_pack(fits: Sequence[Fit], epochs: int | None, store: Store, train: Train, label: str = "sweep") -> list[Result]:
    """Return the scores up to `epochs` of all fits; only those that the store lacks are trained.

    Args:
        fits: trainings of this job.
        epochs: where they stop in this round; None: where each training ends by itself.
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


def reached(outcome: Outcome | None, epochs: int | None) -> bool:
    """Return whether a training is there and nothing is missing up to `epochs`."""
    return outcome is not None and (outcome.whole or (epochs is not None and len(outcome.scores) >= epochs))


def cut(outcome: Outcome, epochs: int | None) -> Outcome:
    """Return an outcome as if its training had stopped at `epochs`; its seconds remain those of the whole."""
    if epochs is None:
        return outcome
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


@dataclass(frozen=True)
class Pack:
    """One job of a sweep as the workflow describes it, in --settings.

    `trials` are this job's in the first round; in later ones it is None, and the job takes the places
    `first` up to `last` among the `promoted` best of the round before.
    """

    rung: int
    pack: int
    epochs: int | None
    seeds: list[int]
    trials: list[dict] | None
    promoted: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """Return the name of this job's file of finished trials."""
        return f"rung_{self.rung}_pack_{self.pack}"

    def fits(self, previous: Sequence[Path]) -> list[Fit]:
        """Return this job's trainings; `previous` are all packs of the round before."""
        if self.trials is not None:
            return fits_of(self.trials, self.seeds)
        best = promoted(read_packs(previous), self.promoted)
        return fits_of(best[self.first : self.last], self.seeds)


def sweep_parser(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """Add the arguments of a sweep's jobs."""
    parser.add_argument("--previous", type=Path, nargs="*", default=[], help="all packs of the round before")
    parser.add_argument("--finished", type=Path, required=True, help="folder of this sweep's finished trials")
    parser.add_argument("--output", type=Path, required=True, help="json file: the scores of this pack's trials")
    parser.add_argument("--cost", type=Path, required=True, help="json file: seconds of start-up and training")
    return parser


def run_job(pack: Pack, previous: Sequence[Path], store: Store, train: Train, label: str) -> tuple[list[Result], dict]:
    """Train what is missing of a pack; return its scores and what it cost.

    previous: all packs of the round before. store, train, label: as of `run_pack`.
    """
    fits = pack.fits(previous)
    before = {key for key, outcome in store.read().items() if reached(outcome, pack.epochs)}
    startup, started = seconds_since_start(), time.monotonic()
    results = run_pack(fits, pack.epochs, store, train, label)
    cost = {
        "startup_seconds": round(startup, 3),
        "training_seconds": round(time.monotonic() - started, 3),
        "trained": sum((fit.trial, fit.seed) not in before for fit in fits),
        "seconds": {f"{r.outcome.trial}/{r.outcome.seed}": round(r.outcome.seconds, 3) for r in results},
    }
    share = startup_share([cost])
    if share is not None and share > DEAR:
        log.info("%s: start-up took %.0f %% of this job; more trials in a job would lower that", label, 100 * share)
    return results, cost
