"""Nothing is imported from the working directory: a stranger's `numpy.py` may lie there among the ECGs."""

import os
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))


def leave_out_working_directory() -> None:
    """Take the working directory, where `python -m` looks first, off the search path, unless it holds this package."""
    try:
        here = os.path.realpath(os.getcwd())
    except FileNotFoundError:  # it was removed meanwhile
        here = None
    places = [(path, os.path.realpath(path)) for path in sys.path if path]
    sys.path[:] = [path for path, place in places if place == SOURCE or place != here]
