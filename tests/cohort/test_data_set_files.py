"""A data set in the workflow: a recording is an eid, digests follow its files and labels, lists hold its own ids."""

import os
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import yaml
from paper_settings import paper
from raw.data_sets_written import write_code15, write_csv, write_ptbxl

from cmr2ecg.cohort.arrivals import write_ledger
from cmr2ecg.cohort.raw_files import RawFiles
from cmr2ecg.raw.bulk import ECG_FIELD, list_files
from cmr2ecg.raw.ids import number_of
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.tables.named_columns import read_named

PTBXL = yaml.safe_load((SOURCE.parent / "config/ptbxl.yaml").read_text())
RANGES = {"age": (0.0, 120.0), "weight": (20.0, 400.0), "height": (100.0, 250.0)}


def table_of(files: RawFiles) -> str:
    return files.tables()[files.recordings_file]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """PTB-XL's form in four shards; returns RawFiles as the next run would see them."""
    monkeypatch.chdir(tmp_path)
    write_ptbxl(tmp_path / "set", people=10, signals=False)
    (tmp_path / "gone.csv").write_text("")
    config = {key: PTBXL[key] for key in ("recordings", "index_cohort", "split_subjects")}
    raw = {"ecg": ["set"], "withdrawn": ["gone.csv"]}
    return lambda main=True: RawFiles(paper(**config, shards=4, cohort="here", raw=raw), "results/here", main)


def digests(files: RawFiles) -> dict[tuple[str, int], str]:
    found = {(name, shard): way(str(shard)) for name, way in (("names", files.names_digest), ("ecg", files.ecg_digest))
             for shard in files.ledger.numbers()}  # fmt: skip
    return found | {("tabular", -1): files.tables_digest("tabular")}


def changed(before: dict, after: dict) -> set[tuple[str, int]]:
    return {key for key in after if before.get(key) != after[key]}


def edit(tmp_path, pattern: str, new: str) -> None:
    table = tmp_path / "set/ptbxl_database.csv"
    text, count = re.subn(pattern, new, table.read_text(), count=1, flags=re.MULTILINE)
    assert count == 1
    table.write_text(text)


def test_every_recording_is_in_the_shard_of_its_number_and_belongs_to_a_person(study):
    files = study()
    placed = {eid: shard for shard, found in files.by_shard["ecg"].items() for eid, _ in found}
    assert placed == {number_of(str(number)): number_of(str(number)) % 4 for number in range(1, 21)}
    listed = files.listed["ecg"]
    assert len({file.subject for file in listed.values()}) == 10 and {file.split for file in listed.values()} == {
        "train", "val", "test",
    }  # fmt: skip
    assert files.subjects_expected() == 20


def test_jobs_read_the_same_recordings_from_the_table_that_a_run_writes(study, tmp_path):
    files = study()
    (tmp_path / "recordings.csv").write_text(table_of(files))
    assert list_files([str(tmp_path / "recordings.csv")], ECG_FIELD) == files.listed["ecg"]
    assert "recordings.csv" in files.options() and "gone.csv" not in files.options()


def test_a_job_on_a_node_takes_what_the_run_wrote_not_the_tables(study, tmp_path):
    first = study()
    os.makedirs("results/here/index_shard")
    write_ledger(first.ledger_file, first.ledger)
    (tmp_path / "results/here/index_shard/recordings.csv").write_text(table_of(first))
    edit(tmp_path, r"\{'CLBBB'", "{'AFIB': 0.0, 'CLBBB'")
    node, later = study(main=False), study()
    assert node.data_set == replace(first.data_set, notes=()) and digests(node) == digests(first) != digests(later)
    (tmp_path / "results/here/index_shard/recordings.csv").write_text("eid\n1\n")
    assert digests(study(main=False)) == digests(later)


def test_another_file_or_label_reruns_what_depends_on_it_alone(study, tmp_path):
    before, shard = digests(study()), number_of("3") % 4
    (tmp_path / "set/records500/00000/00003_hr.hea").write_text("other")
    assert changed(before, digests(study())) == {("ecg", shard)}
    (tmp_path / "set/records500/00000/00003_hr.dat").write_text("signal")
    before = digests(study())
    edit(tmp_path, r"CLBBB': 100.0", "CRBBB': 100.0")  # the same superclass
    assert changed(before, digests(study())) == set()
    edit(tmp_path, r"\{'CRBBB'", "{'AFIB': 0.0, 'CRBBB'")
    assert changed(before, digests(study())) == {("tabular", -1)}
    os.utime(tmp_path / "set/ptbxl_database.csv", (1, 1))
    assert changed(before, digests(study())) == {("tabular", -1)}


def test_who_withdraws_is_gone_with_all_recordings_and_only_counted(study, tmp_path):
    (tmp_path / "gone.csv").write_text("15001\nnobody\n")
    files = study()
    assert len(files.listed["ecg"]) == 18 and "2 of 20 rows were left out: on a list of raw.withdrawn" in files.notes()
    withdrawn = files.tables()[files.withdrawn_file].split()
    assert withdrawn[0] == "eid" and len(withdrawn) == 3  # both recordings, for audit_withdrawn
    assert "15001" not in table_of(files) and not any("15001" in note for note in files.notes())


def test_a_table_that_does_not_fit_stops_before_any_job(study, tmp_path):
    edit(tmp_path, "^ecg_id,", "ecg_no,")
    with pytest.raises(InputError, match=r"no column ecg_id \(did you mean ecg_no\?\)"):
        study()


def test_ages_and_sexes_reach_the_covariates(study, tmp_path):
    edit(tmp_path, r",30\.0,", ",300.0,")
    (tmp_path / "recordings.csv").write_text(table_of(study()))
    eids = np.array([number_of(str(number)) for number in range(1, 21)])
    visits = pd.DataFrame({"eid": eids, "instance": 2})
    found = read_named([tmp_path / "recordings.csv"], visits, ["sex", "age", "height"], ["norm", "cd"], RANGES)
    table = found.covariates.merge(found.labels, on="eid").set_index("eid").loc[eids]
    assert table["sex"].tolist() == [1, 1, 0, 0] * 5  # PTB-XL: 0 is male; here 1 is
    assert np.isnan(table["age"].iloc[0]) and table["age"].iloc[1:4].tolist() == [30, 31, 31]
    assert table["height"].isna().all() and (table["norm"] + table["cd"] == 1).all()


def test_the_exams_of_one_file_are_stamped_by_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_code15(tmp_path / "set", exams=8, parts=2)
    overlay = yaml.safe_load((SOURCE.parent / "config/code15.yaml").read_text())
    config = {key: overlay[key] for key in ("recordings", "index_cohort")} | {"raw": {"ecg": ["set"]}, "shards": 1}

    def stamp() -> str:
        return RawFiles(paper(**config), "results/here", True).ecg_digest("0")

    before = stamp()
    assert before == stamp()
    os.utime(tmp_path / "set/exams_part1.hdf5", (1000, 1000))
    assert before != stamp()


def test_ids_of_the_same_number_are_one_and_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "set/t.csv", [{"id": number_of("17"), "file": "a"}, {"id": 17, "file": "a"}])
    (tmp_path / "set/a.hea").touch()
    declared = {"table": "t.csv", "file": "{file}.hea", "recording": "id"}
    with pytest.raises(InputError, match="two ids have the same internal number"):
        RawFiles(paper(recordings=declared, raw={"ecg": ["set"]}), "results/here", True)
