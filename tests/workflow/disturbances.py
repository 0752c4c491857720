"""Kill a study's jobs at random points, and compare what comes out with a study that nobody disturbed."""

import json
import os
import random
import re
import signal
import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

STEP = "cmr2ecg.steps."
# Measured by a clock, or digests of files that hold such measures.
TIMED_KEYS = {
    "wall_seconds",
    "peak_memory_mb",
    "seconds",
    "epoch_seconds",
    "data_wait_share",
    "startup_seconds",
    "startup_share",
    "training_seconds",
    "trained",  # by the last start of a job; a killed one may have trained them all
}


def running_jobs(folder: Path) -> dict[int, str]:
    """Return {process: step} of the jobs that run in `folder`."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[1:2] == [b"-m"] and words[2].startswith(STEP.encode()) and (process / "cwd").resolve() == folder:
                found[int(process.name)] = words[2].decode().removeprefix(STEP)
        except OSError:  # it has ended
            continue
    return found


def durations(folder: Path) -> dict[str, float]:
    """Return {step: seconds of its shortest job} as Snakemake noted them in `folder`."""
    shortest: dict[str, float] = {}
    for path in (folder / ".snakemake/metadata").rglob("*"):
        if path.is_file():
            record = json.loads(path.read_text())
            step = re.sub(r"^(finetune|probe)_.*", r"\1", record["rule"])
            seconds = record["endtime"] - record["starttime"]
            shortest[step] = min(seconds, shortest.get(step, seconds))
    return shortest


class Killer:
    """Kill (SIGKILL) one job of each kind at a random point of its life, while a block of this lasts."""

    def __init__(self, folder: Path, lengths: dict[str, float], chance: random.Random) -> None:
        """lengths: {step: seconds}, the kinds and about how long they last."""
        self.folder, self.waiting, self.chance = folder, dict(sorted(lengths.items())), chance
        self.killed: dict[str, float] = {}  # step: seconds into its life
        self.due: dict[int, tuple[str, float, float]] = {}  # process: step, when it was seen, when it dies
        self.over = threading.Event()

    def _look(self) -> None:
        while not self.over.wait(0.1):
            jobs, now = running_jobs(self.folder), time.monotonic()
            for process, step in jobs.items():
                if process not in self.due and step in self.waiting:
                    self.due[process] = step, now, now + self.chance.uniform(0.1, 0.8) * self.waiting[step]
            for process, (step, seen, when) in list(self.due.items()):
                if process not in jobs:
                    del self.due[process]
                elif when <= now and step in self.waiting:
                    os.kill(process, signal.SIGKILL)
                    self.killed[step] = round(now - seen, 2)
                    del self.waiting[step]

    def again(self) -> "Killer":
        """Take up where the last block ended."""
        self.over.clear()
        return self

    def __enter__(self) -> "Killer":
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self.thread.join()


def differences(found: Path, wanted: Path) -> list[str]:
    """Return what differs between two results folders, beyond times and logs."""
    here, there = names(found), names(wanted)
    said = [f"only here: {name}" for name in sorted(here - there)]
    said += [f"missing: {name}" for name in sorted(there - here)]
    same = sorted(here & there)
    said += [f"differs: {name}" for name in same if content(found / name) != content(wanted / name)]
    here, there = tracked(found / "mlflow.db"), tracked(wanted / "mlflow.db")
    return said + [f"differs in mlflow.db: {what}" for what in sorted((here - there) + (there - here))]


def names(results: Path) -> set[str]:
    """Return the files that are compared: not the table of run times, and of MLflow's database the runs instead."""
    files = {str(path.relative_to(results)) for path in results.rglob("*") if path.is_file()}
    return {name for name in files if name.split("/")[0] not in ("mlartifacts", "mlflow.db", "describe_run")}


def content(path: Path) -> Any:
    """Return what must be equal in two runs: the bytes, or JSON without times; of a log only that it is there."""
    if path.suffix == ".log":
        return None
    if path.suffix == ".json":
        return without_times(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        rows = [without_times(json.loads(line)) for line in path.read_text().splitlines()]
        return sorted(rows, key=json.dumps) if path.parent.name == "finished" else rows
    if path.name == "SHA256SUMS":
        return [line for line in path.read_text().splitlines() if not line.endswith(" config.json")]
    return path.read_bytes()


def without_times(value: Any) -> Any:
    """Return a JSON value without what a clock measured or digests of result.json, which holds such values."""
    if isinstance(value, dict):
        kept = {
            key: inner for key, inner in value.items() if key not in TIMED_KEYS and not key.endswith("/result.json")
        }
        return {key: without_times(inner) for key, inner in kept.items()}
    return [without_times(inner) for inner in value] if isinstance(value, list) else value


def tracked(database: Path) -> Counter[str]:
    """Return experiment, run, status and metrics of every run that is shown, without metrics that a clock measures.

    A job that is killed after its last training trains nothing when it is started again, and has no share of start-up.
    """
    query = """
        select e.name, r.name, r.status, group_concat(m.key) from runs r join experiments e using (experiment_id)
        left join latest_metrics m using (run_uuid) where r.lifecycle_stage = 'active' group by r.run_uuid
    """
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(query).fetchall()
    metrics = [sorted(set((row[3] or "").split(",")) - TIMED_KEYS) for row in rows]
    return Counter(f"{row[0]}: {row[1]}: {row[2]}: {names}" for row, names in zip(rows, metrics, strict=True))
