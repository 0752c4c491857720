"""People with several recordings: no split and no interval takes them apart, subsets keep the prevalence."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cmr2ecg.cohort.leakage import check_labelled, check_nested, check_recordings
from cmr2ecg.cohort.split import SPLITS, by_subject, given_split, hash_subjects, of_recordings, split_subjects
from cmr2ecg.cohort.subsets import balanced_subsets, draws_of, natural_subset, of_draw
from cmr2ecg.runtime.command import InputError

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
FIRST = 9_000_001


def cohort(whose: list[int], seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return labels and visits of recordings in a random order, whose[i] being the person of recording i."""
    rng = np.random.default_rng(seed)
    eids = FIRST + np.arange(len(whose))
    labels = pd.DataFrame({"eid": eids, "cad": rng.integers(0, 2, len(whose)), "af": rng.integers(0, 2, len(whose))})
    visits = pd.DataFrame({"eid": eids, "subject": np.array(whose) + 500, "split": ""})
    return labels.sample(frac=1, random_state=seed), visits.sample(frac=1, random_state=seed + 1)


@settings(deadline=None)
@given(st.lists(st.integers(0, 15), min_size=6, max_size=60), st.integers(0, 5))
def test_nobody_is_in_two_splits(whose, seed):
    labels, visits = cohort(whose, seed)
    subjects, belongs = by_subject(labels, visits)
    for split in (
        split_subjects(subjects, ["cad", "af"], SHARES, seed),
        hash_subjects(subjects["eid"].to_numpy(), SHARES, seed),
    ):
        found = of_recordings(split, belongs)
        assert found["eid"].tolist() == sorted(labels["eid"]) and set(found["split"]) <= set(SPLITS)
        reach = found.merge(visits[["eid", "subject"]], on="eid").groupby("subject")["split"].agg(set)
        assert reach.map(len).max() == 1
        check_recordings(found, visits)


def test_a_person_has_a_disease_that_any_recording_shows():
    labels = pd.DataFrame({"eid": [3, 1, 2], "cad": [1, 0, 0], "af": [0, 0, 1]})
    visits = pd.DataFrame({"eid": [1, 2, 3, 4], "subject": [7, 8, 7, 9]})
    subjects, belongs = by_subject(labels, visits)
    assert subjects.to_dict("list") == {"eid": [7, 8], "cad": [1, 0], "af": [0, 1]}
    assert dict(zip(belongs["eid"], belongs["subject"], strict=True)) == {3: 7, 1: 7, 2: 8}


def test_one_recording_each_is_split_as_without_subjects():
    labels, visits = cohort([*range(80)])
    visits["subject"] = visits["eid"]
    subjects, belongs = by_subject(labels, visits)
    split = split_subjects(subjects, ["cad", "af"], SHARES, 1)
    pd.testing.assert_frame_equal(of_recordings(split, belongs), split_subjects(labels, ["cad", "af"], SHARES, 1))


def test_a_given_split_is_taken_whole_or_not_at_all():
    visits = pd.DataFrame({"eid": [4, 1, 2, 3, 9], "split": ["test", "train", "val", "train", ""]})
    found = given_split(np.array([3, 1, 2, 4]), visits)
    assert found.to_dict("list") == {"eid": [1, 2, 3, 4], "split": ["train", "val", "train", "test"]}
    with pytest.raises(InputError, match="1 of 5 recordings have no split and none of the splits is empty"):
        given_split(visits["eid"].to_numpy(), visits)
    with pytest.raises(InputError, match="0 of 3 recordings have no split and test of the splits is empty"):
        given_split(np.array([1, 2, 3]), visits)


def test_folds_that_are_not_by_subject_stop_the_run():
    split = pd.DataFrame({"eid": [1, 2, 3, 4], "split": ["train", "test", "val", "val"]})
    visits = pd.DataFrame({"eid": [1, 2, 3, 4], "subject": [90001, 90001, 90002, 90002]})
    with pytest.raises(InputError, match="1 subjects have recordings in several splits") as caught:
        check_recordings(split, visits)
    assert "90001" not in str(caught.value)


def labelled(positives: int, negatives: int) -> pd.DataFrame:
    label = np.repeat([1, 0], [positives, negatives])
    eids = FIRST + np.random.default_rng(3).permutation(len(label))
    return pd.DataFrame({"eid": eids, "cad": label})


@settings(deadline=None, max_examples=40)
@given(st.integers(3, 120), st.integers(3, 400), st.integers(0, 3), st.integers(1, 3))
def test_natural_subsets_are_nested_and_keep_the_prevalence(positives, negatives, draw, fewest):
    table = labelled(positives, negatives)
    drawn = []
    for fraction in (1, 10, 100):
        kept = natural_subset(table, "cad", fraction=fraction, minimum_pairs=fewest, seed=5, draw=draw)
        check_labelled(kept, table["eid"].to_numpy(), table.set_index("eid")["cad"], "cad_1.csv", pairs=False)
        drawn.append((fraction, kept))
        for label, whole in ((1, positives), (0, negatives)):
            expected = max(fewest, int(np.floor(whole * fraction / 100 + 0.5)))
            assert (kept["label"] == label).sum() == min(whole, expected)
        assert kept["eid"].is_monotonic_increasing
    check_nested(drawn, "cad")
    assert len(drawn[-1][1]) == positives + negatives


def test_natural_subsets_do_not_depend_on_the_order_and_draws_differ():
    table = labelled(100, 300)
    options = {"fraction": 10, "minimum_pairs": 1, "seed": 5}
    first = natural_subset(table, "cad", **options)
    pd.testing.assert_frame_equal(first, natural_subset(table.sample(frac=1, random_state=0), "cad", **options))
    draws = balanced_subsets(table, "cad", **options, draws=3, pairs=False)
    assert draws_of(draws) == 3 and [len(of_draw(draws, draw)) for draw in range(3)] == [40] * 3
    assert of_draw(draws, 0)["eid"].tolist() == first["eid"].tolist()
    assert set(of_draw(draws, 1)["eid"]) != set(first["eid"])
    assert not balanced_subsets(table, "cad", **options, draws=3).equals(draws)


@pytest.mark.parametrize(("positives", "negatives"), [(1, 50), (50, 1), (0, 9)])
def test_too_few_of_either_kind_are_refused(positives, negatives):
    with pytest.raises(InputError, match=f"cad has {positives} positives and {negatives} negatives"):
        natural_subset(labelled(positives, negatives), "cad", fraction=100, minimum_pairs=2, seed=0)
