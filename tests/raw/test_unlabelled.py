"""ECGs for pre-trainings alone: who they are, whatever their folder is called, and what cannot be taken."""

import os
from pathlib import Path

import pytest

from cmr2ecg.raw.ids import HASHED
from cmr2ecg.raw.record_table import read_record_table
from cmr2ecg.raw.unlabelled import as_csv, read_unlabelled
from cmr2ecg.runtime.command import InputError


def folder(parent: Path, name: str, *files: str) -> str:
    for file in files:
        path = parent / name / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return str(parent / name)


def test_every_file_with_the_ending_of_an_ecg_is_one_and_no_other(tmp_path):
    where = folder(tmp_path, "set", "a.hea", "a.dat", "b/a.XML", "b/c.edf", "d.mat", "notes.txt", ".hea/e.scp")
    found = read_unlabelled([where], 3)
    assert sorted(os.path.relpath(file.path, where) for file in found.values()) == [
        ".hea/e.scp", "a.hea", "b/a.XML", "b/c.edf",
    ]  # fmt: skip
    assert {(file.split, file.subject, file.stamp) for file in found.values()} == {("pretrain", 0, "")}
    assert all(eid >= HASHED and instance == 3 for eid, instance in found)


def test_a_moved_folder_has_the_same_numbers_and_files_of_one_name_have_two(tmp_path):
    here = read_unlabelled([folder(tmp_path / "here", "set", "x/1.hea", "y/1.hea")], 0)
    there = read_unlabelled([folder(tmp_path / "there", "set", "y/1.hea", "x/1.hea")], 0)
    other = read_unlabelled([folder(tmp_path / "here", "other", "x/1.hea", "y/1.hea")], 0)
    assert [*here] == [*there] and len(here) == 2 and here.keys().isdisjoint(other)


def test_files_of_uk_biobank_keep_eid_and_visit_so_that_withdrawals_hold(tmp_path):
    files = folder(tmp_path, "set", "9000007_20205_3_0.xml", "9000007_20209_3_0.zip"), folder(tmp_path, "b", "1.hea")
    found = read_unlabelled(files, 2)
    assert next(iter(found)) == (9000007, 3) and len(found) == 2


def test_the_table_of_them_gives_the_same_back(tmp_path):
    found = read_unlabelled([folder(tmp_path, "a, b", "9000007_20205_3_0.xml", 'say "1".hea', "x/2.edf")], 2)
    (tmp_path / "t.csv").write_text(as_csv(found))
    assert read_record_table(str(tmp_path / "t.csv"), "raw.unlabelled") == found


def test_names_that_are_not_utf8_are_left_out_and_counted(tmp_path, caplog):
    where = folder(tmp_path, "set", "1.hea")
    open(os.fsencode(where) + b"/b\xe4.hea", "w").close()
    with caplog.at_level("WARNING"):
        found = read_unlabelled([where], 0)
    as_csv(found).encode()
    assert len(found) == 1 and "1 files are left out whose names are not UTF-8" in caplog.text
    os.remove(f"{where}/1.hea")
    with pytest.raises(InputError, match="has no ECG file with a name that can be printed"):
        read_unlabelled([where], 0)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (("a.dat", "b.txt"), r"has no ECG file \(\.xml, \.hea, .*\)"),
        (("empty.csv",), "has no ECG file"),
    ],
)
def test_a_folder_without_ecgs_is_refused(tmp_path, files, message):
    with pytest.raises(InputError, match=f"^raw.unlabelled: .*set {message}"):
        read_unlabelled([folder(tmp_path, "set", *files)], 0)


def test_two_folders_of_one_name_with_the_same_files_and_a_file_are_refused(tmp_path):
    both = [folder(tmp_path / side, "set", "1.hea") for side in ("one", "two")]
    with pytest.raises(InputError, match="two folders have the name set; rename one of them"):
        read_unlabelled(both, 0)
    with pytest.raises(InputError, match=r"1\.hea is not a folder"):
        read_unlabelled([f"{both[0]}/1.hea"], 0)
