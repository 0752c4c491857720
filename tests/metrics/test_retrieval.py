"""Retrieval against sorting, closed forms and what embeddings without knowledge reach."""

import math

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.metrics.retrieval import (
    AT,
    BLOCK,
    COLUMNS,
    MEASURES,
    chance,
    interval,
    measures_of,
    partner_ranks,
    ranks_of,
    retrieval,
    summary,
)


def even(n, d, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def table(ecg, cmr, permutations=99):
    rows = summary("mmcl", {"ecg": ecg, "cmr": cmr}, permutations, 0)
    return pd.DataFrame(rows, columns=COLUMNS).set_index(["direction", "measure"])


def cosine(a, b):
    return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T


@pytest.mark.parametrize("block", [7 * 30, BLOCK])
def test_ranks_equal_sorting(monkeypatch, block):
    monkeypatch.setattr("cmr2ecg.metrics.retrieval.BLOCK", block)
    queries, candidates = even(30, 4), even(30, 4, seed=1)
    order = (-cosine(queries, candidates)).argsort(axis=1)
    slow = [1 + order[i].tolist().index(i) for i in range(30)]
    assert partner_ranks(queries, candidates).tolist() == slow
    partners = np.stack([np.arange(30), np.random.default_rng(2).permutation(30)])
    own, other = ranks_of(queries, candidates, partners)
    assert own.tolist() == slow
    assert other.tolist() == [1 + order[i].tolist().index(partners[1, i]) for i in range(30)]


def test_ties_share_their_mean_rank():
    queries = np.tile(np.float32([[1, 0]]), (3, 1))
    candidates = np.float32([[0, 1], [0, 2], [3, 0]])
    assert partner_ranks(queries, candidates).tolist() == [2.5, 2.5, 1]
    assert ranks_of(queries, candidates, np.array([[2, 0, 1]])).tolist() == [[1, 2.5, 2.5]]


def test_a_perfect_pair_is_always_found():
    z = even(50, 8)
    found = retrieval(z, 2 * z, ("ecg", "cmr"))
    assert found["ecg_to_cmr_r1"] == found["cmr_to_ecg_r10"] == 1 and found["ecg_to_cmr_median_rank"] == 1
    rows = table(z, 2 * z)
    assert rows.index.tolist() == [(way, name) for way in ("ecg_to_cmr", "cmr_to_ecg") for name in MEASURES]
    assert (rows["value"] == 1).all() and (rows["p"] == 0.01).all() and (rows["n"] == 50).all()
    assert rows.loc[("ecg_to_cmr", "r1"), "low"] == pytest.approx(1 / (1 + 1.959964**2 / 50))  # Wilson's of 50 in 50
    assert (rows["null_low"] <= rows["chance"]).all() and (rows["chance"] <= rows["null_high"]).all()


def test_embeddings_that_are_all_the_same_are_at_chance():
    same = np.ones((101, 4), np.float32)
    assert retrieval(same, same, ("a", "b"))["a_to_b_median_rank"] == chance(101)["median_rank"] == 51
    rows = table(same, same)
    assert (rows["value"] == rows["null_mean"]).all() and (rows["p"] == 1).all()
    assert rows.loc[("cmr_to_ecg", "r10"), "value"] == 0  # nobody is found


def test_embeddings_that_know_nothing_come_out_at_chance():
    unrelated = retrieval(even(2000, 16), even(2000, 16, seed=1), ("a", "b"))
    assert unrelated["a_to_b_r10"] == pytest.approx(chance(2000)["r10"], abs=0.005)
    assert unrelated["a_to_b_median_rank"] == pytest.approx(1000, abs=60)
    rows = table(even(200, 16), even(200, 16, seed=1), permutations=499)
    assert rows["null_mean"].tolist() == pytest.approx(rows["chance"].tolist(), rel=0.15)
    assert rows["value"].between(rows["null_low"], rows["null_high"]).all() and (rows["p"] > 0.01).all()


def test_p_counts_pairings_that_do_as_well():
    """Three subjects: of the six ways to pair them, each as likely, one finds all, three find one, two find nobody."""
    z = np.eye(3, dtype=np.float32)
    swapped = z[[1, 0, 2]]  # finds one
    first = table(z, swapped, permutations=6000).loc[("ecg_to_cmr", "r1")]
    assert first["value"] == pytest.approx(1 / 3) and first["null_mean"] == pytest.approx(1 / 3, abs=0.02)
    assert first["p"] == pytest.approx(4 / 6, abs=0.02)


def test_chance_is_the_share_of_candidates_looked_at():
    assert chance(4) == {"r1": 0.25, "r5": 1.0, "r10": 1.0, "median_rank": 2.5}
    every = np.arange(1, 5)
    assert measures_of(every) == chance(4)


def test_the_median_ranks_interval_is_of_order_statistics():
    """Of 20 subjects the 6th and the 15th: of 20 fair coins 5 or fewer fall on one side in 2.1 %."""
    ranks = np.random.default_rng(0).permutation(20) + 1.0
    assert interval("median_rank", ranks) == (6, 15)
    outside = [2 * sum(math.comb(20, heads) for heads in range(most + 1)) / 2**20 for most in (5, 6)]
    assert outside[0] < 0.05 < outside[1]
    assert all(map(math.isnan, interval("median_rank", ranks[:5])))


@pytest.mark.parametrize("k", AT)
def test_a_recall_of_0_has_an_interval(k):
    low, high = interval(f"r{k}", np.full(56, 40.0))
    assert low == 0 and 0.06 < high < 0.07
