"""A study that is killed and starved at random points ends as one that nobody disturbed.

One study goes through all of it: while it runs, one job of each kind is killed; a second Snakemake is started;
Snakemake is killed alone, then with its jobs; the disk is full, then read-only. CMR2ECG_SEED chooses the
points, CMR2ECG_ROUNDS asks for more studies (`make test-interrupt`).
"""

import os
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from disturbances import Killer, differences, durations, running_jobs
from disturbed_study import Disk, Study
from drive_snakemake import copy_repository, snakemake

pytestmark = [
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(2400),  # of a study from start to end
    pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds jobs in Linux's /proc"),
]
SEED = int(os.environ.get("CMR2ECG_SEED") or 0)
ROUNDS = int(os.environ.get("CMR2ECG_ROUNDS") or 1)
AGAIN = ("--retries", "3")  # a killed job is started again by the same Snakemake


@pytest.fixture(scope="module", params=range(SEED, SEED + ROUNDS), ids=lambda seed: f"seed{seed}")
def disturbed(request, finished, tmp_path_factory):
    """What was seen of a study while it was disturbed, and where its results are."""
    chance = random.Random(request.param)
    folder = tmp_path_factory.mktemp("disturbed").resolve()
    copy_repository(folder)
    (folder / "results").mkdir()
    study, disk = Study(folder), Disk(folder / "results")
    seen = SimpleNamespace(results=folder / "results/tiny", disk=disk.mounted)
    try:
        with Killer(folder, durations(finished), chance) as killer:
            kill_snakemake(study, chance, seen)
        if disk.mounted:
            starve(study, disk, chance, seen)
        with killer.again():
            study.start(*AGAIN)
            seen.last, seen.messages = study.wait(), study.said()
        seen.killed, seen.spared = killer.killed, set(killer.waiting)
        yield seen
    finally:
        if study.process and study.process.poll() is None:
            study.kill(group=True)
        disk.remove()


def kill_snakemake(study: Study, chance: random.Random, seen: SimpleNamespace) -> None:
    """Start a second Snakemake, kill the first one alone, go on, and kill that one with its jobs."""
    study.start(*AGAIN)
    study.wait_for(chance.randint(55, 62))
    seen.second = snakemake(study.folder, "--show-failed-logs")
    seen.alone = study.wait_for(chance.randint(40, 54))
    study.kill(group=False)
    seen.orphans = running_jobs(study.folder)
    seen.locked = snakemake(study.folder)
    study.unlock()
    study.start(*AGAIN)
    seen.group = study.wait_for(chance.randint(25, 38))
    study.kill(group=True)
    study.unlock()


def starve(study: Study, disk: Disk, chance: random.Random, seen: SimpleNamespace) -> None:
    """Fill the disk while jobs run; then start on a read-only one."""
    study.start()
    study.wait_for(chance.randint(14, 24))
    disk.fill()
    seen.full, seen.full_said = study.wait(), study.said()
    disk.protect()
    seen.protected = snakemake(study.folder)
    disk.mend()


def test_most_kinds_of_jobs_were_killed(disturbed):
    """A job that ended sooner than foreseen is spared, as some do where another load slowed the undisturbed study."""
    assert disturbed.last == 0, disturbed.messages[-5000:]
    print("killed, seconds into its life:", disturbed.killed, "spared:", disturbed.spared)
    assert len(disturbed.killed) > 2 * len(disturbed.spared), disturbed.spared


def test_the_results_are_those_of_an_undisturbed_study(disturbed, finished):
    assert differences(disturbed.results, finished / "results/tiny") == []


@pytest.mark.parametrize("name", ["second", "locked"])
def test_a_second_snakemake_or_one_after_a_kill_is_told_what_to_do(disturbed, name):
    refused = getattr(disturbed, name)
    text = refused.stdout + refused.stderr
    assert refused.returncode != 0 and "Directory cannot be locked" in text and "--unlock" in text
    assert "Traceback" not in text


def test_no_job_outlives_a_killed_snakemake(disturbed):
    assert disturbed.alone and disturbed.group, "Snakemake had ended before it was killed"
    assert disturbed.orphans == {}


def test_a_full_disk_is_named(disturbed):
    if not disturbed.disk:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    assert disturbed.full != 0
    assert "No space left on device; make room and run again" in disturbed.full_said, disturbed.full_said[-3000:]
    assert "Traceback" not in disturbed.full_said, disturbed.full_said
    assert "give the same command again: finished jobs, seeds, trials and epochs are kept" in disturbed.full_said


def test_a_read_only_results_folder_is_named_before_the_first_job(disturbed):
    if not disturbed.disk:
        pytest.skip("a small disk cannot be mounted here (needs root)")
    text = disturbed.protected.stdout + disturbed.protected.stderr
    assert disturbed.protected.returncode != 0
    assert "results/tiny cannot be written to: make it writable" in text, text
    assert "Traceback" not in text and "Error in rule" not in text
