"""ECGs for pre-trainings alone beside a cohort: who is among them, who must not be, and what a run leaves on disk."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from cohort.test_data_set_files import digests
from paper_settings import paper
from raw.data_sets_written import write_csv, write_ptbxl

from cmr2ecg.cohort.arrivals import write_ledger
from cmr2ecg.cohort.raw_files import RawFiles
from cmr2ecg.cohort.withdrawn_traces import holds
from cmr2ecg.raw.bulk import ECG_FIELD, list_files
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.imports import SOURCE

PTBXL = yaml.safe_load((SOURCE.parent / "config/ptbxl.yaml").read_text())
ROWS = [
    {"eid": "A", "path": "1.edf", "subject": "x", "split": "train"},
    {"eid": "B", "path": "2.edf", "subject": "y", "split": "test"},
    {"eid": "C", "path": "3.edf", "subject": "x", "split": "pretrain"},
]


@pytest.fixture
def touch(tmp_path, monkeypatch):
    """Write empty files below the folder, which is the working directory then."""
    monkeypatch.chdir(tmp_path)

    def write(*names: str) -> None:
        for name in names:
            (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
            (tmp_path / name).touch()

    return write


@pytest.fixture
def wide(tmp_path, touch):
    """A list of two people with a given split, and a folder of further ECGs; returns RawFiles for changed settings."""
    write_csv(tmp_path / "list.csv", ROWS)
    touch("1.edf", "2.edf", "3.edf", "further/1.edf", "further/2.hea")

    def files(main: bool = True, unpaired: bool = True, method: str = "given", **raw) -> RawFiles:
        raw = {"ecg": ["list.csv"], "unlabelled": ["further"], **raw}
        index = {"modalities": ["ecg"], "unpaired_ecgs": unpaired, "instances": [0]}
        settings = paper(raw=raw, index_cohort=index, shards=2, split_subjects={"method": method})
        return RawFiles(settings, "results/here", main)

    return files


@pytest.fixture
def beside(tmp_path, touch):
    """A data set of ten people and a folder of further ECGs; returns RawFiles with what stands on two lists."""
    write_ptbxl(tmp_path / "set", people=10, signals=False)
    touch("further/1.edf", "further/2.edf", "further/9000007_20205_2_0.xml")
    config = {key: PTBXL[key] for key in ("recordings", "index_cohort", "split_subjects")}

    def files(excluded: str = "15001", withdrawn: str = "", main: bool = True, unlabelled=("further",)) -> RawFiles:
        (tmp_path / "out.csv").write_text(excluded)
        (tmp_path / "gone.csv").write_text(withdrawn)
        raw = {"ecg": ["set"], "unlabelled": [*unlabelled], "excluded": ["out.csv"], "withdrawn": ["gone.csv"]}
        return RawFiles(paper(**config, raw=raw, shards=2), "results/here", main)

    return files


def start(files: RawFiles) -> None:
    """Write what a run writes at its start."""
    os.makedirs("results/here/index_shard", exist_ok=True)
    write_ledger(files.ledger_file, files.ledger)
    for name, content in files.tables().items():
        with open(name, "w") as handle:
            handle.write(content)


def indexed() -> None:
    """Pretend that an index is finished."""
    os.makedirs("results/here/index_cohort", exist_ok=True)
    open("results/here/index_cohort/visits.parquet", "w").close()


def names(files: RawFiles) -> list[str]:
    return sorted(os.path.basename(file.path) for file in files.unlabelled.values())


# ---- who is among them


def test_further_ecgs_are_listed_for_jobs_and_counted_beside_the_cohort(wide, touch):
    found = wide()
    splits = [file.split for file in found.listed["ecg"].values()]
    assert sorted(splits) == ["pretrain"] * 3 + ["test", "train"]
    assert (found.subjects_expected(), found.subjects_expected(unpaired=True)) == (2, 5)
    start(found)
    places = found.options().split("--cmr")[0].split()
    assert places == ["--ecg", "list.csv", "results/here/index_shard/unlabelled.csv"]
    assert list_files(places[1:], ECG_FIELD) == found.listed["ecg"]
    before = digests(found)
    touch("further/3.hea")
    assert digests(wide(main=False)) == before != digests(wide())
    assert not wide(unlabelled=[]).tables() and "unlabelled" not in wide(unlabelled=[]).options()


def test_the_cohorts_own_files_and_a_folder_within_another_are_taken_once(wide, touch):
    touch("further/sub/3.hea")
    found = wide(unlabelled=["further", "further/sub", "../" + os.path.basename(os.getcwd())])
    assert names(found) == ["1.edf", "2.hea", "3.hea"]
    assert "raw.unlabelled: 3 of its files are raw.ecg's, and taken there" in found.notes()
    assert len(found.listed["ecg"]) == 6 and not wide().notes()


def test_short_numbers_in_names_of_uk_biobank_are_the_same_in_jobs(wide, touch):
    touch("further/123456_20205_2_0.xml")
    start(wide())
    assert wide(main=False).unlabelled == wide().unlabelled


# ---- who must not be


def test_ecgs_for_pre_trainings_that_nobody_asked_for_stop_the_run(wide):
    with pytest.raises(InputError, match=r"1 subjects have ECGs with the split pretrain, yet .*unpaired_ecgs is false"):
        _ = wide(unpaired=False, unlabelled=[]).listed


@pytest.mark.parametrize(
    ("split", "method", "fine"),
    [("pretrain", "given", True), ("train", "given", True), ("test", "given", False), ("val", "given", False),
     ("", "given", False), ("train", "stratified", False), ("pretrain", "hash", True)],
)  # fmt: skip
def test_nobody_who_may_be_tested_on_is_pre_trained_on(wide, tmp_path, split, method, fine):
    """x has a recording for pre-trainings alone beside one of `split`, which only a given split heeds."""
    write_csv(tmp_path / "list.csv", [{**ROWS[0], "split": split}, *ROWS[1:]])
    if fine:
        assert len(wide(method=method).listed["ecg"]) == 5
    else:
        with pytest.raises(InputError, match="raw: 1 subjects have ECGs for pre-trainings alone and others that"):
            _ = wide(method=method).listed


def test_an_eid_with_visits_of_two_splits_stops_the_run(wide, tmp_path):
    rows = [{"eid": "A", "path": "1.edf", "instance": 0, "split": "train"},
            {"eid": "A", "path": "2.edf", "instance": 1, "split": "pretrain"}]  # fmt: skip
    write_csv(tmp_path / "list.csv", rows)
    with pytest.raises(InputError, match="raw: 1 eids have ECGs of two splits"):
        _ = wide(unlabelled=[]).listed


def test_another_visit_of_a_subject_of_the_cohort_stops_the_run_and_who_withdrew_is_gone(wide, touch, tmp_path):
    touch("ecg/9000007_20205_0_0.xml", "further/9000007_20205_1_0.xml")
    with pytest.raises(InputError, match="raw: 1 subjects have ECGs for pre-trainings alone and others that"):
        _ = wide(ecg=["ecg"]).listed
    os.rename(tmp_path / "further/9000007_20205_1_0.xml", tmp_path / "further/9000008_20205_1_0.xml")
    (tmp_path / "gone.csv").write_text("9000008\n")
    found = wide(ecg=["ecg"], withdrawn=["gone.csv"])
    assert len(found.listed["ecg"]) == 3 and "9000008" not in found.tables()[found.unlabelled_file]
    assert not found.notes()  # the list has somebody


@pytest.mark.parametrize("listed", ["9000007\n", '"","x"\n"1",9000007\n', "9,000,007\n", "9000007;2020-01-01\n"])
def test_lists_of_uk_biobank_hold_beside_a_data_set_in_every_form(beside, listed):
    assert names(beside(withdrawn=listed)) == names(beside(excluded=listed)) == ["1.edf", "2.edf"]
    assert names(beside(withdrawn="p17\n15003\n")) == ["1.edf", "2.edf", "9000007_20205_2_0.xml"]


def test_a_further_ecg_is_excluded_by_its_number(beside):
    whole = beside()
    eids = {os.path.basename(file.path): eid for (eid, _), file in whole.unlabelled.items()}
    fewer = beside(excluded=f"15001\n{eids['1.edf']}\n")
    assert names(fewer) == ["2.edf", "9000007_20205_2_0.xml"]
    assert len(whole.listed["ecg"]) == 21 and len(fewer.listed["ecg"]) == 20
    assert not any("excluded" in note and "nobody" in note for note in fewer.notes())


# ---- what a run leaves on disk


def test_after_a_withdrawal_no_file_of_the_start_names_them_and_the_audit_knows_them(beside):
    before = beside()
    start(before)
    indexed()
    patient = {one.eid for one in before.data_set.recordings if one.subject_id == "15003"}
    assert all(holds(Path(before.ledger_file), np.array([eid])) for eid in patient | {9000007})
    after = beside(withdrawn="15003\n9000007\n")
    start(after)
    with open(after.withdrawn_file) as handle:
        assert {int(line) for line in handle.read().split()[1:]} == patient | {9000007}
    for eid in patient | {9000007}:
        for path in (after.ledger_file, after.recordings_file, after.unlabelled_file):
            assert not holds(Path(path), np.array([eid])), path
    assert len(patient) == 2 and digests(beside(withdrawn="15003\n9000007\n", main=False)) == digests(after)


def test_a_table_of_further_ecgs_never_outlives_them(wide, tmp_path):
    start(wide())
    for name in ("1.edf", "2.hea"):
        os.rename(tmp_path / "further" / name, tmp_path / "further" / f"900000{name[0]}_20205_0_0.xml")
    (tmp_path / "gone.csv").write_text("9000001\n9000002\n")
    found = wide(withdrawn=["gone.csv"])
    start(found)
    assert not found.unlabelled and wide(main=False, withdrawn=["gone.csv"]).unlabelled == {}


def test_a_folder_taken_out_of_the_config_is_no_loss_and_a_lost_one_is_named(wide, touch, tmp_path):
    start(wide())
    indexed()
    assert len(wide(unlabelled=[]).ledger.files) == 3
    os.rename(tmp_path / "further", tmp_path / "moved")
    touch("further/new.edf")
    with pytest.raises(InputError, match=r"^raw\.unlabelled: 2 of 2 known subjects no longer have a file there"):
        _ = wide().ledger
