"""Subjects that a config names, in a file below the results: Snakemake's report shows every parameter of a job.

What stands for them there is a version, drawn at random for each list: a digest of a few numbers could be searched.
"""

import json
import secrets
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import write_json


def read_named(path: Path | str) -> tuple[str, list[int]]:
    """Return the version of a list and its eids.

    Raises:
        InputError: if the file holds no such list.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        return content["version"], content["eids"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: no list of named subjects; delete it and run again") from error


def version_of(path: Path | str, eids: Sequence[int]) -> str:
    """Return the version under which a file holds these eids, or a new one; nothing is written."""
    with suppress(FileNotFoundError, InputError):
        version, held = read_named(path)
        if version and held == list(eids):
            return version
    return secrets.token_hex(8)


def write_named(path: Path | str, eids: Sequence[int], version: str) -> None:
    """Write a list for the jobs that draw its subjects."""
    write_json(path, {"version": version, "eids": list(eids)})
