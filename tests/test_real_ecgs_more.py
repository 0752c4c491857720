"""What further recordings add: the paired difference of two runs, in the arithmetic of the evaluation."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path += [str(Path(__file__).parents[1] / "docs/real_ecgs")]
import more

from cmr2ecg.metrics.auroc import auroc
from cmr2ecg.metrics.scores import Scored, comparison_table
from cmr2ecg.runtime.command import InputError

EIDS = 9000001 + np.arange(40)
PEOPLE = {int(eid): int(eid) // 2 for eid in EIDS}
TRUTH = {"mi": np.arange(40) % 3 == 0, "cd": np.arange(40) % 4 == 1}
SEEDS = (0, 101)


def write(run: Path, shift: float, eids: np.ndarray = EIDS) -> Path:
    """Write the predictions of a run, better with a larger shift; val rows are not to be looked at."""
    for number, (target, truth) in enumerate(TRUTH.items()):
        rng = np.random.default_rng(number)
        parts = []
        for seed in SEEDS:
            score = rng.normal(0, 1, 40) + shift * truth
            common = {"seed": seed, "output": target, "y_true": truth.astype(float)}
            parts += [
                pd.DataFrame({**common, "eid": eids, "split": "test", "y_score": score}),
                pd.DataFrame({**common, "eid": eids + 100, "split": "val", "y_score": -score}),
            ]
        folder = run / "finetune/mae" / target / "100"
        folder.mkdir(parents=True)
        pd.concat(parts).to_parquet(folder / "predictions.parquet")
    return run


def test_the_difference_is_that_of_the_evaluation(tmp_path):
    runs = write(tmp_path / "more", 1.5), write(tmp_path / "plain", 0.5)
    ((fit, fraction, of),) = more.paired(runs, ("mi", "cd"), ("mi", "cd"), PEOPLE)
    assert (fit, fraction, [*of]) == ("finetune", 100, ["macro", "mi", "cd"])
    rng, expected = np.random.default_rng(0), []
    for _ in SEEDS:
        noise = rng.normal(0, 1, 40)
        expected.append([auroc(TRUTH["mi"], noise + shift * TRUTH["mi"]) for shift in (1.5, 0.5)])
    assert of["mi"][:2] == pytest.approx(np.mean(expected, axis=0))
    for first, second, found in of.values():
        assert found.value == pytest.approx(first - second)
    assert of["macro"][2].value == pytest.approx((of["mi"][2].value + of["cd"][2].value) / 2)

    mi = [more._on_test(run / "finetune/mae/mi/100/predictions.parquet") for run in runs]
    people = np.array([*PEOPLE.values()])
    models = {
        ("finetune", name, "mi", 100): Scored([one], people=people)
        for name, one in zip(("mae", "byol"), mi, strict=True)
    }
    row = comparison_table(models, {"auroc": 0.02}).iloc[0]
    assert (row["low"], row["high"]) == pytest.approx(of["mi"][2].interval())


def test_runs_tested_on_other_recordings_are_refused(tmp_path):
    runs = write(tmp_path / "more", 1.5, EIDS + 1), write(tmp_path / "plain", 0.5)
    with pytest.raises(InputError):
        [*more.paired(runs, ("mi", "cd"), ("mi", "cd"), PEOPLE)]
