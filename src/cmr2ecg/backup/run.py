"""Run a command and save its results now and then, and once more when it ends."""

import logging
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from cmr2ecg.backup.restore import is_at_newest, restore
from cmr2ecg.backup.save import Saved, save
from cmr2ecg.backup.stores import Store
from cmr2ecg.runtime.command import InputError

log = logging.getLogger(__name__)


def run_and_save(
    folder: Path, cohort: str, store: Store, every: float, command: Sequence[str], report: Callable[[Saved], None]
) -> int:
    """Restore the newest save unless this folder is at it, run the command, and return its exit code.

    A save that fails, say for want of a network, is told and tried again `every` seconds later; only the last one's
    failure is an error. SIGTERM and SIGINT are handed to the command, whose end is waited for.
    """
    if not is_at_newest(folder, cohort, store):
        log.info("save %d of %s is restored", restore(folder, cohort, store), cohort)
    process = subprocess.Popen(command, cwd=folder)
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, _: process.send_signal(number))
    while True:
        try:
            code = process.wait(every)
            break
        except subprocess.TimeoutExpired:
            try:
                report(save(folder, cohort, store))
            except (InputError, OSError) as error:
                log.warning("this save failed and is tried again: %s", error)
    report(save(folder, cohort, store))
    return code
