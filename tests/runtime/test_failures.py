"""A disk that takes no more, or may not be written to, ends every kind of writer with one line that says what to do."""

import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import pytest

from cmr2ecg.runtime.failures import causes, explain, naming

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 100_000  # bytes a file may have
HEAD = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from cmr2ecg.runtime.command import run
from cmr2ecg.runtime.files import atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
path = Path(sys.argv[1])
much = np.random.default_rng(0).random((500, 100))

def main(_argv):
    with atomic(path) as partial:
        write(partial)
"""
WRITERS = {
    "csv": "write = lambda to: pd.DataFrame(much).to_csv(to)",
    "parquet": "write = lambda to: pd.DataFrame(much, columns=list(map(str, range(100)))).to_parquet(to)",
    "json": "write = lambda to: to.write_text(str(much.tolist()))",
    "h5": """
import h5py
def write(to):
    with h5py.File(to, "w") as file:
        file["x"] = much
""",
    "shard.h5": """
from cmr2ecg.cohort.shards import Field, process_shard
def write(to):
    process_shard(
        [(number, row) for number, row in enumerate(much)], lambda row: ({"x": row}, {}),
        fields={"x": Field((100,), "float64")}, attributes={}, measures=(), output=path, qc=path.with_suffix(".csv"),
    )
""",
    "safetensors": """
import torch
from safetensors.torch import save_file
write = lambda to: save_file({"x": torch.from_numpy(much)}, to)
""",
    "png": """
from matplotlib.figure import Figure
def write(to):
    figure = Figure()
    figure.subplots().imshow(much)
    figure.savefig(to, format="png", dpi=600)
""",
    "db": """
from cmr2ecg.tracking.mlflow_runs import Tracker
write = lambda to: Tracker(path, path.parent / "artifacts", "x")
""",
}


def failing(name: str, path: Path) -> subprocess.CompletedProcess:
    script = HEAD + WRITERS[name] + "\nrun(main)\n"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", script, str(path), str(LIMIT)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_that_names_the_file_and_leaves_nothing(name, tmp_path):
    path = tmp_path / f"x.{name}"
    done = failing(name, path)
    lines = done.stderr.strip().splitlines()
    said = "check whether the disk is full" if name == "db" else "make room and run again"
    assert done.returncode == 1 and lines[-1].startswith(f"error: {path}: ") and said in lines[-1], done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_cause_of_an_error_counts_too(tmp_path):
    try:
        with naming(tmp_path / "outer"), naming(tmp_path / "inner"):
            try:
                raise OSError(28, "No space left on device")
            except OSError as error:
                raise RuntimeError("could not close") from error
    except RuntimeError as error:
        assert len(list(causes(error))) == 2
        assert explain(error) == f"{tmp_path / 'inner'}: No space left on device; make room and run again"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(30, "Read-only file system", "x.csv"), "x.csv: Read-only file system; make it writable"),
        (PermissionError(13, "Permission denied", "y"), "y: Permission denied; make it writable"),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), "make room"),
    ],
)
def test_what_to_do_is_said(error, said):
    assert said in explain(error)


def test_a_killed_worker_process_is_explained():
    with ProcessPoolExecutor(1) as pool, pytest.raises(BrokenProcessPool) as raised:
        pool.submit(os._exit, 1).result()
    assert "give this step fewer threads" in explain(raised.value)


def test_nothing_is_said_of_what_nobody_foresaw():
    assert explain(ZeroDivisionError()) is None and explain(OSError(5, "Input/output error")) is None
