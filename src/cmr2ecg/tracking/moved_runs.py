"""Runs whose files lie elsewhere now: results were carried to another machine or folder.

MLflow keeps whole paths and has no command to change them. A database made anew in the new place would lose the earlier
versions of a release, whose numbers and aliases only the registry knows, and number 1 would be another model.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

# Where MLflow keeps paths below an experiment's folder: tables and their columns.
PATHS = {"runs": "artifact_uri", "logged_models": "artifact_location", "model_versions": "storage_location"}


def follow_files(database: Path, artifact_root: Path, cohort: str) -> None:
    """Put the folder where a cohort's files lie now in the place of the one where they lay when the runs were made.

    database: an MLflow database; one that is not there yet, or empty, is left alone.
    """
    if not database.exists():
        return
    with closing(sqlite3.connect(database)) as connection, connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'experiments'").fetchone():
            return
        rows = connection.execute("SELECT experiment_id, name, artifact_location FROM experiments").fetchall()
        for experiment, name, old in rows:
            new = (artifact_root / name).resolve().as_uri()
            if name.startswith(f"{cohort}/") and old != new:
                _rewrite(connection, experiment, old, new)


def _rewrite(connection: sqlite3.Connection, experiment: int, old: str, new: str) -> None:
    """Change the beginning of the paths of an experiment, its runs and its models."""
    connection.execute("UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?", (new, experiment))
    for table, column in PATHS.items():
        connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
            (new, len(old) + 1, len(old) + 1, f"{old}/"),
        )
