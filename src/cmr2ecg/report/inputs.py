"""A step's input files by name, where their names differ from job to job."""

from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.runtime.command import InputError


def named_inputs(pairs: Sequence[str]) -> dict[str, list[Path]]:
    """Return {name: paths} of words NAME=PATH; a name given more than once holds several files.

    Raises:
        InputError: if a word has no name.
    """
    inputs: dict[str, list[Path]] = {}
    for pair in pairs:
        name, equals, path = pair.partition("=")
        if not (name and equals and path):
            raise InputError(f"--inputs {pair}: expected NAME=PATH")
        inputs.setdefault(name, []).append(Path(path))
    return inputs
