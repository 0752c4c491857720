"""What killed jobs leave in a results folder, and whether it can be written to; used by the Snakefile's hooks."""

import os
from pathlib import Path


def check_writable(results: Path) -> None:
    """Raise PermissionError, which names the folder, if nothing can be written to the results or their parent."""
    place = next(folder for folder in (results, *results.absolute().parents) if folder.exists())
    for folder in (place, *(path for path in results.glob("*") if path.is_dir())):
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{folder} cannot be written to: make it writable, or run in a folder that is")


def remove_partials(results: Path, ended: bool = False) -> int:
    """Remove files that were never whole, and what SQLite keeps beside one; return their number.

    Unless every job has `ended`, those stay whose process still runs on this machine.
    """
    found = results.rglob(".*.partial*")
    left = [path for path in found if ended or not _runs(path.name.rpartition(".partial")[0].rpartition(".")[2])]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def remove_resume_points(results: Path) -> int:
    """Remove the resume points of pre-trainings that have ended; return their number.

    They outlive the job, since until Snakemake has noted that it is done a killed Snakemake would run it again.
    """
    left = [path for path in results.glob("pretrain_*/**/resume.pt") if (path.parent / "result.json").exists()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _runs(process: str) -> bool:
    """Return whether there is a process of this number (of this machine)."""
    try:
        os.kill(int(process), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
