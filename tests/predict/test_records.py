"""Which files are ECGs: every one that bears an ending, but for what the command wrote itself; odd ones are named."""

import os
from pathlib import Path

import numpy as np
import pytest
from release_setups import CLEANING

from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.predict.pool import load
from cmr2ecg.predict.records import Source, check_rate_given, find_files, in_one_line, shown
from cmr2ecg.predict.results import harmless, row_of
from cmr2ecg.runtime.command import InputError


def test_its_own_output_is_passed_over(tmp_path):
    for name in ("b.csv", "a.XML", "notes.txt", "old/predictions.csv", "other/predictions.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("file,status,reason,cad_risk\n" if name.startswith("old") else "1,2\n")
    found = find_files([tmp_path])
    assert [str(path.relative_to(tmp_path)) for path in found] == ["a.XML", "b.csv", "other/predictions.csv"]


@pytest.mark.parametrize("ending", [".xml", ".hea", ".csv", ".npy"])
def test_a_pipe_a_link_a_folder_and_an_empty_file_are_named_and_hold_nothing_up(tmp_path, ending):
    os.mkfifo(tmp_path / f"pipe{ending}")
    (tmp_path / f"link{ending}").symlink_to(tmp_path / "nowhere")
    (tmp_path / f"empty{ending}").touch()
    (tmp_path / f"folder{ending}").mkdir()
    found = find_files([tmp_path])
    assert [path.stem for path in found] == ["empty", "link", "pipe"]
    reasons = [load(path, Source(CLEANING, 500)).reason for path in [*found, tmp_path / f"folder{ending}"]]
    assert reasons[1:] == [f"file cannot be opened: a {what}" for what in ("symbolic link", "pipe", "folder")]
    assert reasons[0] and "unexpected" not in reasons[0]


def test_a_folder_with_an_ecgs_name_is_looked_into(tmp_path):
    (tmp_path / "a.xml").mkdir()
    with pytest.raises(InputError, match="no ECG is given"):
        find_files([tmp_path / "a.xml"])
    (tmp_path / "a.xml/b.xml").touch()
    assert find_files([tmp_path]) == [tmp_path / "a.xml/b.xml"]


def test_a_link_to_a_folder_is_named_and_not_followed(tmp_path, caplog):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.xml").touch()
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    assert find_files([tmp_path]) == [tmp_path / "real/a.xml"]
    assert "link: skipped: a link to a folder" in caplog.text
    assert find_files([tmp_path / "link/real"]) == [tmp_path / "link/real/a.xml"]  # named by the user


def test_a_folder_that_cannot_be_listed_stops_the_command(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"locked: cannot be listed \(Permission denied\); make it readable"):
        find_files([tmp_path])


def test_names_that_are_no_text_are_shown_and_obeyed_by_no_terminal(tmp_path):
    assert shown(Path("\udcff ä.xml")) == "\\xff ä.xml"
    assert in_one_line(Path("\udcff ä\n\x1b[2J\u202e.xml")) == "\\xff ä\\n\\x1b[2J\\u202e.xml"
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv"))
    path.write_text("x")
    assert load(find_files([tmp_path])[0], Source(CLEANING, 500)).reason.startswith("not an array of numbers: line 1")


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0.xml", "+1", "-1", "@a", "\ta", "\ra", "\n=a", "＝a"])
def test_a_name_is_no_formula_in_a_spreadsheet(text):
    row = row_of({"file": text, "status": "rejected", "reason": text})
    assert row["file"] == row["reason"] == "'" + text
    assert harmless("a=b-c.xml") == "a=b-c.xml" and harmless("") == ""


def test_numbers_stay_numbers(tmp_path):
    said = {"LVEF": {"value": -1.5, "low": -2.0, "high": 0.0}}
    assert row_of({"file": "a", "status": "predicted", "phenotypes": said})["LVEF"] == "-1.5"


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 0, -500])
def test_a_rate_that_is_none_is_refused_at_once(rate):
    with pytest.raises(InputError, match="--rate"):
        check_rate_given([Path("a.npy")], rate)


@pytest.mark.filterwarnings("error")
def test_strange_numbers_are_no_warning(tmp_path):
    value = np.zeros((12, 5000))
    value.view(np.uint64)[0, 0] = 0x7FF0000000000001  # a NaN that signals when it is reckoned with
    np.save(tmp_path / "a.npy", value)
    (tmp_path / "b.csv").write_text(",".join(f"{name} (V)" for name in LEADS) + "\n" + ",".join(["1e307"] * 12) + "\n")
    for path in find_files([tmp_path]):
        assert load(path, Source(CLEANING, 500)).reason.startswith(("flat lead", "not a number"))
