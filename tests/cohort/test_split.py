import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cmr2ecg.cohort.split import SPLITS, allocate, hash_subjects, split_sizes, split_subjects

SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
TARGETS = ["cad", "af", "dm"]


def labels(size, prevalence=(0.0722, 0.0298, 0.0446), seed=0):
    drawn = np.random.default_rng(seed).random((size, 3)) < prevalence
    frame = pd.DataFrame(drawn.astype("int8"), columns=TARGETS)
    return frame.assign(eid=9_000_001 + np.arange(size))


def test_the_papers_sizes():
    assert split_sizes(40_044, SHARES).tolist() == [28_030, 6_007, 6_007]


def test_every_joint_stratum_is_shared_out_in_proportion():
    table = labels(40_044)
    split = split_subjects(table, TARGETS, SHARES, 2023)
    assert split["eid"].is_monotonic_increasing and split["eid"].is_unique
    assert split["split"].value_counts()[list(SPLITS)].tolist() == [28_030, 6_007, 6_007]
    merged = table.merge(split, on="eid")
    counts = pd.crosstab([merged[target] for target in TARGETS], merged["split"])[list(SPLITS)]
    expected = np.outer(counts.sum(axis=1), list(SHARES.values()))
    assert np.abs(counts.to_numpy() - expected).max() <= 1.5


def test_the_same_seed_gives_the_same_split_whatever_the_order_of_rows():
    table = labels(500)
    first = split_subjects(table, TARGETS, SHARES, 1)
    pd.testing.assert_frame_equal(first, split_subjects(table.sample(frac=1, random_state=0), TARGETS, SHARES, 1))
    assert not first.equals(split_subjects(table, TARGETS, SHARES, 2))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
def test_a_handful_of_subjects_does_not_crash(size):
    split = split_subjects(labels(size, (0.5, 0.5, 0.5)), TARGETS, SHARES, 0)
    assert len(split) == size and set(split["split"]) <= set(SPLITS)


@settings(deadline=None)
@given(arrays(int, st.integers(1, 8), elements=st.integers(0, 300)), st.floats(0, 1), st.floats(0, 1))
def test_allocation_adds_up_both_ways_and_keeps_near_the_shares(strata, train, val):
    total = int(strata.sum())
    sizes = np.array([int(total * train), int((total - int(total * train)) * val), 0])
    sizes[2] = total - sizes.sum()
    counts = allocate(strata, sizes)
    assert (counts >= 0).all()
    assert counts.sum(axis=1).tolist() == strata.tolist() and counts.sum(axis=0).tolist() == sizes.tolist()
    assert np.abs(counts - np.outer(strata, sizes) / max(total, 1)).max() < 3


EIDS = 9_000_001 + np.random.default_rng(0).permutation(40_044)


def test_by_hash_every_subset_of_the_subjects_is_split_the_same():
    whole = hash_subjects(EIDS, SHARES, 2023)
    assert whole["eid"].tolist() == sorted(EIDS)
    for part in (EIDS[:1], EIDS[:500], EIDS[7::3]):
        split = hash_subjects(part, SHARES, 2023)
        assert split["split"].tolist() == whole.set_index("eid")["split"].loc[split["eid"]].tolist()


def test_by_hash_sizes_and_prevalences_are_right_within_chance():
    table = labels(40_044).merge(hash_subjects(EIDS, SHARES, 2023), on="eid")
    for name, share in SHARES.items():
        part = table[table["split"] == name]
        assert abs(len(part) / len(table) - share) < 4 * np.sqrt(share * (1 - share) / len(table))
        assert abs(part["cad"].mean() - 0.0722) < 4 * np.sqrt(0.0722 / len(part))


def test_by_hash_the_seed_divides_anew_and_shares_may_be_none():
    one, two = (hash_subjects(EIDS[:2000], SHARES, seed)["split"] for seed in (1, 2))
    assert 0.4 < (one == two).mean() < 0.65  # 0.7² + 2 x 0.15² for independent divisions
    assert set(hash_subjects(EIDS[:300], {"train": 1.0, "val": 0.0, "test": 0.0}, 1)["split"]) == {"train"}


def test_by_hash_the_division_is_fixed_for_good():
    """A published split must not change with a new version."""
    split = hash_subjects(np.arange(9_000_001, 9_000_041), SHARES, 2023)["split"]
    assert "".join(name[1] for name in split) == "rrrrrarrrrrarrrrrrrrerrrerrraerrarrrreea"
