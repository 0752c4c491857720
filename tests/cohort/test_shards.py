import h5py
import numpy as np
import pandas as pd
import pytest

from cmr2ecg.cohort.shards import Field, paths_of, process_shard
from cmr2ecg.raw.rejection import Rejection


def test_subjects_come_in_order_of_eid(tmp_path):
    path = tmp_path / "visits.parquet"
    pd.DataFrame({"eid": [9000005, 9000001, 9000002, 9000003], "ecg_path": list("abcd")}).to_parquet(path)
    assert paths_of(path, "ecg_path") == [(9000001, "b"), (9000002, "c"), (9000003, "d"), (9000005, "a")]


def work(path):
    if path == "bad":
        raise Rejection("flat lead", "V1", {"size": 7})
    if path == "worse":
        raise KeyError("surprise")
    return {"x": np.full(3, float(path))}, {"size": len(path)}


def run(tmp_path, subjects):
    out, qc = tmp_path / "x.h5", tmp_path / "x.csv"
    reasons = process_shard(
        subjects,
        work,
        fields={"x": Field((3,), "float32")},
        attributes={"unit": "mV"},
        measures=["size"],
        output=out,
        qc=qc,
    )
    with h5py.File(out) as file:
        return file["eid"][:].tolist(), file["x"][:, 0].tolist(), dict(file.attrs), pd.read_csv(qc), reasons


def test_a_bad_subject_is_rejected_and_the_others_are_unharmed(tmp_path):
    subjects = [(1, "10"), (2, "bad"), (3, "30"), (4, "worse")]
    eids, values, attributes, qc, reasons = run(tmp_path, subjects)
    assert (eids, values, attributes) == ([1, 3], [10, 30], {"unit": "mV"})
    assert qc["eid"].tolist() == [1, 2, 3, 4]
    assert qc["status"].tolist() == ["accepted", "rejected", "accepted", "rejected"]
    assert qc["reason"].fillna("").tolist() == ["", "flat lead", "", "unexpected error"]
    assert qc["detail"].fillna("").tolist() == ["", "V1", "", "KeyError"]
    assert qc["size"].tolist()[:3] == [2, 7, 2]
    assert reasons == {"": 2, "flat lead": 1, "unexpected error": 1}


def test_an_empty_shard_has_its_files(tmp_path):
    eids, values, _, qc, _ = run(tmp_path, [])
    assert eids == values == [] and qc.empty


def test_a_killed_step_leaves_nothing(tmp_path):
    def killed(path):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process_shard(
            [(1, "1")],
            killed,
            fields={"x": Field((3,), "float32")},
            attributes={},
            measures=[],
            output=tmp_path / "x.h5",
            qc=tmp_path / "x.csv",
        )
    assert not list(tmp_path.iterdir())
