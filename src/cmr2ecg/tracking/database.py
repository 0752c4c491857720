"""Check that an MLflow database can be used, before MLflow opens it and fails with a long traceback."""

import sqlite3
from contextlib import closing
from pathlib import Path

from cmr2ecg.runtime.command import InputError

LOCK_SECONDS = 60.0  # how long another process may hold it
ANEW = "move it away and run again: it is rebuilt from the results"


def check_database(database: Path) -> None:
    """Wait until no other process writes to a SQLite file, and check its integrity; it need not exist.

    Raises:
        InputError: if it stays locked for LOCK_SECONDS, is damaged or not a database.
    """
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=LOCK_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            connection.rollback()
    except sqlite3.DatabaseError as error:
        found = str(error)
        if "readonly" in found or "disk I/O" in found:
            raise  # explained by cmr2ecg/runtime/failures.py
    if "locked" in found:
        raise InputError(f"{database} was locked by another process for {LOCK_SECONDS:g} s; end that and run again")
    if found != "ok":
        raise InputError(f"{database} is damaged or not a database ({' '.join(found.split())}); {ANEW}")


def explain_version(database: Path, error: Exception) -> InputError | None:
    """Return an error with advice if a database is from another version of MLflow, else None."""
    if "database schema" not in str(error):
        return None
    upgrade = f"or, if that version was older: mlflow db upgrade sqlite:///{database}"
    return InputError(f"{database} is from another version of MLflow; {ANEW}; {upgrade}")
