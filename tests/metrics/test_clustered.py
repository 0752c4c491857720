"""Several recordings a person: intervals are over people; and groups of diseases are scored by their mean AUROC."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.metrics.auroc import auroc
from cmr2ecg.metrics.macro import check_one_cohort, marked_members
from cmr2ecg.metrics.multireader import mean
from cmr2ecg.metrics.predictions import Predictions
from cmr2ecg.metrics.scores import Scored, comparison_table, group_outputs, interval_row, seed_metrics
from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps.evaluate import several_recordings

PEOPLE, SEEDS = 60, np.array([0, 101])


def entry(target: str = "cad", encoder: str = "mae", seed: int = 0, n: int = PEOPLE) -> Predictions:
    rng = np.random.default_rng(seed)
    y_true = (rng.random(n) < 0.4).astype(float)
    scores = y_true + rng.normal(0, 1.2, (len(SEEDS), n))
    eid = 9_000_001 + np.arange(n)
    return Predictions(Path(f"{encoder}.parquet"), "finetune", encoder, target, 100, "test", target, eid, y_true, SEEDS,
                       scores)  # fmt: skip


def twice(one: Predictions) -> Predictions:
    """Return the predictions of people who each have two recordings that are the same, in another order."""
    order = np.random.default_rng(9).permutation(2 * PEOPLE)
    return replace(
        one,
        eid=np.concatenate([one.eid, one.eid + 1000])[order],
        y_true=np.tile(one.y_true, 2)[order],
        scores=np.tile(one.scores, (1, 2))[:, order],
    )


def whose(one: Predictions) -> np.ndarray:
    return (one.eid - 9_000_001) % 1000


def test_the_influence_of_a_person_is_the_sum_over_recordings():
    doubled = twice(entry())
    alone, people = Scored([doubled]), Scored([doubled], people=whose(doubled))
    found = people.readers.influence
    assert found.shape == (2, PEOPLE)
    expected = [alone.readers.influence[:, whose(doubled) == person].sum(axis=1) for person in range(PEOPLE)]
    np.testing.assert_allclose(found, np.transpose(expected), atol=1e-15)
    np.testing.assert_array_equal(people.by_seed, alone.by_seed)


def test_a_second_recording_that_says_the_same_adds_no_certainty():
    """The interval is that of one recording each, but for m(m-1) of DeLong's variance: 2m(2m-1)/4 with m doubled."""
    once = Scored([entry()])
    doubled = twice(entry())
    people = Scored([doubled], people=whose(doubled))
    ratio = mean(people.readers.pooled()).standard_error / mean(once.readers.pooled()).standard_error
    m = min(once.first.y_true.sum(), (1 - once.first.y_true).sum())
    assert np.sqrt((m - 1) / (m - 0.5)) <= ratio <= 1
    naive = mean(Scored([doubled]).readers.pooled()).standard_error / mean(once.readers.pooled()).standard_error
    assert naive == pytest.approx(np.sqrt(0.5), abs=0.02)


def test_people_are_looked_up_by_recording_and_kept_in_subgroups():
    doubled = twice(entry())
    people = dict(zip(doubled.eid.tolist(), whose(doubled).tolist(), strict=True))
    (model,) = group_outputs([doubled], "test", people=people)
    np.testing.assert_array_equal(model.people, whose(doubled))
    some = np.arange(2 * PEOPLE) % 3 > 0
    part = model.of(some)
    np.testing.assert_array_equal(part.people, whose(doubled)[some])
    assert part.readers.influence.shape[1] == len(np.unique(whose(doubled)[some]))
    assert interval_row(model, 5)["n"] == 2 * PEOPLE  # recordings are counted
    assert group_outputs([doubled], "test")[0].people is None


def group(encoder: str, seed: int) -> list[Predictions]:
    return [replace(entry(name, encoder, seed + place), target="rhythm") for place, name in enumerate(("cad", "af"))]


def test_macro_is_the_mean_of_the_aurocs():
    (model,) = group_outputs(group("mae", 1), "test")
    single = [[auroc(one.y_true, scores) for scores in one.scores] for one in model.outputs]
    np.testing.assert_allclose(model.by_seed, np.mean(single, axis=0))
    row = interval_row(model, None)
    assert (row["metric"], row["target"], row["n_positive"]) == ("auroc", "rhythm", None)
    assert row["low"] < row["mean"] < row["high"] and row["mean"] == pytest.approx(np.mean(single))
    table = seed_metrics([model])
    means = table[table["output"] == "mean"]
    assert (
        means["value"].tolist() == pytest.approx(np.mean(single, axis=0).tolist()) and means["n_positive"].isna().all()
    )
    assert set(table["output"]) == {"cad", "af", "mean"} and set(table["metric"]) == {"auroc"}


def test_a_group_whose_diseases_were_tested_on_different_people_is_refused():
    one, other = group("mae", 1)
    check_one_cohort("rhythm", [one, other])
    with pytest.raises(InputError, match=r"evaluate\.macro\.rhythm: its diseases were tested on different subjects"):
        check_one_cohort("rhythm", [one, replace(other, eid=other.eid + 1)])


def test_a_model_that_was_not_trained_for_one_disease_is_marked_in_the_group():
    columns = ["fit", "encoder", "target", "fraction", "reason"]
    rows = [("finetune", "mae", "cad", 100, "few steps"), ("finetune", "mae", "dm", 100, "chance"),
            ("finetune", "mae", "af", 100, "chance"), ("probe", "mae", "dm", 100, "chance")]  # fmt: skip
    marked = marked_members("rhythm", ["cad", "af"], [pd.DataFrame(rows, columns=columns)])
    assert marked.to_numpy().tolist() == [["finetune", "mae", "rhythm", 100, "few steps"]]


def test_who_has_several_recordings_is_read_from_the_visits(tmp_path):
    pd.DataFrame({"eid": [1, 2, 3], "subject": [7, 8, 7]}).to_parquet(tmp_path / "visits.parquet")
    assert several_recordings(tmp_path / "visits.parquet") == {1: 7, 2: 8, 3: 7}
    pd.DataFrame({"eid": [1, 2], "subject": [7, 8]}).to_parquet(tmp_path / "visits.parquet")
    assert several_recordings(tmp_path / "visits.parquet") == {}


def test_the_macros_variance_is_of_the_mean_and_paired():
    (model,) = group_outputs(group("mae", 1), "test")
    each = [Scored([one]).readers.influence for one in model.outputs]
    np.testing.assert_allclose(model.readers.influence, np.mean(each, axis=0))
    other = [replace(one, encoder="supervised", y_true=first.y_true, scores=first.scores * 0.5 + one.scores * 0.5)
             for one, first in zip(group("supervised", 7), model.outputs, strict=True)]  # fmt: skip
    by_model = {one.first.model: one for one in (model, *group_outputs(other, "test"))}
    table = comparison_table(by_model, {"auroc": 0.01})
    assert len(table) == 1 and table["difference"].iloc[0] == pytest.approx(
        model.by_seed.mean() - by_model["finetune", "supervised", "rhythm", 100].by_seed.mean()
    )
    assert pd.notna(table["p_delong"].iloc[0])
