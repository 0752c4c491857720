"""Data sets as downloaded: every form is read as it is declared, or refused or counted without naming a person."""

import csv
import os
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from raw.data_sets_written import write_code15, write_csv, write_mimic, write_ptbxl

from cmr2ecg.raw.data_set import DataSet, read_data_set, read_ids
from cmr2ecg.raw.data_set_labels import labels_of
from cmr2ecg.raw.data_set_table import cell, read_rows
from cmr2ecg.raw.ids import number_of
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.settings.data_set import Recordings

CONFIG = Path(__file__).parents[2] / "config"
TABLE = {"table": "t.csv", "file": "{file}.hea"}


def declared(name: str) -> Recordings:
    """Return the declaration that ships with a data set."""
    return Recordings.model_validate(yaml.safe_load((CONFIG / f"{name}.yaml").read_text())["recordings"])


def table(folder: Path, *rows: dict, **more) -> tuple[str, Recordings]:
    """Write a table and empty files that it names; return the folder and a declaration with `more`."""
    write_csv(folder / "t.csv", rows)
    for row in rows:
        (folder / f"{row['file']}.hea").touch()
    return str(folder), Recordings.model_validate({**TABLE, **more})


def read(folder: Path, *rows: dict, left_out: dict | None = None, **more) -> DataSet:
    where, settings = table(folder, *rows, **more)
    return read_data_set([where], settings, left_out or {})


def by_file(found: DataSet) -> dict:
    return {Path(one.path).stem: one for one in found.recordings}


def header(folder: Path, name: str, *comments: str) -> None:
    path = folder / f"{name}.hea"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["x 12 500 5000", "x.mat 16+24 1000/mV 16 0 28 -1716 0 I", *comments]))


def headers(folder: Path, **more) -> DataSet:
    return read_data_set([str(folder)], Recordings.model_validate({"table": "headers", **more}), {})


# ---- the shipped declarations, on sets in their forms


def test_ptbxl_has_several_recordings_a_person_its_folds_and_male_as_0(tmp_path):
    write_ptbxl(tmp_path, signals=False)
    found = by_file(read_data_set([str(tmp_path)], declared("ptbxl"), {}))
    assert len(found) == 60 and len({one.subject for one in found.values()}) == 30
    first, last = found["00001_hr"], found["00060_hr"]
    assert (first.recording, first.subject_id, first.split) == ("1", "15000", "train")
    assert (last.split, found["00018_hr"].split) == ("test", "val")
    assert dict(first.known) == {
        **{"age": "30", "weight": "60", "height": "", "sex": "Male"},
        **{"norm": "1", "mi": "0", "sttc": "0", "cd": "0", "hyp": "0", "af": "0"},
    }
    assert found["00003_hr"].known["sex"] == "Female" and found["00003_hr"].known["cd"] == "1"


def test_code15_names_exams_in_its_parts(tmp_path):
    write_code15(tmp_path)
    found = read_data_set([str(tmp_path)], declared("code15"), {}).recordings
    assert len(found) == 40 and len({one.subject for one in found}) == 20
    assert found[3].path == f"{tmp_path}/exams_part1.hdf5#9000103" and found[3].eid == 9000103
    assert [found[0].known[name] for name in ("sex", "age", "lbbb", "af")] == ["Female", "20", "0", "0"]
    assert found[2].known["sex"] == "Male" and found[2].known["lbbb"] == "1"
    os.remove(tmp_path / "exams_part1.hdf5")
    fewer = read_data_set([str(tmp_path)], declared("code15"), {})
    assert len(fewer.recordings) == 20 and "20 of 40 rows were left out: no such file in the folder" in fewer.notes


def test_mimic_joins_reports_and_knows_neither_age_nor_sex(tmp_path):
    write_mimic(tmp_path)
    found = read_data_set([str(tmp_path)], declared("mimic_iv_ecg"), {})
    assert len(found.recordings) == 24 and len({one.subject for one in found.recordings}) == 8
    assert [one.known["lbbb"] for one in found.recordings] == ["0"] * 3 + ["1"] * 3 + ["0"] * 3 + ["1"] * 3 + [
        "0"] * 3 + ["1"] * 3 + ["0"] * 3 + ["1"] * 3  # fmt: skip
    assert {one.known["sinus"] for one in found.recordings} == {"1"} and found.recordings[0].known["sex"] == ""
    text = found.as_csv(declared("mimic_iv_ecg").labels.classes, 2).splitlines()
    assert text[1].startswith(f"94000000,2,{tmp_path}/files/p9000/p90000000/s94000000/94000000.hea,90000000,,94000000,")


def test_headers_of_both_challenges(tmp_path):
    header(tmp_path, "g1/A0001", "#Age: 74", "#Sex: Male", "#Dx: 59118001,164889003", "#Hx: Unknown")
    header(tmp_path, "g2/JS1", "# Age: NaN", "# Sex: F", "# Dx: 426783006")
    header(tmp_path, "g2/JS2", "# Age: 60Y", "# Sex: Unknown", "# Dx: Unknown")
    header(tmp_path, "cpsc/A1", "#Age: 20", "#Sex: Female", "#Dx: I-AVB,RBBB")
    found = read_data_set([str(tmp_path)], declared("physionet_2021"), {})
    known = {name: one.known for name, one in by_file(found).items()}
    positive = {name: {key for key, value in of.items() if value == "1"} for name, of in known.items()}
    assert positive == {"A0001": {"rbbb", "af"}, "JS1": {"sinus"}, "JS2": set(), "A1": {"avb1", "rbbb"}}
    assert [known[name]["sex"] for name in ("A0001", "JS1", "JS2")] == ["Male", "Female", ""]
    assert [known[name]["age"] for name in ("A0001", "JS1", "JS2")] == ["74", "", ""]
    assert known["JS2"]["af"] == "" and known["JS1"]["af"] == "0"
    assert {one.recording for one in found.recordings} >= {"g1/A0001.hea", "cpsc/A1.hea"}
    assert all(one.subject == one.eid == number_of(one.recording) for one in found.recordings)
    for note in ("2 of 4 recordings have no known age", "1 of 4 recordings have no known sex",
                 "1 of 4 recordings have no label and are left out"):  # fmt: skip
        assert note in found.notes
    groups = declared("chapman")
    assert labels_of({"Dx": "195101003"}, groups.labels) == {"sb": "0", "afib": "0", "gsvt": "1", "sr": "0"}
    assert set(labels_of({"Dx": "59118001"}, groups.labels).values()) == {""}


# ---- recordings for pre-trainings alone


def test_unlabelled_recordings_of_training_folds_are_for_pre_trainings_and_those_held_out_for_nothing(tmp_path):
    rows = [
        {"file": name, "fold": fold, "who": name[0], "af": af}
        for name, fold, af in [("a1", 1, 0), ("a2", 1, ""), ("b1", 2, ""), ("c1", 3, ""), ("c2", 3, 1), ("d1", 4, 1)]
    ]
    split = {"column": "fold", "train": [1], "val": [2], "test": [3], "pretrain": [4]}
    more = {"subject": "who", "split": split, "labels": {"classes": {"af": ["af"]}}}
    folder, settings = table(tmp_path, *rows, **more)
    found = read_data_set([folder], settings, {}, unlabelled=True)
    splits = {name: one.split for name, one in by_file(found).items()}
    assert splits == {"a1": "train", "a2": "pretrain", "b1": "val", "c1": "test", "c2": "test", "d1": "pretrain"}
    assert found.notes == (
        "2 of 6 recordings are for pre-trainings alone",
        "2 of 6 recordings have no label and are left out",
    )
    before = read_data_set([folder], settings, {})
    assert by_file(before)["a2"].split == "train" and "3 of 6 recordings have no label" in before.notes[1]


def test_where_the_split_is_drawn_only_people_without_any_label_are_for_pre_trainings(tmp_path):
    rows = [{"file": name, "who": name[0], "af": af} for name, af in [("a1", 0), ("a2", ""), ("b1", ""), ("b2", "")]]
    folder, settings = table(tmp_path, *rows, {"file": "c1", "who": "c", "af": 1}, subject="who",
                             labels={"classes": {"af": ["af"]}})  # fmt: skip
    found = by_file(read_data_set([folder], settings, {}, unlabelled=True))
    assert {name for name, one in found.items() if one.split == "pretrain"} == {"b1", "b2"}
    assert {one.split for name, one in found.items() if name[0] != "b"} == {""}


# ---- ids, splits, what is left out


@pytest.mark.parametrize(
    ("text", "expected"),
    [("17.0", "17"), ("17.", "17"), ("-3.00", "-3"), ("17.50", "17.50"), ("1e3", "1e3"), (" HR.0 ", "HR.0"),
     ("NaN", ""), ("None", ""), ("0", "0"), ("", "")],
)  # fmt: skip
def test_cells(text, expected):
    assert cell(text) == expected


@given(st.integers(0, 10**15))
def test_an_id_is_the_same_with_and_without_a_point(number):
    assert cell(f"{number}.0") == cell(f" {number} ") == str(number)


def test_folds_as_text_or_numbers_and_none_of_them_counted(tmp_path):
    rows = [{"file": f"r{fold}", "fold": fold} for fold in ("1.0", "2", "9", "10", "x", "")]
    found = read(tmp_path, *rows, split={"column": "fold", "train": [1, 2], "val": [9], "test": [10]})
    assert {name: one.split for name, one in by_file(found).items()} == {
        "r1.0": "train", "r2": "train", "r9": "val", "r10": "test",
    }  # fmt: skip
    assert found.notes == ("2 of 6 rows were left out: in no fold of recordings.split",)


def test_withdrawn_and_excluded_are_ids_of_subjects_or_the_internal_number(tmp_path):
    rows = [{"file": f"r{number}", "person": f"{number // 2}.0", "rec": 9000001 + number} for number in range(6)]
    (tmp_path / "gone.csv").write_text("\ufeff1\n 9000005\n")
    (tmp_path / "not.csv").write_text("9000005,why\n\nnobody\n")
    lists = {"withdrawn": [str(tmp_path / "gone.csv")], "excluded": [str(tmp_path / "not.csv")]}
    found = read(tmp_path, *rows, left_out=lists, subject="person", recording="rec")
    assert sorted(by_file(found)) == ["r0", "r1", "r5"]
    assert found.notes == (
        "2 of 6 rows were left out: on a list of raw.withdrawn",
        "1 of 6 rows were left out: on a list of raw.excluded",
        "raw.withdrawn: 1 of 2 entries are nobody's id in the data set",
        "raw.excluded: 1 of 2 entries are nobody's id in the data set",
    )
    assert found.withdrawn == (9000003, 9000004)  # r2, r3: what audit_withdrawn looks for
    alone = read(tmp_path, *rows, left_out={"withdrawn": [str(tmp_path / "gone.csv")]}, recording="rec")
    assert "r4" not in by_file(alone) and len(alone.recordings) == 5  # without subjects the recording is meant


def test_lists_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"\xff\xfe1\n")
    for name in ("x.csv", "none.csv"):
        with pytest.raises(InputError, match=f"{name} cannot be read as a list of ids"):
            read_ids(str(tmp_path / name))


def test_sex_is_coded_as_declared_and_unknown_cells_are_counted(tmp_path):
    rows = [{"file": f"r{place}", "sex": text} for place, text in enumerate(("0", "1.0", "2", "female"))]
    found = read(tmp_path, *rows, sex={"column": "sex", "female": [1], "male": [0]})
    assert [by_file(found)[f"r{place}"].known["sex"] for place in range(4)] == ["Male", "Female", "", ""]
    assert found.notes == ("2 of 4 recordings have no known sex",)
    with pytest.raises(InputError, match="no cell of the column sex is one of female") as caught:
        read(tmp_path, *rows, sex={"column": "sex", "female": ["W"], "male": ["M"]})
    assert "2" not in str(caught.value)


def test_a_class_that_all_or_none_have_is_told(tmp_path):
    found = read(tmp_path, {"file": "a", "AF": 0, "B": 1}, {"file": "b", "AF": 0, "B": 0},
                 labels={"classes": {"af": ["AF"], "b": ["B"]}})  # fmt: skip
    assert found.notes == ("every labelled recording has the same value of af; it cannot be learnt",)


def test_several_folders_are_one_set(tmp_path):
    for name in ("one", "two"):
        table(tmp_path / name, {"file": name})
    settings = Recordings.model_validate(TABLE)
    found = read_data_set([str(tmp_path / name) for name in ("one", "two")], settings, {})
    assert sorted(by_file(found)) == ["one", "two"]


def test_the_table_of_a_job_is_the_data_set_again(tmp_path):
    found = read(tmp_path, {"file": 'a "b", c', "id": "x,y", "AF": 1}, {"file": "d", "id": "z", "AF": 0},
                 recording="id", labels={"classes": {"af": ["AF"]}})  # fmt: skip
    rows = list(csv.DictReader(found.as_csv(["af"], 2).splitlines()))
    assert {row["recording"]: (row["path"], row["af"]) for row in rows} == {
        "x,y": (f'{tmp_path}/a "b", c.hea', "1"), "z": (f"{tmp_path}/d.hea", "0"),
    }  # fmt: skip
    assert [int(row["eid"]) for row in rows] == sorted(number_of(name) for name in ("x,y", "z"))


# ---- refused, in words that name no cell

PERSON = {"file": "a", "patient_id": "Jane Doe", "age": "56.75", "fold": "1"}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"recording": "patient"}, "no column patient .did you mean patient_id.."),
        ({"age": "xyz"}, "no column xyz .it has 4 columns; is the first line their names.."),
        ({"file": "../{file}"}, "recordings.file: a row has no file in the folder"),
        ({"file": "/etc/{file}"}, "recordings.file: a row has no file in the folder"),
        ({"file": "{nothing}.hea"}, "no column nothing"),
        ({"table": "u.csv"}, "recordings.table: there is no .*u.csv; correct raw.ecg or the name"),
        ({"join": {"table": "u.csv", "column": "file"}}, "there is no .*u.csv"),
        ({"join": {"table": "t.csv", "column": "fil"}}, "no column fil .did you mean file"),
        ({"labels": {"form": "codes", "columns": ["Dx"], "classes": {"a": ["A"]}}}, "no column Dx"),
        ({"split": {"column": "fold", "train": [2], "val": [3], "test": [4]}}, "no recording is left of 1 rows"),
    ],
)  # fmt: skip
def test_declarations_that_do_not_fit_are_refused(tmp_path, more, message):
    where, _ = table(tmp_path, PERSON)
    with pytest.raises(InputError, match=message) as caught:
        read_data_set([where], Recordings.model_validate({**TABLE, **more}), {})
    assert "Jane" not in str(caught.value) and "56.75" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,id\na,Jane\nb,Jane\n", "recordings.recording: two rows have the same id"),
        ("file,id\na,\n", "a row has no id of its recording"),
        ("file,id,id\na,Jane,2\n", "two columns id; keep one"),
        ('file,id\na,"Jane\nb,2\n', "cannot be read as a csv .Error."),
        ("file,id\na,Jane,2\n", "t.csv, line 2 has 3 cells, the first line 2"),
        ("file,id\na,Jane\nb\n", "t.csv, line 3 has 1 cells, the first line 2"),
        ("Jane,56\n", "no column file .it has 2 columns"),
        ("file,id\n", "no recording is left of 0 rows; none there"),
        ("", "no column file"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path, text, message):
    for name in "ab":
        (tmp_path / f"{name}.hea").touch()
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_data_set([str(tmp_path)], Recordings.model_validate({**TABLE, "recording": "id"}), {})
    assert "Jane" not in str(caught.value)


def test_a_joined_table_with_an_id_twice_is_refused_and_blank_ids_join_nothing(tmp_path):
    where, settings = table(
        tmp_path, {"file": "a", "id": "1"}, {"file": "b", "id": ""}, {"file": "c", "id": "3"},
        join={"table": "u.csv", "column": "id"}, labels={"classes": {"af": ["AF"]}},
    )  # fmt: skip
    (tmp_path / "u.csv").write_text("id,AF,other\n1.0,1,x\n,1,y\n")
    rows = {row["file"]: row["AF"] for row in read_rows(where, settings)}
    assert rows == {"a": "1", "b": "", "c": ""}
    (tmp_path / "u.csv").write_text("id,AF\n1,1\n1.0,0\n")
    with pytest.raises(InputError, match=r"recordings\.join: two rows of u\.csv have the same id"):
        list(read_rows(where, settings))


def test_headers_that_say_other_things(tmp_path):
    labels = {"form": "codes", "columns": ["Dx"], "classes": {"af": ["AF"], "sr": ["SR"]}}
    header(tmp_path, "a", "# file: /etc/passwd", "# Dx: AF", "# Dx: SR", "# <subject_id>: 10000000")
    header(tmp_path, "b", "#" + " " * 50_000, "# " + "Dx" * 20_000, "#:", "# :", "Dx: AF")
    (tmp_path / "c.hea").write_bytes(b"\xff\x00" * 50 + b"\n# Dx: AF\xfe\n")
    (tmp_path / "d.hea").write_text("# Dx: AF\n" * 10_000)  # too large
    os.mkfifo(tmp_path / "e.hea")
    found = headers(tmp_path, labels=labels, subject="")
    known = {name: (one.known["af"], one.known["sr"]) for name, one in by_file(found).items()}
    assert known["a"] == ("1", "1") and known["b"] == known["d"] == known["e"] == ("", "")
    assert set(known) == set("abcde") and by_file(found)["a"].path == f"{tmp_path}/a.hea"
    with pytest.raises(InputError, match=r"the WFDB headers in .* has no column Agee .it has") as caught:
        headers(tmp_path, age="Agee")
    assert "10000000" not in str(caught.value) and "subject_id" not in str(caught.value)


def test_a_folder_without_headers_or_none_at_all(tmp_path):
    with pytest.raises(InputError, match="no recording is left of 0 rows; none there"):
        headers(tmp_path, age="Age")
    with pytest.raises(InputError, match=r"raw\.ecg: .*nowhere is no folder"):
        headers(tmp_path / "nowhere")
