"""The end of `make test` says in one line how many tests were skipped and why."""

import os
import subprocess
import sys
from pathlib import Path

from skips import skip_line

SUITE = """
import pytest
@pytest.mark.skipif(True, reason="no GPU")
@pytest.mark.parametrize("n", [1, 2])
def test_a(n): ...
def test_b(): pytest.skip("shared is not on this machine")
def test_c(): ...
"""


def test_reasons_are_counted():
    assert skip_line([]) == ""
    assert skip_line(["Skipped: b", "a", "Skipped: c", "a"]) == "4 skipped: 2 a; 1 b; 1 c"
    assert skip_line(["Skipped: no SLURM:\nsinfo: error"]) == "1 skipped: 1 no SLURM: sinfo: error"


def test_the_end_of_a_run_says_it(tmp_path):
    (tmp_path / "test_suite.py").write_text(SUITE)
    command = [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "-q", str(tmp_path)]
    tests = str(Path(__file__).parent)
    env = os.environ | {"PYTHONPATH": os.pathsep.join([tests, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    wanted = "3 skipped: 2 no GPU; 1 shared is not on this machine"
    assert wanted in done.stdout.splitlines(), done.stdout + done.stderr
