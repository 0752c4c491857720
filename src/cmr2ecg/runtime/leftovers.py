"""Clean up after killed jobs in a results folder, and check that it is writable; used by the Snakefile's hooks."""

import os
from pathlib import Path


def check_writable(results: Path) -> None:
    """Raise PermissionError, which names the folder, if the results or their parent are not writable."""
    place = next(folder for folder in (results, *results.absolute().parents) if folder.exists())
    for folder in (place, *(path for path in results.glob("*") if path.is_dir())):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{folder} cannot be written to: make it writable, or run in a folder that is")


def remove_partials(results: Path, ended: bool = False) -> int:
    """Remove incomplete files, and SQLite's companions of them; return their number.

    Unless every job has `ended`, files are kept whose process still runs on this machine.
    """
    found = results.rglob(".*.partial*")
    left = [path for path in found if ended or not _runs(path.name.rpartition(".partial")[0].rpartition(".")[2])]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def remove_resume_points(results: Path) -> int:
    """Remove the checkpoints of pre-trainings that have ended; return their number.

    They outlive the job, since a Snakemake killed before it has recorded the job as done would run it again.
    """
    left = [path for path in results.glob("pretrain_*/**/resume.pt") if (path.parent / "result.json").exists()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _runs(process: str) -> bool:
    """Return whether there is a process with this number on this machine."""
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
