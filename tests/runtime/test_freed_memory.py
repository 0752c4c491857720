import ctypes
import sys

import pytest

from cmr2ecg.runtime.memory import keep_freed_memory


def test_where_the_c_library_cannot_be_told_nothing_happens(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _name: object())
    keep_freed_memory()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="page faults are counted as Linux does")
def test_arrays_take_the_pages_of_freed_ones(run_alone):
    """In a process of its own: 200 arrays of half a megabyte need hardly a page more than a few do."""
    assert run_alone("keep_freed_memory()") < 0.2 * run_alone("")


@pytest.fixture
def run_alone():
    import os
    import subprocess

    from cmr2ecg.runtime.imports import SOURCE

    code = """
import resource, numpy as np
from cmr2ecg.runtime.memory import keep_freed_memory
{}
def work():
    arrays = [np.ones((12, 5000)) for _ in range(20)]
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

    def run(first: str) -> int:
        environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", code.format(first)]
        return int(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)

    return run
