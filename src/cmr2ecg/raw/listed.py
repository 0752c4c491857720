"""A raw file as it was listed. Standard library only, since Snakemake imports it while parsing the workflow."""

import os
from typing import NamedTuple

INSIDE = "#"  # between an hdf5 file and the id of a recording in it


class Listed(NamedTuple):
    """A raw file: its path, and what a list says of it.

    stamp: of its content, "" if the list gives none (raw/stamp.py). subject: the internal number of whom it belongs to
    where a subject may have several recordings (0: the eid). split: train, val, test, or pretrain (for
    pre-trainings alone), where it comes with one.
    """

    path: str
    stamp: str = ""
    subject: int = 0
    split: str = ""


def file_of(path: str) -> str:
    """Return the file that a recording's path names: FOLDER/exams.hdf5 of FOLDER/exams.hdf5#123."""
    folder, name = os.path.split(path)
    file, inside, _ = name.partition(INSIDE)
    return os.path.join(folder, file) if inside and file.lower().endswith((".hdf5", ".h5")) else path
