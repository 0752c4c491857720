"""A synthetic cohort as a UK Biobank download: raw files, tables, and the planted truth."""

import math
import multiprocessing
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.orphan import end_with, this_process
from cmr2ecg.runtime.progress import Progress
from cmr2ecg.simulate.raw_files import BROKEN, write_cmr, write_ecg
from cmr2ecg.simulate.subject import EIDS, draw_subject, truth_of
from cmr2ecg.simulate.tables import tabular_row
from cmr2ecg.study.settings.cohort import SimulateCohort


@dataclass(frozen=True)
class Task:
    """What to write for one subject."""

    index: int
    broken: str = ""  # one of BROKEN, or empty
    missing: str = ""  # "ecg", "cmr" or empty
    repeat: str = ""  # "both": a second visit after a complete first one; "only": the first visit lacks its ECG
    withdrawn: bool = False
    phenotypes: bool = True
    imaged: bool = True  # False: never had a CMR


@dataclass(frozen=True)
class Cohort:
    """What was written."""

    files: list[str]  # relative to the raw folder, sorted
    tabular: list[list[str]]  # rows in the order of tables.COLUMNS, sorted by eid
    truth: pd.DataFrame  # one row per subject, sorted by eid
    withdrawn: list[int]


def simulate(settings: SimulateCohort, raw: Path, workers: int) -> Cohort:
    """Write the raw files of a cohort below `raw` and return its tables.

    Each subject depends only on seed and index, so the files do not depend on the number of workers.

    Args:
        settings: the simulate_cohort section of the config.
        raw: folder for ecg/ and cmr/; both are emptied first.
        workers: processes.

    Raises:
        InputError: if the subjects are too few or too many.
    """
    tasks = plan(settings)
    for folder in ("ecg", "cmr"):
        shutil.rmtree(raw / folder, ignore_errors=True)
        (raw / folder).mkdir(parents=True)
    files: list[str] = []
    rows: list[list[str]] = []
    truth: list[dict[str, Any]] = []
    progress = Progress("simulate_cohort", len(tasks))
    for written, row, known in _run(settings, raw, tasks, workers):
        files += written
        rows.append(row)
        truth.append(known)
        progress.step()
    progress.close()
    frame = pd.DataFrame(truth).sort_values("eid", ignore_index=True)
    withdrawn = frame.loc[frame["withdrawn"], "eid"].tolist()
    return Cohort(sorted(files), sorted(rows, key=lambda row: int(row[0])), frame, withdrawn)


def plan(settings: SimulateCohort) -> list[Task]:
    """Return one task a subject: who is damaged, incomplete, withdrawn, seen twice or without phenotypes.

    Shares are rounded up, so that a small cohort also has each kind; the kinds are disjoint. Further ECG-only
    subjects follow the others, which do not change.
    """
    count = settings.subjects
    if count + settings.ecg_only >= EIDS:
        raise InputError(f"simulate_cohort.ecg_only is {settings.ecg_only}, give 0 to {EIDS - count - 1}")
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, count]))
    shares = settings.broken, settings.missing_modality, settings.repeat_visits
    broken, missing, repeat = (math.ceil(count * share) for share in shares)
    if broken + missing + repeat + settings.withdrawn > count:
        raise InputError(
            f"simulate_cohort: {count} subjects are too few for the broken, missing, repeated and withdrawn "
            "ones; raise simulate_cohort.subjects or lower these settings"
        )
    order = iter(rng.permutation(count).tolist())
    special: dict[int, dict[str, Any]] = {}
    special |= {next(order): {"broken": BROKEN[k % len(BROKEN)]} for k in range(broken)}
    special |= {next(order): {"missing": ("ecg", "cmr")[k % 2]} for k in range(missing)}
    special |= {next(order): {"repeat": ("both", "only")[k % 2]} for k in range(repeat)}
    special |= {next(order): {"withdrawn": True} for _ in range(settings.withdrawn)}
    without = set(rng.permutation(count)[: round(count * settings.phenotypes_missing)].tolist())
    further = [Task(k, missing="cmr", phenotypes=False, imaged=False) for k in range(count, count + settings.ecg_only)]
    return [Task(k, phenotypes=k not in without, **special.get(k, {})) for k in range(count)] + further


def _run(
    settings: SimulateCohort, raw: Path, tasks: list[Task], workers: int
) -> Iterator[tuple[list[str], list[str], dict[str, Any]]]:
    """Write all subjects, in order, here or in worker processes."""
    if workers <= 1:
        for task in tasks:
            yield write_subject(settings, raw, task)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start_worker, initargs=(this_process(),)) as pool:
        chunks = [tasks[start : start + 4] for start in range(0, len(tasks), 4)]
        for results in pool.map(_write_chunk, [settings] * len(chunks), [raw] * len(chunks), chunks):
            yield from results


def _start_worker(step: str) -> None:
    """Limit a worker process to one thread and to the lifetime of the step that started it."""
    threadpool_limits(1)
    end_with(step)


def _write_chunk(
    settings: SimulateCohort, raw: Path, tasks: list[Task]
) -> list[tuple[list[str], list[str], dict[str, Any]]]:
    return [write_subject(settings, raw, task) for task in tasks]


def write_subject(settings: SimulateCohort, raw: Path, task: Task) -> tuple[list[str], list[str], dict[str, Any]]:
    """Write one subject's files; return their names, the tabular row and the truth."""
    subject = draw_subject(settings, task.index, imaged=task.imaged)
    files = []
    if task.missing != "ecg" and task.repeat != "only":
        files.append(write_ecg(subject, 2, raw, task.broken))
    if task.missing != "cmr":
        files.append(write_cmr(subject, 2, raw, task.broken))
    again = None
    if task.repeat:
        again = draw_subject(settings, task.index, visit=3)
        files += [write_ecg(again, 3, raw), write_cmr(again, 3, raw)]
    kind = {name: getattr(task, name) for name in ("broken", "missing", "repeat", "withdrawn", "phenotypes")}
    return files, tabular_row(subject, task.phenotypes, again), truth_of(subject) | kind
