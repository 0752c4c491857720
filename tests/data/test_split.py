import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from cmr2ecg.data.split import SPLITS, allocate, split_sizes, split_subjects

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
