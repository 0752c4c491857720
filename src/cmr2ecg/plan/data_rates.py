"""What a subject's raw files cost to read and clean here, and what bytes and trees cost, for the benchmark."""

import hashlib
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cmr2ecg.plan.measure import timed
from cmr2ecg.simulate.raw_files import write_cmr, write_ecg
from cmr2ecg.simulate.subject import draw_subject
from cmr2ecg.steps.clean_ecg import clean_file
from cmr2ecg.steps.crop_cmr import crop_file
from cmr2ecg.study.settings.cohort import SimulateCohort
from cmr2ecg.study.settings.recordings import CleanEcg, CropCmr
from cmr2ecg.training.fit.boosting import Problem, fit_boosting

MB = 1 << 20
HASHED, ROWS, TREES, SIDE = 64 * MB, 4000, 20, 1024


def measure(spec: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Return subject_seconds, raw_bytes, bytes_second, tree_seconds and gflops_matrix; `seconds` go to raw files.

    spec: the sections simulate_cohort, clean_ecg and crop_cmr, and `threads`.
    """
    cleaning, cropping = CleanEcg.model_validate(spec["clean_ecg"]), CropCmr.model_validate(spec["crop_cmr"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in ("ecg", "cmr"):
            (folder / kind).mkdir()
        files, simulated = _raw_files(spec["simulate_cohort"], folder, seconds / 2)
        ecg, cmr = ([folder / pair[index] for pair in files] for index in (0, 1))
        subject_seconds = {
            "simulate_cohort": simulated,
            "clean_ecg": _mean_seconds(lambda path: clean_file(path, cleaning), ecg, seconds / 4),
            "crop_cmr": _mean_seconds(lambda path: crop_file((str(path), "", None), cropping), cmr, seconds / 4),
        }
        raw_bytes = {"ecg": _mean_size(ecg), "cmr": _mean_size(cmr)}
        bytes_second = {"hash": _hash_rate(), "write": _write_rate(folder)}
    return {
        "subject_seconds": subject_seconds,
        "raw_bytes": raw_bytes,
        "bytes_second": bytes_second,
        "tree_seconds": _tree_seconds(),
        "gflops_matrix": _gflops_matrix(),
    }


def _raw_files(settings: Mapping[str, Any], folder: Path, seconds: float) -> tuple[list[tuple[str, str]], float]:
    """Return the files of a few synthetic subjects of the settings' sizes, and the seconds each took."""
    simulated = SimulateCohort.model_validate(settings)
    files: list[tuple[str, str]] = []

    def write() -> None:
        subject = draw_subject(simulated, len(files))
        files.append((write_ecg(subject, 2, folder), write_cmr(subject, 2, folder)))

    spent = timed(write)
    while spent < seconds and len(files) < 8:
        spent += timed(write)
    return files, spent / len(files)


def _mean_seconds(work: Callable[[Path], object], paths: list[Path], seconds: float) -> float:
    """Return the seconds of a file, after one to warm up."""
    work(paths[0])
    spent, done = 0.0, 0
    while spent < seconds:
        spent += timed(lambda: work(paths[done % len(paths)]))  # noqa: B023 (called at once)
        done += 1
    return spent / done


def _mean_size(paths: list[Path]) -> float:
    return sum(path.stat().st_size for path in paths) / len(paths)


def _hash_rate() -> float:
    content = bytes(HASHED)
    return HASHED / timed(lambda: hashlib.sha256(content).digest())


def _write_rate(folder: Path) -> float:
    content = np.random.default_rng(0).bytes(HASHED)
    return HASHED / timed(lambda: (folder / "written").write_bytes(content))


def _tree_seconds() -> float:
    """Return the seconds of one boosted tree over one training subject, one thread."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(ROWS, 4)), columns=list("abcd"))
    labels = (table["a"] + rng.normal(size=ROWS) > 0).astype(float).to_numpy()
    problem = Problem.of(table, labels, table, labels, regression=False, threads=1)
    settings = {"max_depth": 5, "learning_rate": 0.2, "subsample": 0.75, "rounds": TREES}
    return timed(lambda: fit_boosting(problem, settings, seed=0)) / TREES / ROWS


def _gflops_matrix() -> float:
    """Return the GFLOP/s of a float32 matrix product, what the fits of linear probes consist of."""
    a = np.random.default_rng(0).standard_normal((SIDE, SIDE), dtype=np.float32)
    a @ a
    return 2 * SIDE**3 / min(timed(lambda: a @ a) for _ in range(3)) / 1e9
