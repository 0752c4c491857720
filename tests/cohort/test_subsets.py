import numpy as np
import pandas as pd
import pytest

from cmr2ecg.cohort.subsets import balanced_subset, balanced_subsets, draws_of, of_draw, random_subsets, subset_size
from cmr2ecg.runtime.command import InputError

TRAIN = 28_030


def labels(n_positive, size=TRAIN):
    label = np.zeros(size, "int8")
    label[np.random.default_rng(0).choice(size, n_positive, replace=False)] = 1
    return pd.DataFrame({"eid": 9_000_001 + np.arange(size), "cad": label})


def subset(table, fraction, minimum=1, seed=2023):
    return balanced_subset(table, "cad", fraction=fraction, minimum_pairs=minimum, seed=seed)


@pytest.mark.parametrize(("prevalence", "ten", "one"), [(0.0722, 400, 40), (0.0298, 170, 17), (0.0446, 250, 25)])
def test_sizes_of_section_5d(prevalence, ten, one):
    """Within 5 % or one pair: an odd number cannot be balanced, so pairs are kept whole."""
    table = labels(round(prevalence * TRAIN))
    for fraction, paper in ((10, ten), (1, one)):
        assert abs(len(subset(table, fraction)) - paper) <= max(0.05 * paper, 2)


def test_subsets_are_balanced_and_nested():
    table = labels(900, 5000)
    larger = None
    for fraction in (100, 10, 1):
        chosen = subset(table, fraction)
        assert chosen["label"].mean() == 0.5 and chosen["eid"].is_monotonic_increasing
        assert (table.set_index("eid")["cad"].loc[chosen["eid"]].to_numpy() == chosen["label"]).all()
        assert larger is None or set(chosen["eid"]) < larger
        larger = set(chosen["eid"])
    assert set(table.loc[table["cad"] == 1, "eid"]) <= set(subset(table, 100)["eid"])


def test_the_draw_depends_on_the_seed_alone():
    table = labels(50, 500)
    pd.testing.assert_frame_equal(subset(table, 10), subset(table.sample(frac=1, random_state=1), 10))
    assert set(subset(table, 100)["eid"]) != set(subset(table, 100, seed=1)["eid"])


def test_small_fractions_keep_the_minimum_of_pairs():
    assert subset_size(30, 1, 8) == 8
    assert subset_size(30, 100, 8) == 30
    assert subset_size(25, 10, 1) == 3


def test_too_few_positives_or_negatives_are_errors_that_name_the_setting():
    with pytest.raises(InputError, match=r"balance_subset\.minimum_pairs = 5.*finetune\.targets"):
        subset(labels(4, 100), 100, minimum=5)
    with pytest.raises(InputError, match="0 positives"):
        subset(labels(0, 100), 1, minimum=0)
    with pytest.raises(InputError, match=r"60 positives but only 40 negatives.*read_tabular\.diseases\.cad"):
        subset(labels(60, 100), 100)


def test_draws_differ_lie_within_the_whole_set_and_are_nested_each():
    table = labels(300, 3000)
    size = {"minimum_pairs": 1, "seed": 2023, "draws": 4}
    whole, ten, one = (balanced_subsets(table, "cad", fraction=fraction, **size) for fraction in (100, 10, 1))
    assert "draw" not in whole and draws_of(whole) == 1 and draws_of(ten) == draws_of(one) == 4
    assert len({frozenset(of_draw(ten, draw)["eid"]) for draw in range(4)}) == 4
    for draw in range(4):
        larger, smaller = (of_draw(found, draw) for found in (ten, one))
        assert set(smaller["eid"]) < set(larger["eid"]) < set(whole["eid"])
        assert len(larger) == 60 and larger["label"].mean() == smaller["label"].mean() == 0.5
    alone = balanced_subset(table, "cad", fraction=10, minimum_pairs=1, seed=2023)
    # More draws change nothing of the first.
    pd.testing.assert_frame_equal(of_draw(ten, 0), alone.reset_index(drop=True))


MEASURED = 9_000_001 + 3 * np.arange(2000)
RANDOM = {"minimum_pairs": 1, "seed": 2023}


def test_random_subsets_have_the_share_and_are_nested_within_each_draw():
    tables = {percent: random_subsets(MEASURED, fraction=percent, **RANDOM, draws=4) for percent in (30, 10, 3, 1)}
    assert {percent: len(of_draw(table, 0)) for percent, table in tables.items()} == {30: 600, 10: 200, 3: 60, 1: 20}
    for draw in range(4):
        sets = [set(of_draw(table, draw)["eid"]) for table in tables.values()]
        assert sets[3] < sets[2] < sets[1] < sets[0] < set(MEASURED.tolist())
    assert of_draw(tables[10], 2).columns.tolist() == ["eid"] and of_draw(tables[10], 2)["eid"].is_monotonic_increasing


def test_random_draws_are_independent_of_each_other_and_of_their_number():
    """Two independent tenths of 2000 subjects share 20, with a standard deviation of 4."""
    four = random_subsets(MEASURED, fraction=10, **RANDOM, draws=4)
    drawn = [set(of_draw(four, draw)["eid"]) for draw in range(4)]
    assert all(4 < len(drawn[i] & drawn[j]) < 36 for i in range(4) for j in range(i))
    assert draws_of(four) == 4
    alone = random_subsets(MEASURED, fraction=10, **RANDOM, draws=1)
    assert "draw" not in alone and set(alone["eid"]) == drawn[0]
    shuffled = random_subsets(MEASURED[::-1], fraction=10, **RANDOM, draws=1)
    pd.testing.assert_frame_equal(alone, shuffled)


@pytest.mark.parametrize(("there", "minimum_pairs", "size"), [(200, 1, 10), (200, 8, 16), (6, 1, 6)])
def test_no_random_subset_is_smaller_than_a_phenotype_needs(there, minimum_pairs, size):
    table = random_subsets(MEASURED[:there], fraction=1, minimum_pairs=minimum_pairs, seed=0, draws=1)
    assert len(table) == size
