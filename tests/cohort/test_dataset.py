import shutil
import time

import h5py
import numpy as np
import pandas as pd
import pytest

from cmr2ecg.cohort.dataset import ecg_alone, pair, with_unpaired, write_dataset
from cmr2ecg.cohort.flow import Flow
from cmr2ecg.loading.shard_reader import ShardReader
from cmr2ecg.runtime.command import InputError

EIDS = 9_000_001 + np.random.default_rng(0).choice(500, 200, replace=False)


def write_shards(folder, name, shards, eids):
    paths = []
    for shard in range(shards):
        part = np.sort(eids[eids % shards == shard])
        path = folder / name / f"{shard}.h5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file["eid"] = part
            file.create_dataset(name, data=np.repeat(part[:, None], 4, axis=1).astype("f8"), chunks=True)
        paths.append(path)
    return paths


def test_rows_follow_the_eids_however_they_scatter_also_after_a_move(tmp_path, monkeypatch):
    results = tmp_path / "results"
    shards = {"ecg": write_shards(results, "ecg", 7, EIDS), "cmr": write_shards(results, "cmr", 3, EIDS)}
    chosen = np.sort(np.random.default_rng(1).choice(EIDS, 120, replace=False))
    final = results / "assemble_dataset" / "dataset.h5"
    final.parent.mkdir()
    write_dataset(final, final, chosen, shards)
    shutil.move(results, tmp_path / "moved")
    monkeypatch.chdir("/")
    rows = np.array([3, 4, 50, 119])
    with h5py.File(tmp_path / "moved" / "assemble_dataset" / "dataset.h5") as file:
        np.testing.assert_array_equal(file["eid"][:], chosen)
        for name in ("ecg", "cmr"):
            np.testing.assert_array_equal(file[name][:], np.repeat(chosen[:, None], 4, axis=1))
            np.testing.assert_array_equal(file[name][rows][:, 0], chosen[rows])
            assert file[name][17][0] == chosen[17]
            assert len(file[name].virtual_sources()) <= len(shards[name])


def test_a_subject_absent_from_the_shards_is_an_error(tmp_path):
    shards = {"ecg": write_shards(tmp_path, "ecg", 2, EIDS)}
    with pytest.raises(InputError, match="1 subjects"):
        write_dataset(tmp_path / "x.h5", tmp_path / "x.h5", np.append(np.sort(EIDS), 9_999_999), shards)


def qc(*reasons):
    status = ["rejected" if reason else "accepted" for reason in reasons]
    return pd.DataFrame({"eid": np.arange(1, 1 + len(reasons)), "status": status, "reason": reasons})


def test_every_reason_is_counted_and_the_counts_chain():
    ecg, cmr = (
        qc("", "flat lead", "flat lead", "", "not XML", ""),
        qc("", "not a zip", "", "too few slices", "", ""),
    )
    eids, flow = pair(ecg, cmr, np.array([1, 2, 3]), Flow(6, [("index_cohort", "withdrawn", 8, 6)]))
    assert eids.tolist() == [1]
    table = flow.table()
    assert table["reason"].tolist()[1:] == [
        "ECG: flat lead",
        "ECG: not XML",
        "CMR: too few slices",
        "no row in the tables",
    ]
    assert table["n_in"].tolist()[1:] == table["n_out"].tolist()[:-1]
    assert table["n_out"].iloc[-1] == 1


def test_whoever_leaves_for_the_image_is_unpaired():
    """The counts of the flow's rows that keep an ECG add up to the unpaired, whatever the two verdicts."""
    reasons = np.random.default_rng(0).choice(["", "", "broken"], (3, 40))
    alone = qc(*reasons[2]).assign(eid=np.arange(101, 141))
    ecg, cmr = with_unpaired(qc(*reasons[0]), qc(*reasons[1]), alone)
    unpaired = ecg_alone(ecg, cmr)
    eids, flow = pair(ecg, cmr, ecg["eid"].to_numpy(), Flow(80), keep_ecgs=True)
    kept = [n_in - n_out for _, reason, n_in, n_out in flow.rows if reason.endswith("kept for masked modelling")]
    assert sum(kept) == len(unpaired) == ((reasons[0] == "") & (reasons[1] != "")).sum() + (reasons[2] == "").sum()
    passed = ecg.loc[ecg["status"] == "accepted", "eid"]
    assert sorted([*eids, *unpaired]) == sorted(passed)


def test_no_unpaired_ecg_is_a_file_without_rows(tmp_path):
    shards = write_shards(tmp_path, "ecg", 2, EIDS)
    write_dataset(tmp_path / "x.h5", tmp_path / "x.h5", np.array([], np.int64), {"ecg": shards})
    with h5py.File(tmp_path / "x.h5") as file:
        assert file["ecg"].shape == (0, 4) and file["eid"].dtype == np.int64
        assert len(ShardReader(file, "ecg").row) == 0


def test_nobody_left_is_an_error_that_says_why():
    with pytest.raises(InputError, match="flat lead: 2"):
        pair(qc("flat lead", "flat lead"), qc("", ""), np.array([1, 2]), Flow(2))


def test_new_samples_in_a_shard_change_the_file_and_equal_ones_do_not(tmp_path):
    """Snakemake compares this small file by its bytes, so it must tell when the samples behind it change."""
    eids = np.sort(EIDS)

    def bytes_of(value):
        shards = {"ecg": write_shards(tmp_path, "ecg", 2, eids)}
        with h5py.File(shards["ecg"][1], "r+") as file:
            file["ecg"][3, 2] = value
        write_dataset(tmp_path / "dataset.h5", tmp_path / "dataset.h5", eids, shards)
        return (tmp_path / "dataset.h5").read_bytes()

    first = bytes_of(1.0)
    time.sleep(1.1)  # HDF5 would write the time in whole seconds
    assert first == bytes_of(1.0) != bytes_of(2.0)
