"""The tiny study on a real SLURM, one of its jobs cancelled midway: `make test-slurm` starts one and runs this."""

import filecmp
import json
import re
import shlex
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from drive_snakemake import ROOT, TINY, called, copy_repository, snakemake

QUICKLY = (  # a cluster's pauses are too long for jobs of seconds; without accounting only squeue knows of jobs
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "1"),
    *("--seconds-between-status-checks", "1", "--max-status-checks-per-second", "10", "--latency-wait", "20"),
)
PAGE = (ROOT / "docs/cluster.md").read_text()
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


def wait_for(condition: Callable[[], Any], run: subprocess.Popen | None = None) -> Any:
    """Return what the condition gives as soon as that is true, while `run` goes on."""
    for _ in range(int(LIMIT / 0.05)):
        if found := condition():
            return found
        assert run is None or run.poll() is None, "Snakemake ended before that"
        time.sleep(0.05)
    raise AssertionError("in vain")


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
            # A job with several fits has finished the first seed of the first.
            seed = wait_for(lambda: next(folder.glob("results/tiny/finetune/mmcl/*/*/seeds/*.json"), None), run)
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


def test_small_jobs_went_to_the_queue_together(cluster_run):
    _, log, _, _ = cluster_run
    steps = int(re.search(r"\d+ of (\d+) steps \(100%\) done", log)[1])
    submitted = re.findall(r"submitted with SLURM jobid (\d+)", log)
    assert len(submitted) == len(set(submitted)) < steps / 2
    comments = [row["comment"] for row in queue().values()]
    for group in ("shards", "prepare", "report"):
        assert sum(comment.startswith(f"rule_{group}_") for comment in comments) == 1, comments


def test_nothing_is_left_to_do(cluster_run):
    done = snakemake(cluster_run[0], "--profile", "profiles/slurm", "--dry-run")
    assert done.returncode == 0 and "Nothing to be done" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def spare(cluster_run, tmp_path_factory) -> Path:
    """A copy of the finished run, for tests that change it."""
    return shutil.copytree(cluster_run[0], tmp_path_factory.mktemp("spare") / "clone", copy_function=shutil.copy2)


def test_a_training_on_gpus_goes_to_their_partition(spare):
    """This machine has none, so SLURM was told of four made-up ones and the job itself ends in an error."""
    (partitions,) = re.findall(r"^```yaml\n(partitions:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (spare / "partitions.yaml").write_text(partitions.replace("256000", "900000"))
    (spare / "gpus.yaml").write_text("device: cuda\nprocesses: {pretrain: 2}\nthreads: {pretrain: 2}\n")
    known = queue().keys()
    options = ("--slurm-partition-config", "partitions.yaml", "--retries", "0", "--until", "pretrain_mae")
    done = snakemake(spare, "--profile", "profiles/slurm", *QUICKLY, "--configfile", TINY, "gpus.yaml", *options)
    (job,) = queue().keys() - known
    shown = subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout
    assert "Partition=gpu" in shown and "TresPerJob=gres:gpu:2" in shown and "NumNodes=1 NumCPUs=2 NumTasks=1 " in shown
    assert done.returncode == 1 and "cuda" in (spare / "results/tiny/logs/pretrain_mae/mae.log").read_text().lower()


def test_after_a_killed_snakemake_the_page_clears_up_and_a_job_of_its_own_goes_on(spare):
    target = spare / "results/tiny/pretrain_mae/mae/result.json"
    target.unlink(missing_ok=True)
    known = queue().keys()
    goal = ("--until", "pretrain_mae")

    def active() -> list[str]:
        return [number for number, row in queue().items() if number not in known and row["state"] == "RUNNING"]

    run = subprocess.Popen(**called(spare, "--profile", "profiles/slurm", *QUICKLY, *goal))
    wait_for(active, run)
    run.kill()
    run.wait()
    clear, unlock = (
        next(line for line in PAGE.splitlines() if line.startswith(start) and end in line)
        for start, end in (("squeue ", "scancel"), ("snakemake ", "--unlock"))
    )
    subprocess.run(["bash", "-c", clear], check=True)
    wait_for(lambda: not active())
    assert snakemake(spare, *shlex.split(unlock.replace("config/ukb.yaml", TINY))[1:]).returncode == 0
    submit = next(line for line in PAGE.splitlines() if line.startswith("sbatch "))
    quickly = f"{TINY} --cores 1 {shlex.join([*QUICKLY, *goal])}"
    environment = called(spare)["env"]
    number = subprocess.run(
        ["bash", "-c", submit.replace("config/ukb.yaml", quickly).replace("sbatch ", "sbatch --parsable --wait ")],
        **{"cwd": spare, "env": environment, "capture_output": True, "text": True, "check": False},
    )
    log = (spare / f"results/driver-{number.stdout.strip()}.log").read_text()
    assert number.returncode == 0 and target.exists(), log


def test_tables_and_scores_equal_those_of_a_local_run_byte_for_byte(cluster_run, finished):
    here, there = (folder / "results/tiny" for folder in (finished, cluster_run[0]))
    names = sorted(
        str(path.relative_to(here))
        for pattern in ("make_table/*", "evaluate/*.csv", "select/*.json", "**/*.csv", "**/predictions.parquet")
        for path in here.glob(pattern)
        if not {"describe_run", "mlartifacts"} & set(path.parts) and path.name != "curves.csv"
    )
    assert len(names) > 80
    _, different, missing = filecmp.cmpfiles(here, there, names, shallow=False)
    assert (different, missing) == ([], [])


def test_mlflow_has_one_writer_and_every_run_once(cluster_run, finished):
    assert [row["comment"] for row in queue().values() if "track" in row["comment"]] == ["rule_track"]
    counts = []
    for folder in (cluster_run[0], finished):
        with sqlite3.connect(folder / "results/tiny/mlflow.db") as database:
            (count,) = database.execute("select count(*) from runs where lifecycle_stage = 'active'").fetchone()
        assert count == json.loads((folder / "results/tiny/track/tracked.json").read_text())["runs"]
        counts.append(count)
    assert counts[0] == counts[1] > 10
