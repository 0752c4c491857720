"""The tiny study on a real SLURM, one of its jobs cancelled midway: `make test-slurm` starts one and runs this."""

import filecmp
import json
import re
import shutil
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest
from drive_snakemake import called, copy_repository, snakemake

QUICKLY = (  # a cluster's pauses are too long for jobs of seconds; without accounting only squeue knows of jobs
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"),
    *("--seconds-between-status-checks", "1", "--max-status-checks-per-second", "10", "--latency-wait", "20"),
)
LIMIT = 3000.0  # seconds; a quiet machine takes a tenth


def no_slurm() -> str:
    """Return why there is no SLURM to submit to; an empty text if there is one."""
    if not shutil.which("sbatch"):
        return "sbatch is not installed"
    done = subprocess.run(["sinfo", "--noheader"], capture_output=True, text=True, check=False)
    return done.stderr.strip() if done.returncode else ""


pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(2 * LIMIT),
    pytest.mark.skipif(bool(reason := no_slurm()), reason=f"no SLURM here ({reason}): make test-slurm starts one"),
]


def queue() -> dict[str, dict[str, str]]:
    """Return {SLURM's job number: its state, memory and comment} of every job, also of those that have ended."""
    names = ("number", "state", "memory", "comment")
    command = ["squeue", "--states=all", "--noheader", "--format=%i|%T|%m|%k"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [dict(zip(names, line.split("|"), strict=True)) for line in done.stdout.splitlines()]
    return {row["number"]: row for row in rows}


def first_seed(results: Path, run: subprocess.Popen) -> Path:
    """Return the first seed that a job with several fits has finished."""
    for _ in range(int(LIMIT / 0.05)):
        found = [*results.glob("finetune/mmcl/*/*/seeds/*.json")]
        if found:
            return found[0]
        assert run.poll() is None, "Snakemake ended before the job"
        time.sleep(0.05)
    raise AssertionError("the job that was to be cancelled has not come")


@pytest.fixture(scope="module")
def cluster_run(tmp_path_factory):
    """The finished run on SLURM: folder, log, number of the job that was cancelled, what it had kept by then."""
    folder = tmp_path_factory.mktemp("cluster")
    copy_repository(folder)
    log = folder / "snakemake.log"
    with open(log, "w") as handle:
        command = called(folder, "--profile", "profiles/slurm", *QUICKLY)
        run = subprocess.Popen(**command, stdout=handle, stderr=subprocess.STDOUT)
        try:
            seed = first_seed(folder / "results/tiny", run)
            running = [row for row in queue().values() if row["state"] == "RUNNING"]
            (job,) = [row["number"] for row in running if row["comment"] == "rule_finetune_mmcl"]
            subprocess.run(["scancel", job], check=True)
            kept = {seed: seed.stat().st_mtime_ns}
            assert run.wait(LIMIT) == 0, log.read_text()[-5000:]
        finally:
            run.terminate()
            run.wait()
    return folder, log.read_text(), job, kept


def test_the_cancelled_job_was_retried_with_more_and_went_on_where_it_was(cluster_run):
    _, log, job, kept = cluster_run
    jobs = queue()
    again = [row for row in jobs.values() if row["comment"] == jobs[job]["comment"] and row["number"] != job]
    assert jobs[job]["state"] == "CANCELLED" and [row["state"] for row in again] == ["COMPLETED"]
    megabytes = [int(row["memory"].removesuffix("M")) for row in (jobs[job], *again)]
    assert megabytes[1] == pytest.approx(2 * megabytes[0], abs=2)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert f"SLURM-job '{job}' failed" in log and "Trying to restart" in log
    assert [row for row in jobs.values() if row["state"] not in ("COMPLETED", "CANCELLED")] == []


def test_tables_and_scores_equal_those_of_a_local_run_byte_for_byte(cluster_run, finished):
    here, there = (folder / "results/tiny" for folder in (finished, cluster_run[0]))
    names = sorted(
        str(path.relative_to(here))
        for pattern in ("make_table/*", "evaluate/*.csv", "select/*.json", "**/*.csv", "**/predictions.parquet")
        for path in here.glob(pattern)
        if "describe_run" not in path.parts and path.name != "curves.csv"
    )
    assert len(names) > 80
    _, different, missing = filecmp.cmpfiles(here, there, names, shallow=False)
    assert (different, missing) == ([], [])


def test_small_jobs_went_to_the_queue_together(cluster_run):
    _, log, _, _ = cluster_run
    steps = int(re.search(r"\d+ of (\d+) steps \(100%\) done", log)[1])
    submitted = re.findall(r"submitted with SLURM jobid (\d+)", log)
    assert len(submitted) == len(set(submitted)) < steps / 2
    comments = [row["comment"] for row in queue().values()]
    for group in ("shards", "prepare", "report"):
        assert sum(comment.startswith(f"rule_{group}_") for comment in comments) == 1, comments


def test_mlflow_has_one_writer_and_every_run_once(cluster_run, finished):
    assert [row["comment"] for row in queue().values() if "track" in row["comment"]] == ["rule_track"]
    counts = []
    for folder in (cluster_run[0], finished):
        with sqlite3.connect(folder / "results/tiny/mlflow.db") as database:
            (count,) = database.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()
        assert count == json.loads((folder / "results/tiny/track/tracked.json").read_text())["runs"]
        counts.append(count)
    assert counts[0] == counts[1] > 10


def test_nothing_is_left_to_do(cluster_run):
    done = snakemake(cluster_run[0], "--profile", "profiles/slurm", "--dry-run")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr
