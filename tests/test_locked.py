"""envs/locked.py: of two that set up Python at once, the second waits, looks again and does nothing twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INSTALL = "echo ran; read line || exit 1; echo $$ > target"


@pytest.fixture
def start(tmp_path):
    """A way to start the script, whose command waits for a line and then writes its process number into the target."""
    started = []

    def begin(*options: str) -> subprocess.Popen:
        command = [sys.executable, str(ROOT / "envs/locked.py"), "lock", "target", *options, "--", "sh", "-ec", INSTALL]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        started.append(subprocess.Popen(command, cwd=tmp_path, **pipes))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


def test_the_second_waits_and_takes_what_the_first_has_made(start, tmp_path):
    first = start()
    assert first.stdout.readline() == "ran\n"
    second = start()
    assert second.stderr.readline() == "another make sets up Python here; waiting for it\n"
    assert second.poll() is None
    first.communicate("go\n")
    out, err = second.communicate()
    assert (first.returncode, second.returncode, out, err) == (0, 0, "", "")
    assert int((tmp_path / "target").read_text()) == first.pid


@pytest.mark.parametrize("killed", [True, False])
def test_after_one_that_was_killed_or_failed_the_second_does_it(start, tmp_path, killed):
    first = start()
    assert first.stdout.readline() == "ran\n"
    second = start()
    assert "waiting" in second.stderr.readline()
    if killed:
        first.kill()
    else:
        first.communicate("")
    assert second.communicate("go\n")[0] == "ran\n" and first.wait() != 0
    assert int((tmp_path / "target").read_text()) == second.pid


def test_an_older_target_is_made_again(start, tmp_path):
    for name in ("requirements", "target"):
        (tmp_path / name).write_text("0")
    os.utime(tmp_path / "requirements", (0, 0))
    assert start("--newer-than", "requirements").communicate("go\n")[0] == ""
    os.utime(tmp_path / "target", (-9, -9))
    assert start("--newer-than", "requirements").communicate("go\n")[0] == "ran\n"


def test_both_steps_of_make_env_go_through_it(tmp_path):
    command = ["make", "--dry-run", "-C", str(ROOT), "env", f"VENV={tmp_path}/venv", f"PYTHON={sys.executable}"]
    recipe = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    locked = f"{sys.executable} envs/locked.py {tmp_path}/venv.lock {tmp_path}/venv/"
    starts = [line.removeprefix(locked).split()[0] for line in recipe.splitlines() if line.startswith(locked)]
    assert starts == [".installed", "bin/cmr2ecg"] and not (tmp_path / "venv").exists()
