"""A study in a copy of the repository that is started, killed and starved of disk."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from disturbances import running_jobs
from drive_snakemake import called, snakemake

LONG = 800.0  # seconds that a whole run may take
SOON = 15.0  # seconds within which a job sees that its Snakemake has ended


class Study:
    """Snakemake in `folder`; one at a time, in a process group of its own, whose messages go to a file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.messages = folder, folder / "messages.txt"
        self.process: subprocess.Popen | None = None

    def start(self, *arguments: str) -> None:
        with open(self.messages, "w") as output:
            pipes = {"stdout": output, "stderr": subprocess.STDOUT, "start_new_session": True}
            self.process = subprocess.Popen(**called(self.folder, *arguments), **pipes)

    def said(self) -> str:
        return self.messages.read_text()

    def jobs_left(self) -> float:
        """Return how many jobs this run has still to do; endless before it has said so."""
        text = self.said()
        done = re.findall(r"^(\d+) of (\d+) steps", text, re.MULTILINE)
        if done:
            return int(done[-1][1]) - int(done[-1][0])
        total = re.search(r"^total +(\d+)", text, re.MULTILINE)
        return int(total[1]) if total else float("inf")

    def wait_for(self, jobs_left: int) -> bool:
        """Wait until no more than so many jobs are left; return whether Snakemake still runs then."""
        wait_until(lambda: self.jobs_left() <= jobs_left or self.process.poll() is not None, LONG)
        return self.process.poll() is None

    def wait(self) -> int:
        return self.process.wait(timeout=LONG)

    def kill(self, *, group: bool) -> None:
        """Kill Snakemake, alone or with all it has started, and wait until none of its jobs runs."""
        (os.killpg if group else os.kill)(self.process.pid, signal.SIGKILL)
        self.process.wait()
        wait_until(lambda: not running_jobs(self.folder), SOON)

    def unlock(self) -> None:
        done = snakemake(self.folder, "--unlock")
        assert done.returncode == 0, done.stderr


class Disk:
    """A small disk (tmpfs) at a folder, which can be filled up and made read-only; needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mounted = self._mount("-t", "tmpfs", "-o", "size=2g", "tmpfs")

    def _mount(self, *arguments: str) -> bool:
        return subprocess.run(["mount", *arguments, str(self.folder)], capture_output=True, check=False).returncode == 0

    def fill(self) -> None:
        """Leave no room: half a page for each file that is there may still be had."""
        found = os.statvfs(self.folder)
        used = (found.f_blocks - found.f_bfree) * found.f_frsize
        assert self._mount("-o", f"remount,size={used + 8192}")

    def mend(self) -> None:
        assert self._mount("-o", "remount,rw,size=2g")

    def protect(self) -> None:
        assert self._mount("-o", "remount,ro")

    def remove(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


def wait_until(condition: Callable[[], Any], seconds: float) -> bool:
    """Wait for condition() to be true, at most so long; return whether it is."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return bool(condition())
