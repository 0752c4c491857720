"""An MLflow database that cannot be used is one line, and is left as it is."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.failures import explain
from cmr2ecg.tracking import database
from cmr2ecg.tracking.database import check_database


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(database, "LOCK_SECONDS", 0.05)
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
        connection.executemany("INSERT INTO runs VALUES (?)", [("x" * 500,)] * 200)
    return path


def test_a_whole_an_empty_and_a_missing_one_pass(file, tmp_path):
    (tmp_path / "empty.db").touch()
    for path in (file, tmp_path / "empty.db", tmp_path / "none.db"):
        check_database(path)
    assert not (tmp_path / "none.db").exists()


def damage(content: bytes, how: str) -> bytes:
    if how == "hole":
        return content[:4096] + b"\xff" * 8192 + content[12288:]
    return content[: len(content) // 2] if how == "cut" else b"no database" * 100


@pytest.mark.parametrize("how", ["hole", "cut", "other"])
def test_a_damaged_one_is_named_and_kept(file, how):
    content = damage(file.read_bytes(), how)
    file.write_bytes(content)
    with pytest.raises(
        InputError, match=r"mlflow\.db is damaged or not a database .*move it away and run again"
    ) as said:
        check_database(file)
    assert "\n" not in str(said.value) and file.read_bytes() == content


def test_a_folder_in_its_place_is_named(tmp_path):
    with pytest.raises(InputError, match="unable to open database file"):
        check_database(tmp_path)


@pytest.mark.parametrize("lock", ["EXCLUSIVE", "IMMEDIATE"])
def test_one_that_stays_locked_is_named_and_one_that_is_freed_passes(file, lock):
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute(f"BEGIN {lock}")
        with pytest.raises(InputError, match=r"was locked by another process for 0\.05 s"):
            check_database(file)
        other.execute("ROLLBACK")
        check_database(file)


def test_a_lock_that_comes_later_is_explained(file):
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with closing(sqlite3.connect(file, timeout=0)) as late, pytest.raises(sqlite3.OperationalError) as error:
            late.execute("INSERT INTO runs VALUES ('y')")
    assert explain(error.value).startswith("database is locked; wait for the other process")
