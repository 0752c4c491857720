"""The benchmark of about a minute: what a step of each training, a subject's files and a start cost on this machine.

Each training runs its real step (views, augmentation, forward, backward, update) at two batch sizes; a line through
both gives seconds a step and seconds a subject. As many processes measure side by side as jobs will, since they share
caches and memory.

Run as a module it is one of these processes: it reads a specification and writes what it found as JSON.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean, median
from typing import Any

from cmr2ecg.plan.clock import since_start, timed
from cmr2ecg.plan.flops import step_flops
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.runtime.memory import available_cores

SMALL_BATCH, STEP_SECONDS, KIND_SECONDS = 4, 0.3, 1.5  # smaller batch; aimed at for the larger; spent on a training
DATA_SECONDS = 4.0
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Line:
    """Cost of a training step: seconds = per_step + subjects x per_subject.

    spread: half the range of repeated steps over their median. saved_bytes: activations kept for the backward pass,
    of a subject. parameters: trained ones. operations: counted ones of a subject's part of the measured step.
    """

    per_step: float
    per_subject: float
    spread: float
    saved_bytes: float
    parameters: int
    operations: float = 0.0

    def scaled_to(self, operations: float) -> "Line":
        """Return the cost of a step with other settings, by its operations: another mask ratio, say."""
        if not self.operations:
            return self
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
    for each kind. subject_seconds: of a subject's files, by step. start_seconds: of a process, "light" or with "torch".
    bytes_second: of hashing and writing. tree_seconds: of a tree and row. base_bytes: memory of a process that does
    nothing yet. raw_bytes: of a subject's raw files, as measured on synthetic ones. seconds: of the whole benchmark.
    """

    cores: int
    threads: int
    side_by_side: int
    precision: str
    trainings: Mapping[str, Line]
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
    start = {"torch": fmean(one["start_seconds"] for one in found), "light": _light_start(count)}
    return Rates(
        cores=cores,
        threads=threads,
        side_by_side=count,
        precision=first["precision"],
        trainings={
            kind: replace(
                _mean_line([Line(**one["trainings"][kind]) for one in found]),
                operations=step_flops(kind, models, settings),
            )
            for kind, (models, settings) in kinds.items()
        },
        subject_seconds=_means(found, "subject_seconds"),
        raw_bytes=first["raw_bytes"],
        start_seconds=start,
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
    command = [sys.executable, "-m", "cmr2ecg.plan.measure", str(folder / "spec.json")]
    running = [subprocess.Popen([*command, str(path)], env=environment) for path in outputs]
    if any([process.wait() for process in running]):  # a list: all are waited for
        raise RuntimeError("the benchmark failed; see the message above")
    return [json.loads(path.read_text()) for path in outputs]


def _light_start(count: int) -> float:
    """Return the seconds of a step that does without torch, from start to end, `count` at once."""
    code = "import cmr2ecg.steps.split_subjects, cmr2ecg.plan.clock as c; print(c.since_start())"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", code]
    running = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(count)]
    return fmean(float(process.communicate()[0]) for process in running)


def _mean_line(lines: Sequence[Line]) -> Line:
    """Return the mean of what several processes found; they differ as much as jobs will, which widens the spread."""
    values = {name: fmean(getattr(line, name) for line in lines) for name in ("per_step", "per_subject", "saved_bytes")}
    spread = max(line.spread for line in lines)
    return Line(**values, spread=spread, parameters=lines[0].parameters)


def _means(found: Sequence[dict], key: str) -> dict[str, float]:
    return {name: fmean(one[key][name] for one in found) for name in found[0][key]}


# What one of the processes does; torch is imported here only.


def main(argv: Sequence[str] | None = None) -> None:
    """Measure what a specification names and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args(argv)
    spec = json.loads(args.spec.read_text())

    import torch

    from cmr2ecg.plan import data_rates, steps
    from cmr2ecg.training.device import pick_attention, pick_precision

    started, threads = since_start(), spec["threads"]
    torch.set_num_threads(threads)
    device = torch.device("cpu")
    precision = pick_precision(spec["precision"], device)
    pick_attention(device, precision)
    base = steps.resident_bytes()
    trainings = {
        kind: asdict(line_of(partial(steps.build, kind, models, settings, precision=precision), settings, threads))
        for kind, (models, settings) in spec["kinds"].items()
    }
    found = {
        "precision": precision,
        "start_seconds": started,
        "base_bytes": base,
        "trainings": trainings,
        **data_rates.measure(spec, DATA_SECONDS),
    }
    args.output.write_text(json.dumps(found))


def line_of(build: Callable[[int], Any], settings: Settings, threads: int = 1) -> Line:
    """Return the cost of a training step from steps at two batch sizes.

    build: batch size -> what steps.build returns.
    """
    small = min(SMALL_BATCH, settings["batch_size"])
    made = build(small)
    made.step()
    one = timed(made.step, threads)
    large = max(2 * small, min(settings["batch_size"], int(small * STEP_SECONDS / one)))
    big = made.with_batch(large)
    big.step()
    times: dict[int, list[float]] = {small: [], large: []}
    began = time.perf_counter()
    while len(times[large]) < 3 or (time.perf_counter() - began < KIND_SECONDS and len(times[large]) < 9):
        times[small].append(timed(made.step, threads))
        times[large].append(timed(big.step, threads))
        if time.perf_counter() - began > 2 * KIND_SECONDS and len(times[large]) > 1:
            break
    a, b = median(times[small]), median(times[large])
    per_subject = (b - a) / (large - small)
    if not 0 < per_subject <= b / large:  # noise: all of it is the subjects'
        per_subject = b / large
    spread = (max(times[large]) - min(times[large])) / 2 / b
    return Line(b - large * per_subject, per_subject, spread, made.saved_bytes(), made.parameters)


if __name__ == "__main__":
    main()
