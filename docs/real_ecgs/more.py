"""What recordings without labels add: the MAE of a run that had them (more.yaml) minus that of the run without."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.metrics.macro import check_one_cohort
from cmr2ecg.metrics.multireader import Estimate, difference
from cmr2ecg.metrics.predictions import Predictions, check_same_subjects, read_predictions
from cmr2ecg.metrics.scores import Scored

ENCODER = "mae"


def paired(
    runs: Sequence[Path], classes: Sequence[str], superclasses: Sequence[str], people: Mapping[int, int]
) -> Iterator[tuple[str, int, dict[str, tuple[float, float, Estimate]]]]:
    """Yield fit, percent of the labels, and {class or macro: AUROC with, AUROC without, with - without}.

    Args:
        runs: results folder of the run with, and of the run without.
        classes: targets that both have.
        superclasses: whose mean is "macro".
        people: {eid: whose recording it is}.

    Raises:
        InputError: if the two were tested on different recordings.
    """
    wanted, plain = runs
    for path in sorted(plain.glob(f"*/{ENCODER}/{classes[0]}/*/predictions.parquet")):
        fit, fraction = path.parts[-5], int(path.parts[-2])
        of = [
            {name: _on_test(run / fit / ENCODER / name / str(fraction) / path.name) for name in classes}
            for run in (wanted, plain)
        ]
        check_same_subjects([entry for found in of for entry in found.values()])
        check_one_cohort("superclasses", [found[name] for found in of for name in superclasses])
        groups = {"macro": superclasses} | {name: [name] for name in classes}
        yield fit, fraction, {group: _compared(of, members, people) for group, members in groups.items()}


def _on_test(path: Path) -> Predictions:
    (found,) = (entry for entry in read_predictions(path) if entry.split == "test")
    return found


def _compared(
    of: Sequence[Mapping[str, Predictions]], members: Sequence[str], people: Mapping[int, int]
) -> tuple[float, float, Estimate]:
    """Return AUROC with and without, and their paired difference, over people and training runs."""
    whose = np.array([people[eid] for eid in of[0][members[0]].eid.tolist()], np.int64)
    first, second = (Scored([found[name] for name in members], people=whose) for found in of)
    return float(first.by_seed.mean()), float(second.by_seed.mean()), difference(first.readers, second.readers)


def people_of(run: Path) -> dict[int, int]:
    """Return {eid: whose recording it is}."""
    visits = pd.read_parquet(run / "index_cohort/visits.parquet", columns=["eid", "subject"])
    return dict(zip(visits["eid"].tolist(), visits["subject"].tolist(), strict=True))
