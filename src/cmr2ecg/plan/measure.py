"""The benchmark of about a minute: what a step of each training, a subject's files and a start cost on this machine.

Each training runs its real step (views, augmentation, forward, backward, update) at two batch sizes; a line through
both gives seconds a step and seconds a subject. As many processes (`plan.steps`) measure side by side as jobs will,
since they share caches and memory. Nothing heavy is imported here: a light step's start is measured with it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.runtime.memory import available_cores
from cmr2ecg.sweeps.cost import seconds_since_start

TASKS = "/proc/self/task"
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """Cost of a training step: seconds = per_step + subjects x per_subject.

    spread: half the range of repeated steps over their median. saved_bytes: activations kept for the backward pass,
    of a subject. parameters: trained ones. operations: of a subject's part of a step, counted while it ran.
    """

    per_step: float
    per_subject: float
    spread: float
    saved_bytes: float
    parameters: int
    operations: float

    def scaled_to(self, operations: float) -> "Line":
        """Return the cost of a step with other settings, by its operations: another mask ratio, say."""
        return replace(self, per_subject=self.per_subject * operations / self.operations, operations=operations)

    @property
    def gflops(self) -> float:
        """GFLOP a second of a large batch."""
        return self.operations / self.per_subject / 1e9

    def seconds(self, steps: float, subjects: float) -> float:
        """Return the seconds of so many steps over so many subjects."""
        return steps * self.per_step + subjects * self.per_subject


@dataclass(frozen=True)
class Rates:
    """What was measured.

    cores: those of the machine. threads: cores each process used. side_by_side: processes at once. trainings: a line
    for each kind. kinds: the sizes of networks and the settings that they were measured with. subject_seconds: of a
    subject's files, by step. start_seconds: of a process, "light" or with "torch". bytes_second: of hashing and
    writing. tree_seconds: of a tree and row. base_bytes: memory of a process that does nothing yet. raw_bytes: of a
    subject's raw files, as measured on synthetic ones. seconds: of the whole benchmark.
    """

    cores: int
    threads: int
    side_by_side: int
    precision: str
    trainings: Mapping[str, Line]
    kinds: Mapping[str, tuple[Settings, Settings]]
    subject_seconds: Mapping[str, float]
    raw_bytes: Mapping[str, float]
    start_seconds: Mapping[str, float]
    bytes_second: Mapping[str, float]
    tree_seconds: float
    gflops_matrix: float
    base_bytes: float
    seconds: float


def measure(kinds: Mapping[str, tuple[Settings, Settings]], config: Settings, threads: int) -> Rates:
    """Run the benchmark.

    Args:
        kinds: training -> (sizes of its networks, settings of its method).
        config: all settings; device, precision and those of the data steps are used.
        threads: cores a training is to have; no more than the machine's are measured.
    """
    began, cores = time.perf_counter(), available_cores()
    threads = min(threads, cores)
    count = max(1, cores // threads)
    sections = ("precision", "simulate_cohort", "clean_ecg", "crop_cmr")
    spec = {"kinds": kinds, "threads": threads, **{name: config[name] for name in sections}}
    with tempfile.TemporaryDirectory() as folder:
        found = _side_by_side(spec, count, Path(folder))
    first = found[0]
    return Rates(
        cores=cores,
        threads=threads,
        side_by_side=count,
        precision=first["precision"],
        trainings={kind: _mean_line([Line(**one["trainings"][kind]) for one in found]) for kind in kinds},
        kinds=kinds,
        subject_seconds=_means(found, "subject_seconds"),
        raw_bytes=first["raw_bytes"],
        start_seconds={"torch": fmean(one["start_seconds"] for one in found), "light": _light_start(count)},
        bytes_second=_means(found, "bytes_second"),
        tree_seconds=fmean(one["tree_seconds"] for one in found),
        gflops_matrix=fmean(one["gflops_matrix"] for one in found),
        base_bytes=first["base_bytes"],
        seconds=time.perf_counter() - began,
    )


def _side_by_side(spec: dict, count: int, folder: Path) -> list[dict]:
    """Return what each of `count` processes found that ran at once."""
    (folder / "spec.json").write_text(json.dumps(spec))
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    environment |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(spec["threads"]))
    outputs = [folder / f"{number}.json" for number in range(count)]
    command = [sys.executable, "-m", "cmr2ecg.plan.steps", str(folder / "spec.json")]
    running = [subprocess.Popen([*command, str(path)], env=environment) for path in outputs]
    if any([process.wait() for process in running]):  # a list: all are waited for
        raise RuntimeError("the benchmark failed; see the message above")
    return [json.loads(path.read_text()) for path in outputs]


def _light_start(count: int) -> float:
    """Return the seconds of a step that does without torch, from start to end, `count` at once."""
    code = "import cmr2ecg.steps.split_subjects, cmr2ecg.plan.measure as m; print(m.since_start())"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    return fmean(float(process.communicate()[0]) for process in running)


def _mean_line(lines: Sequence[Line]) -> Line:
    """Return the mean of what several processes found; they differ as much as jobs will, which widens the spread."""
    return replace(
        lines[0],
        per_step=fmean(line.per_step for line in lines),
        per_subject=fmean(line.per_subject for line in lines),
        spread=max(line.spread for line in lines),
    )


def _means(found: Sequence[dict], key: str) -> dict[str, float]:
    return {name: fmean(one[key][name] for one in found) for name in found[0][key]}


def waited_for_core() -> float:
    """Return the seconds this process's threads were ready to run and had no core (Linux; 0 elsewhere)."""
    waited = 0
    try:
        for task in os.listdir(TASKS):
            with open(f"{TASKS}/{task}/schedstat") as handle:
                waited += int(handle.read().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return waited / 1e9


def timed(work: Callable[[], object], threads: int = 1) -> float:
    """Return the seconds that a call takes, as far as can be told without the waiting.

    One waiting thread holds up the others, so all waits are taken off; those that overlap would be taken off twice, so
    no less is returned than the computing time over the threads.
    """
    began, waited, computed = time.perf_counter(), waited_for_core(), time.process_time()
    work()
    wall = time.perf_counter() - began
    return max(wall - (waited_for_core() - waited), min(wall, (time.process_time() - computed) / threads))


def since_start() -> float:
    """Return the seconds since this process began, its imports included, without the waiting."""
    return max(seconds_since_start() - waited_for_core(), 0.0)
