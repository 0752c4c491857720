import sqlite3

import h5py
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from cmr2ecg.cohort import withdrawn_traces as traces
from cmr2ecg.cohort.withdrawn_traces import files_below, holds

EID, OTHER = 9000123, 9000124
GONE = np.array([9000007, EID])


def write_parquet(path):
    pd.DataFrame({"x": [0.5, 1.5], "id": [OTHER, EID]}).to_parquet(path)


def write_text_parquet(path):
    pd.DataFrame({"path": ["/raw/other.xml", f"/raw/{EID}_20205_2_0.xml"]}).to_parquet(path)


def write_hdf5(path):
    with h5py.File(path, "w") as file:
        file["ecg"] = np.zeros((2, 5), "f4")
        file["deep/eid"] = np.array([OTHER, EID])


def write_attribute(path):
    with h5py.File(path, "w") as file:
        file.create_group("a").attrs["source"] = f"{EID}.zip"


def write_numpy(path):
    with open(path, "wb") as handle:
        handle.write(b"abc")  # so that the integers are not aligned
        handle.write(np.array([1, EID]).tobytes())


def write_sqlite(path):
    with sqlite3.connect(path) as database:
        database.execute("create table runs (name text)")
        database.execute("insert into runs values (?)", (f"subject {EID}",))
    database.close()


def write_text(path):
    path.write_text(f"eid,label\n{OTHER},0\n{EID},1\n")


KINDS = {
    "a.parquet": write_parquet,
    "b.parquet": write_text_parquet,
    "a.h5": write_hdf5,
    "b.h5": write_attribute,
    "a.npy": write_numpy,
    "mlflow.db": write_sqlite,
    "a.csv": write_text,
    "a.log": write_text,
    "broken.parquet": write_text,
    "broken.h5": write_text,
    f".{EID}.partial": lambda path: path.write_text("empty"),
}


@pytest.mark.parametrize("further", [0, traces.FEW])
@pytest.mark.parametrize("name", KINDS)
def test_a_subject_is_found_in_every_kind_of_file_and_no_other_is(tmp_path, name, further):
    """Few withdrawn subjects are searched one by one, many all at once."""
    KINDS[name](tmp_path / name)
    others = np.arange(9_100_000, 9_100_000 + further)
    assert holds(tmp_path / name, np.concatenate([GONE, others]))
    assert not holds(tmp_path / name, np.concatenate([[900012, 90001231, 9000125], others]))


@pytest.mark.parametrize(
    "text",
    [
        f"sha256 ab{EID}cd0123456789abcdef",
        f'{{"auroc": 0.{EID}, "time": 17{EID}000}}',
        f"000{EID} 00000 n",
    ],
)
def test_digests_decimals_and_offsets_are_no_eids(tmp_path, text):
    (tmp_path / "result.json").write_text(text)
    assert not holds(tmp_path / "result.json", GONE)


@pytest.mark.parametrize("text", [f"{EID}.0", f"[{EID}]", f"subject{EID}x", f"{EID}_20205_2_0.xml", f"a.{EID}.b"])
def test_an_eid_in_any_surroundings_is_found(tmp_path, text):
    (tmp_path / "x.log").write_text(text)
    assert holds(tmp_path / "x.log", GONE)


def test_of_weights_the_names_and_notes_count(tmp_path):
    offset = np.zeros(250_000, "f4")
    save_file({"a": offset, "b": offset}, tmp_path / "encoder.safetensors", metadata={"eid": str(EID)})
    assert holds(tmp_path / "encoder.safetensors", GONE)
    assert not holds(tmp_path / "encoder.safetensors", np.array([1_000_000]))


def test_an_eid_on_the_border_of_two_pieces_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr(traces, "PIECE", 64)
    for shift in range(50, 70):
        (tmp_path / "x").write_bytes(b"." * shift + str(EID).encode() + b"." * 60)
        assert holds(tmp_path / "x", GONE)


def test_files_are_listed_without_following_links(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/.hidden").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a/b/.hidden")
    assert [path.name for path in files_below(tmp_path)] == [".hidden"]
