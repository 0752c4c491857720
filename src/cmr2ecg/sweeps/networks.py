"""A sweep's trials as fine-tunings: one copy of the data and one warm start for all trials of a job."""

import logging
import math
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from cmr2ecg.runtime.command import InputError
from cmr2ecg.sweeps.run import Fit as Wanted
from cmr2ecg.sweeps.store import Outcome
from cmr2ecg.training.checkpoint import load_resume, save_resume
from cmr2ecg.training.fit.finetune import Fit, Setup
from cmr2ecg.training.result import digest

log = logging.getLogger(__name__)


def network_outcomes(
    setup: Setup, fixed: dict, wanted: Sequence[Wanted], epochs: int | None, *, states: Path, cache_key: str
) -> Iterable[Outcome]:
    """Yield the outcome of each training, which stops after `epochs` or by itself.

    Args:
        setup: shared by all trials.
        fixed: settings that are not swept. Their `epochs` are those of a whole training, which shape the learning rate.
        wanted: trials and seeds.
        epochs: where this round ends; None: at the end of each training.
        states: folder where trials that may go on in a later round leave a resume point.
        cache_key: of those resume points.
    """
    fixed = {**fixed, "validation_interval": 1}  # a round may end at any epoch, and is judged by what it reached
    for fit in wanted:
        yield train_one(setup, {**fixed, **fit.settings}, fit, epochs, states=states, cache_key=cache_key)


def train_one(
    setup: Setup, settings: dict, wanted: Wanted, epochs: int | None, *, states: Path, cache_key: str
) -> Outcome:
    """Return one training's validation scores, going on from its resume point if there is one.

    A training that cannot be had or diverges is an outcome too, with the reason and without a score.
    """
    started, before = time.monotonic(), 0.0
    path = states / f"{wanted.trial}_{wanted.seed}.pt"
    own = digest([cache_key, wanted.trial, wanted.seed])
    try:
        fit = Fit(setup, settings, wanted.seed)
        state = load_resume(path, own, setup.device)
        if state is not None:
            fit.restore(state)
            before = state["seconds"]
        fit.advance(epochs)
    except InputError as error:
        reason = " ".join(str(error).split())
        log.warning("trial %s, seed %d: %s", wanted.trial, wanted.seed, reason)
        return Outcome(wanted.trial, wanted.seed, [], time.monotonic() - started, True, reason)
    seconds = before + time.monotonic() - started
    if not fit.finished:
        save_resume(path, own, {**fit.state(), "seconds": seconds})
    scores = [finite(row[f"val_{setup.task.metric}"]) for row in fit.history]
    return Outcome(wanted.trial, wanted.seed, scores, seconds, fit.finished)


def finite(value: float) -> float | None:
    """Return a score, or None for one that JSON has no word for."""
    return float(value) if math.isfinite(value) else None
