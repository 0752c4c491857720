"""Saves and restores of a made-up state: what is written, what comes back, what is refused."""

import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from cmr2ecg.backup import __main__ as command
from cmr2ecg.backup import contents
from cmr2ecg.backup.contents import INCOMPLETE, METADATA, incomplete_of, record_of, records_of, results_of, target_of
from cmr2ecg.backup.places import Place
from cmr2ecg.backup.save import restore, save
from cmr2ecg.runtime.command import InputError

ROOT = Path(__file__).parents[2]
PROJECT = "project-" + "0" * 24


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository's folder in which two cohorts have run."""
    return repository(tmp_path / "first", "ukb", "demo")


@pytest.fixture(params=["folder", "url", "dx", "dx_of_a_project"])
def store(request, tmp_path: Path, monkeypatch):
    """Each kind of place; `dx` is the stand-in, the URL's files lie in memory."""
    if request.param == "folder":
        return Place(str(tmp_path / "place"))
    if request.param == "url":
        return Place(f"memory:/{tmp_path}/place/")
    stand_in(tmp_path, monkeypatch)
    return Place("dx:/backup" if request.param == "dx" else f"dx:{PROJECT}:/backup")


def stand_in(tmp_path: Path, monkeypatch) -> Path:
    """Put the stand-in for `dx` on the PATH and return its project."""
    project, tool = tmp_path / "project", tmp_path / "bin/dx"
    (project / "raw").mkdir(parents=True)
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {sys.executable} {ROOT}/tests/dx_stand_in.py "$@"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("DX_STAND_IN", str(project))
    return project


def repository(folder: Path, *cohorts: str) -> Path:
    """Write results with records, with times of long ago that no copy gives by itself."""
    folder.mkdir()
    (folder / "Snakefile").write_text("")
    for cohort in cohorts:
        for number, name in enumerate(("clean_ecg/0.h5", "pretrain_mae/mae/encoder.safetensors", "logs/track.log")):
            write(folder, f"results/{cohort}/{name}", f"{cohort} {name}" * 50, 1_600_000_000_123_456_789 + number)
            write(folder, record_of(f"results/{cohort}/{name}", METADATA), '{"rule": "x"}', 1_600_000_001_000_000_000)
    return folder


def write(folder: Path, name: str, content: str, mtime_ns: int | None = None) -> Path:
    """Write a file with a time."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    if mtime_ns is not None:
        os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def state(folder: Path, cohort: str = "ukb") -> dict:
    """Return content and time of every file of the cohort."""
    paths = [*results_of(folder, cohort), *records_of(folder, cohort)]
    return {path: ((folder / path).read_bytes(), (folder / path).stat().st_mtime_ns) for path in paths}


def test_a_restored_folder_has_the_same_files_with_the_same_times(folder, store, tmp_path):
    saved = save(folder, "ukb", store)
    assert (saved.number, saved.files, saved.written) == (1, 6, 6)
    second = repository(tmp_path / "second")
    assert restore(second, "ukb", store) == 1
    assert state(second) == state(folder) and state(second, "demo") == {}


def test_only_what_changed_is_written_and_what_went_stays_away(folder, store, tmp_path):
    save(folder, "ukb", store)
    assert save(folder, "ukb", store).written == 0 and len(store.names()) == 2
    write(folder, "results/ukb/pretrain_mae/mae/encoder.safetensors", "epoch 2")
    (folder / "results/ukb/clean_ecg/0.h5").unlink()
    saved = save(folder, "ukb", store)
    assert (saved.number, saved.written, saved.size) == (2, 1, len("epoch 2"))
    second = repository(tmp_path / "second")
    restore(second, "ukb", store)
    assert state(second) == state(folder)


def test_stale_archives_are_deleted_and_the_rest_of_mostly_stale_ones_is_saved_again(folder, tmp_path):
    """Half-trained weights that are saved every quarter of an hour must not fill the project."""
    store = Place(str(tmp_path / "place"))
    for epoch in range(8):
        write(folder, "results/ukb/pretrain_mae/mae/resume.pt", f"{epoch}" * 100_000)
        save(folder, "ukb", store)
    names = store.names()
    assert [name for name in names if name.endswith("json")] == ["ukb_000007.json", "ukb_000008.json"]
    assert len(names) <= 5 and "ukb_000001.tar" not in names
    second = repository(tmp_path / "second")
    restore(second, "ukb", store)
    assert state(second) == state(folder)


def test_a_save_afresh_leaves_nothing_of_the_earlier_ones(folder, store, tmp_path):
    """Somebody has withdrawn: the save before the last must not keep the files that held the subject."""
    write(folder, "results/ukb/split_subjects/split.csv", "9000007,train")
    write(folder, "results/demo/split_subjects/split.csv", "9000007,train")
    save(folder, "ukb", store)
    save(folder, "demo", store)
    write(folder, "results/ukb/split_subjects/split.csv", "")
    assert save(folder, "ukb", store, afresh=True).written == 7
    assert store.names() == ["demo_000001.json", "demo_000001.tar", "ukb_000002.json", "ukb_000002.tar"]
    second = repository(tmp_path / "second")
    restore(second, "ukb", store)
    assert state(second) == state(folder)


def test_unfinished_files_links_and_the_noise_of_sqlite_are_left_out(folder, tmp_path):
    database = folder / "results/ukb/mlflow.db"
    with closing(sqlite3.connect(database)) as open_one:
        open_one.execute("create table run (id integer)")
        open_one.commit()
        open_one.execute("insert into run values (1)")  # a transaction that is not committed
        write(folder, "results/ukb/.0.h5.77.partial", "half")
        (folder / "results/ukb/link").symlink_to(write(tmp_path, "outside", "x" * 1000))
        save(folder, "ukb", Place(str(tmp_path / "place")))
    second = repository(tmp_path / "second")
    restore(second, "ukb", Place(str(tmp_path / "place")))
    names = [path.rpartition("/")[2] for path in results_of(second, "ukb")]
    assert sorted(names) == ["0.h5", "encoder.safetensors", "mlflow.db", "track.log"]
    with closing(sqlite3.connect(second / "results/ukb/mlflow.db")) as copy:
        assert copy.execute("select count(*) from run").fetchall() == [(0,)]


def test_a_database_in_wal_mode_is_saved_with_what_is_committed(folder, tmp_path):
    with closing(sqlite3.connect(folder / "results/ukb/mlflow.db")) as open_one:
        open_one.execute("pragma journal_mode = wal")
        open_one.execute("create table run (id integer)")
        open_one.execute("insert into run values (1)")
        open_one.commit()
        save(folder, "ukb", Place(str(tmp_path / "place")))
    second = repository(tmp_path / "second")
    restore(second, "ukb", Place(str(tmp_path / "place")))
    with closing(sqlite3.connect(second / "results/ukb/mlflow.db")) as copy:
        assert copy.execute("select count(*) from run").fetchall() == [(1,)]


def test_a_file_that_shrinks_or_goes_while_it_is_copied_is_left_to_the_next_save(folder, tmp_path, monkeypatch):
    store = Place(str(tmp_path / "place"))
    shrinks = write(folder, "results/ukb/a.csv", "x" * 100_000)
    goes = write(folder, "results/ukb/b.csv", "x")

    def results_then_change(folder: Path, cohort: str):
        found = results_of(folder, cohort)
        shrinks.write_text("short")
        goes.unlink()
        return found

    monkeypatch.setattr(contents, "results_of", results_then_change)
    assert save(folder, "ukb", store).files == 6
    monkeypatch.undo()
    restore(second := repository(tmp_path / "second"), "ukb", store)
    assert state(second).keys() == state(folder).keys() - {"results/ukb/a.csv"}
    assert save(folder, "ukb", store).files == 7
    restore(third := repository(tmp_path / "third"), "ukb", store)
    assert state(third) == state(folder)


def test_a_job_that_ends_while_its_files_are_copied_is_saved_as_incomplete(folder, tmp_path, monkeypatch):
    """Its old file was copied and its new record: without the mark Snakemake would take the old file for the new."""
    store = Place(str(tmp_path / "place"))
    target = "results/ukb/clean_ecg/0.h5"

    def results_then_a_job_ends(folder: Path, cohort: str):
        found = results_of(folder, cohort)
        write(folder, record_of(target, METADATA), '{"rule": "x", "params": "new"}')
        return found

    monkeypatch.setattr(contents, "results_of", results_then_a_job_ends)
    save(folder, "ukb", store)
    monkeypatch.undo()
    second = repository(tmp_path / "second")
    restore(second, "ukb", store)
    assert incomplete_of(second, "ukb") == {target}


def test_running_jobs_are_saved_as_incomplete_until_they_have_ended(folder, tmp_path):
    store, target = Place(str(tmp_path / "place")), "results/ukb/pretrain_mae/mae/encoder.safetensors"
    mark = write(folder, record_of(target, INCOMPLETE), '{"external_jobid": null}')
    save(folder, "ukb", store)
    mark.unlink()
    second, third = repository(tmp_path / "second"), repository(tmp_path / "third")
    restore(second, "ukb", store)
    assert incomplete_of(second, "ukb") == {target}
    save(folder, "ukb", store)
    restore(third, "ukb", store)
    assert incomplete_of(third, "ukb") == set()


def test_records_have_the_names_snakemake_gives_them():
    target = "results/ukb/" + "long/" * 60 + "file.h5"
    name = base64.urlsafe_b64encode(target.encode()).decode()
    assert record_of(target, METADATA) == f"{METADATA}/@{name[:254]}/{name[254:]}"
    assert target_of(record_of(target, METADATA)) == target
    assert target_of(f"{METADATA}/no base64!") == ""


def test_a_fresh_folder_does_not_bury_the_saves_of_another(folder, store, tmp_path):
    save(folder, "ukb", store)
    second = repository(tmp_path / "second", "ukb")
    with pytest.raises(InputError, match="save 1 there is of another folder"):
        save(second, "ukb", store)
    third = repository(tmp_path / "third")
    restore(third, "ukb", store)
    write(third, "results/ukb/new.csv", "x")
    assert save(third, "ukb", store).number == 2
    with pytest.raises(InputError, match="save 2 there is of another folder"):
        save(folder, "ukb", store)


def test_nothing_is_restored_over_other_results(folder, tmp_path):
    store = Place(str(tmp_path / "place"))
    save(folder, "ukb", store)
    second = repository(tmp_path / "second")
    write(second, "results/ukb/clean_ecg/0.h5", "other")
    with pytest.raises(InputError, match="already hold 1 files that are not of the save"):
        restore(second, "ukb", store)
    assert (second / "results/ukb/clean_ecg/0.h5").read_text() == "other"


def test_saves_wait_for_each_other_and_leave_nothing_of_a_killed_one(folder, tmp_path):
    place, left = tmp_path / "place", write(folder, ".snakemake/backup_ukb/temporary/ukb_000001.tar", "x" * 1000)
    running = []
    for number in range(3):
        write(folder, f"results/ukb/{number}.csv", "x" * 100_000)
        running.append(call(folder, "save", "ukb", "--at", str(place)))
    said = [process.communicate(timeout=60)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0, 0], said
    second = repository(tmp_path / "second")
    restore(second, "ukb", Place(str(place)))
    assert state(second) == state(folder) and not left.parent.exists()


def test_a_restore_that_was_cut_off_goes_on(folder, tmp_path):
    store = Place(str(tmp_path / "place"))
    save(folder, "ukb", store)
    second = repository(tmp_path / "second")
    restore(second, "ukb", store)
    (second / "results/ukb/clean_ecg/0.h5").unlink()
    restore(second, "ukb", store)
    assert state(second) == state(folder)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda place: (place / "ukb_000001.tar").write_bytes(b"x" * 20_000), "is damaged"),
        (lambda place: flip(place / "ukb_000001.tar"), "has another digest"),
        (lambda place: (place / "ukb_000001.json").write_text("{"), "is no list of a backup"),
        (lambda place: relist(place, "results/ukb/../../out"), "lists files that are not of results/ukb"),
        (lambda place: relist(place, "/etc/cron.d/x"), "lists files that are not of results/ukb"),
        (lambda place: relist(place, "results/ukb/absent"), "lacks 1 of its files"),
        (lambda place: [path.unlink() for path in place.iterdir()], "there is no save of ukb"),
    ],
)
def test_damaged_saves_are_refused_in_one_line(folder, tmp_path, harm, said):
    place = tmp_path / "place"
    save(folder, "ukb", Place(str(place)))
    harm(place)
    second = repository(tmp_path / "second")
    with pytest.raises(InputError, match=said):
        restore(second, "ukb", Place(str(place)))
    assert not (tmp_path / "out").exists()


def flip(path: Path) -> None:
    """Change bytes of a member."""
    content = path.read_bytes()
    assert b"ukb clean_ecg" in content
    path.write_bytes(content.replace(b"ukb clean_ecg", b"UKB clean_ecg", 1 if b"results" in content[:20] else 2))


def relist(place: Path, name: str) -> None:
    """Give a listed file another name."""
    path = place / "ukb_000001.json"
    listing = json.loads(path.read_text())
    listing["files"][name] = listing["files"].pop("results/ukb/clean_ecg/0.h5")
    path.write_text(json.dumps(listing))


def test_an_upload_that_was_cut_off_does_not_count(folder, tmp_path, monkeypatch):
    project, store = stand_in(tmp_path, monkeypatch), Place("dx:/backup")
    save(folder, "ukb", store)
    write(folder, "results/ukb/new.csv", "x")
    save(folder, "ukb", store)
    objects = json.loads((project / "objects.json").read_text())
    for file in objects["files"]:
        file["state"] = "open" if file["name"] == "ukb_000002.json" else "closed"
    (project / "objects.json").write_text(json.dumps(objects))
    second = repository(tmp_path / "second")
    assert restore(second, "ukb", Place("dx:/backup")) == 1
    assert save(folder, "ukb", Place("dx:/backup")).number == 2
    assert restore(repository(tmp_path / "third"), "ukb", Place("dx:/backup")) == 2
    names = [file["name"] for file in json.loads((project / "objects.json").read_text())["files"]]
    assert names.count("ukb_000002.tar") == 1, "the archive of the save that was cut off is still there"


def test_a_list_that_was_cut_off_in_a_folder_does_not_count(folder, tmp_path, monkeypatch):
    """A list is written beside its place, and a half-written archive without a list is written over."""
    store = Place(str(tmp_path / "place"))
    save(folder, "ukb", store)
    write(folder, "results/ukb/new.csv", "x")
    monkeypatch.setattr(store.files, "mv", cut_off)
    with pytest.raises(OSError, match="cut off"):
        save(folder, "ukb", store)
    monkeypatch.undo()
    assert {"ukb_000002.tar", "ukb_000002.json.partial"} < set(store.names())
    write(tmp_path, "place/ukb_000002.tar", "half of an archive")
    assert restore(repository(tmp_path / "second"), "ukb", store) == 1
    assert save(folder, "ukb", store).number == 2
    third = repository(tmp_path / "third")
    assert restore(third, "ukb", store) == 2 and state(third) == state(folder)
    assert not any("partial" in name for name in store.names())


def cut_off(*_: str) -> None:
    """Fail as a network does."""
    raise OSError("cut off")


def test_what_another_filesystems_library_complains_of_is_one_line(folder, monkeypatch):
    class NoCredentialsError(Exception):
        """Of botocore, which is no OSError."""

    def refuse(*_):
        raise NoCredentialsError("Unable to locate credentials")

    store = Place("memory://bucket/backup")
    monkeypatch.setattr(store.files, "put_file", refuse)
    said = "memory://bucket/backup: put_file failed: NoCredentialsError: Unable to locate credentials"
    with pytest.raises(InputError, match=said):
        save(folder, "ukb", store)
    with pytest.raises(InputError, match="nosuch://bucket: Protocol not known"):
        Place("nosuch://bucket")


def test_without_dx_the_message_says_how_to_get_it(folder, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="the command dx is not there"):
        save(folder, "ukb", Place("dx:/backup"))


def test_what_dx_complains_of_is_shown(folder, tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch)
    with pytest.raises(InputError, match="dx mkdir -p failed: Could not find a project"):
        save(folder, "ukb", Place("dx:project-other:/backup"))


def call(folder: Path, *words: str) -> subprocess.Popen:
    """Start the command line in a folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    line = [sys.executable, "-m", "cmr2ecg.backup", *words]
    return subprocess.Popen(line, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)


def test_a_run_restores_saves_meanwhile_and_hands_on_signals_and_the_exit_code(folder, tmp_path):
    place, second = tmp_path / "place", repository(tmp_path / "second")
    save(folder, "ukb", Place(str(place)))
    script = (
        "trap 'echo told > results/ukb/told; exit 5' TERM; echo x > results/ukb/begun; while :; do sleep 0.05; done"
    )
    running = call(second, "run", "ukb", "--at", str(place), "--every", "0.002", "--", "bash", "-c", script)
    for _ in range(400):
        if (place / "ukb_000002.json").exists():
            break
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    said = running.communicate(timeout=30)[1]
    assert running.returncode == 5, said
    third = repository(tmp_path / "third")
    restore(third, "ukb", Place(str(place)))
    assert (third / "results/ukb/told").exists() and set(state(folder)) < set(state(third))
    assert "save 1 of ukb is restored" in said and "save 2: 1 of" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["save", "ukb", "--at", "place", "--", "true"], "belongs to `run`"),
        (["run", "ukb", "--at", "place"], "belongs to `run`"),
        (["restore", "ukb", "--at", "place", "--afresh"], "--afresh belongs to `save`"),
    ],
)
def test_options_that_belong_to_other_commands_are_refused(folder, monkeypatch, words, said):
    monkeypatch.chdir(folder)
    with pytest.raises(InputError, match=said):
        command.main(words)


def test_the_folder_must_be_the_repository(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no Snakefile here"):
        command.main(["save", "ukb", "--at", "place"])
