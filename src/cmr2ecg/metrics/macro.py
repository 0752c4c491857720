"""The mean over several diseases as a target of its own: macro AUROC, as benchmarks of several labels report it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.metrics.predictions import Key, Predictions, check_same_subjects, identify, read_predictions
from cmr2ecg.runtime.command import InputError


def models_of_all(group: str, of_members: Mapping[str, Sequence[Path]]) -> dict[Key, dict[str, Path]]:
    """Return the models that were fitted to every disease of a group, as {model: {disease: its predictions}}.

    of_members: disease -> files of its predictions.
    """
    found: dict[Key, dict[str, Path]] = {}
    for member, paths in of_members.items():
        for path in paths:
            fit, encoder, _, fraction = identify(path)
            found.setdefault((fit, encoder, group, fraction), {})[member] = path
    return {key: paths for key, paths in found.items() if len(paths) == len(of_members)}


def macro_predictions(group: str, models: Mapping[Key, Mapping[str, Path]]) -> list[Predictions]:
    """Return the predictions of some models (`models_of_all`) as outputs of one target, the group.

    Raises:
        InputError: if models or diseases were tested on different subjects.
    """
    found = [
        replace(entry, target=group, output=member)
        for of_disease in models.values()
        for member, path in of_disease.items()
        for entry in read_predictions(path)
    ]
    check_same_subjects(found)
    check_one_cohort(group, found)
    return found


def check_one_cohort(group: str, predictions: Sequence[Predictions]) -> None:
    """Raise InputError if the outputs of a group are of different subjects."""
    first: dict[str, Predictions] = {}
    for entry in predictions:
        if not np.array_equal(first.setdefault(entry.split, entry).eid, entry.eid):
            raise InputError(f"evaluate.macro.{group}: its diseases were tested on different subjects; drop it")


def marked_members(group: str, members: Sequence[str], untrained: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return a row for every model of a group that was not trained for one of its diseases, with that one's reasons."""
    marked = pd.concat(untrained)
    marked = marked[marked["target"].isin(members)]
    return marked.drop_duplicates(["fit", "encoder", "fraction"]).assign(target=group)
