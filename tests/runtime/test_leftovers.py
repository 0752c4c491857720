"""What killed jobs leave goes, and nothing else does."""

import os
import subprocess

import pytest

from cmr2ecg.runtime.leftovers import check_writable, remove_partials, remove_resume_points


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


@pytest.fixture
def ended() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_files_that_were_never_whole_go_unless_somebody_is_writing_them(tmp_path, ended):
    left = write(tmp_path / f"clean_ecg/.0.h5.{ended}.partial")
    written = write(tmp_path / f"clean_ecg/.1.h5.{os.getpid()}.partial")
    whole = write(tmp_path / "clean_ecg/0.h5")
    assert remove_partials(tmp_path) == 1
    assert (left.exists(), written.exists(), whole.exists()) == (False, True, True)


def test_a_journal_goes_with_its_half_made_database(tmp_path, ended):
    write(tmp_path / f".mlflow.db.{ended}.partial")
    write(tmp_path / f".mlflow.db.{ended}.partial-journal")
    assert remove_partials(tmp_path) == 2


def test_once_every_job_has_ended_the_number_of_a_process_says_nothing(tmp_path):
    write(tmp_path / f".mlflow.db.{os.getpid()}.partial")  # the number was given to another process since
    assert remove_partials(tmp_path, ended=True) == 1


def test_resume_points_of_ended_pre_trainings_go(tmp_path):
    ended = write(tmp_path / "pretrain_mmcl/mmcl/candidates/0.001/resume.pt")
    write(ended.parent / "result.json")
    cut = write(tmp_path / "pretrain_mae/mae/resume.pt")
    assert remove_resume_points(tmp_path) == 1
    assert (ended.exists(), cut.exists()) == (False, True)


def test_a_folder_that_can_be_made_is_enough(tmp_path):
    check_writable(tmp_path / "results/new")


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    (tmp_path / "finetune").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _mode: path != tmp_path / "finetune")
    with pytest.raises(PermissionError, match="finetune cannot be written to: make it writable"):
        check_writable(tmp_path)
