"""Pre-trainings that differ in the base learning rate alone, and which of them is taken."""

import math
from collections.abc import Mapping, Sequence
from typing import Any


def ranked(results: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return the positions of results by validation loss, lowest first; of equal losses the lower rate comes first."""
    keys = [(validation_loss(result), base_lr(result)) for result in results]
    return sorted(range(len(results)), key=keys.__getitem__)


def candidate_row(result: Mapping[str, Any], *, best: bool) -> dict[str, Any]:
    """Return one line of the table of candidates."""
    return {
        "base_lr": base_lr(result),
        "learning_rate": result["learning_rate"],
        "val_loss": validation_loss(result),
        "selected_epoch": result["selected_epoch"],
        "collapsed": result["collapsed"],
        "selected": best,
    }


def validation_loss(result: Mapping[str, Any]) -> float:
    """Return the validation loss of the weights that were kept.

    Raises:
        ValueError: if it is not finite, which no training writes.
    """
    loss = result["validation"]["loss"]
    if not math.isfinite(loss):
        raise ValueError(f"validation loss {loss} of base_lr {base_lr(result)}")
    return loss


def base_lr(result: Mapping[str, Any]) -> float:
    """Return the base learning rate a pre-training was given."""
    return result["settings"]["method"]["base_lr"]
