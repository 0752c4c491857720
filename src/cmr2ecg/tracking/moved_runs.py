"""Update the paths of runs whose results were moved to another machine or folder.

MLflow stores absolute paths and has no command to change them. A database made anew in the new place would lose the
earlier versions of a release, whose numbers and aliases only the registry knows.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

# Tables and columns in which MLflow stores paths below an experiment's folder.
PATHS = {"runs": "artifact_uri", "logged_models": "artifact_location", "model_versions": "storage_location"}


def follow_files(database: Path, artifact_root: Path, cohort: str) -> None:
    """Replace the folder of a cohort's files at the time of the runs by the present one.

    database: an MLflow database; a missing or empty one is ignored.
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
