"""The paper's 40,044 subjects through all bookkeeping: sizes of §IV-A and §V-D, and no work that grows with the square.

Something quadratic would take minutes here; the limit is on processor time, so that a busy machine does not matter.
"""

import time

import h5py
import numpy as np
import pandas as pd
import pytest

from cmr2ecg.cohort.dataset import pair, write_dataset
from cmr2ecg.cohort.duplicates import duplicate_groups, scan_recordings
from cmr2ecg.cohort.flow import Flow
from cmr2ecg.cohort.inventory import index_shard, join_shards
from cmr2ecg.cohort.leakage import check_duplicates, check_labelled, check_nested, check_subjects, duplicate_table
from cmr2ecg.cohort.split import split_subjects
from cmr2ecg.cohort.subsets import balanced_subset

SUBJECTS, SHARDS, SECONDS = 40_044, 40, 20
PREVALENCE = {"cad": 0.0722, "af": 0.0298, "dm": 0.0446}
PAPER = {"cad": {10: 400, 1: 40}, "af": {10: 170, 1: 17}, "dm": {10: 250, 1: 25}}
SHARES = {"train": 0.7, "val": 0.15, "test": 0.15}
EIDS = np.sort(9_000_001 + np.random.default_rng(0).choice(999_998, SUBJECTS, replace=False))


@pytest.fixture(scope="module", autouse=True)
def processor_time():
    begin = time.process_time()
    yield
    assert time.process_time() - begin < SECONDS


@pytest.fixture(scope="module")
def labels():
    drawn = np.random.default_rng(1).random((SUBJECTS, 3)) < list(PREVALENCE.values())
    return pd.DataFrame(drawn.astype("int8"), columns=list(PREVALENCE)).assign(eid=EIDS)


@pytest.fixture(scope="module")
def split(labels):
    return split_subjects(labels, list(PREVALENCE), SHARES, 2023)


def test_the_splits_have_the_papers_sizes_and_one_prevalence(labels, split):
    assert split["split"].value_counts().to_dict() == {"train": 28_030, "val": 6_007, "test": 6_007}
    by_split = labels.merge(split, on="eid").groupby("split")[list(PREVALENCE)].mean()
    assert (by_split - labels[list(PREVALENCE)].mean()).abs().max(axis=None) < 3 / 6_007


@pytest.mark.parametrize("target", PAPER)
def test_subsets_have_the_sizes_of_section_5d(labels, split, target):
    """Within 5 % or one pair: an odd number cannot be 1:1, so pairs are kept whole."""
    train = split.loc[split["split"] == "train", "eid"].to_numpy()
    known = labels[labels["eid"].isin(train)]
    subsets = [
        (fraction, balanced_subset(known, target, fraction=fraction, minimum_pairs=1, seed=2023))
        for fraction in (100, 10, 1)
    ]
    check_nested(subsets, target)
    for fraction, subset in subsets:
        check_labelled(subset, train, labels.set_index("eid")[target], target, pairs=True)
        paper = PAPER[target].get(fraction)
        assert paper is None or abs(len(subset) - paper) <= max(0.05 * paper, 2)


def test_two_visits_of_every_subject_are_indexed():
    visits = [(int(eid), instance) for eid in EIDS for instance in (2, 3)]
    parts = []
    for shard in range(SHARDS):
        files = {visit: f"{visit}" for visit in visits if visit[0] % SHARDS == shard}
        parts.append(index_shard(files, files, {}, set(EIDS[:100].tolist()), [2, 3]))
    table, flow = join_shards(parts)
    assert table["eid"].tolist() == EIDS[100:].tolist() and set(table["instance"]) == {2}
    assert flow.remaining == SUBJECTS - 100


def test_forty_shards_are_assembled_and_audited(tmp_path, labels, split):
    recordings = np.random.default_rng(2).normal(size=(SUBJECTS, 10)).astype("f4")
    shards = []
    for shard in range(SHARDS):
        shards.append(tmp_path / f"{shard}.h5")
        rows = shard == EIDS % SHARDS
        with h5py.File(shards[-1], "w") as file:
            file["eid"], file["ecg"] = EIDS[rows], recordings[rows]
    qc = pd.DataFrame({"eid": EIDS, "status": "accepted", "reason": ""})
    eids, flow = pair(qc, qc, EIDS, Flow(SUBJECTS, [("index_cohort", "withdrawn", SUBJECTS, SUBJECTS)]))
    assert flow.remaining == SUBJECTS
    write_dataset(tmp_path / "dataset.h5", tmp_path / "dataset.h5", eids, {"ecg": shards})
    with h5py.File(tmp_path / "dataset.h5") as file:
        np.testing.assert_array_equal(file["ecg"][:], recordings)
    check_subjects(eids, split, labels, pd.DataFrame({"eid": EIDS}))


def test_thousands_of_copies_are_grouped():
    """Everybody shares one of ten recordings: as many pairs as there can be."""
    data = np.random.default_rng(3).normal(size=(10, 40)).astype("f4")[np.arange(SUBJECTS) % 10]
    groups = duplicate_groups(scan_recordings(lambda rows: data[rows], SUBJECTS, "ecg"), lambda rows: data[rows], 0.999)
    assert [(kind, len(rows)) for kind, rows in groups] == [("identical", 4005)] * 4 + [("identical", 4004)] * 6
    table = duplicate_table({"ecg": groups}, EIDS, np.repeat("train", SUBJECTS))
    check_duplicates(table, "duplicates.csv")
    assert len(table) == SUBJECTS
