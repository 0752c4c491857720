"""What profiles/slurm would submit, asked of Snakemake without a SLURM, and the commands of docs/cluster.md."""

import re
import shlex
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from drive_snakemake import ROOT, copy_repository, snakemake

pytestmark = pytest.mark.slow

PROFILE = yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())
PAGE = (ROOT / "docs/cluster.md").read_text()
TRAINED = r"(pretrain|finetune|probe)_\w+|sweep|score_heatmap"


def planned_on(overlay: Path, *arguments: str) -> str:
    """Return what a dry run with the overlay prints."""
    files = ("--configfile", str(overlay)) if "--configfile" not in arguments else ()
    done = snakemake(overlay.parent / "clone", "--profile", "profiles/slurm", "--dry-run", *files, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def asked(text: str) -> dict[str, dict[str, dict[str, str]]]:
    """Return {rule: {first output: {resource: value}}} of what a dry run prints."""
    jobs: dict[str, dict[str, dict[str, str]]] = {}
    for _, rule, block in re.findall(r"^( *)(?:local)?rule (\w+):\n((?:\1    .*\n)+)", text, re.MULTILINE):
        fields = dict(re.findall(r"^ *(\w+): (.*)$", block, re.MULTILINE))
        if rule != "all":
            resources = dict(pair.split("=", 1) for pair in fields["resources"].split(", "))
            jobs.setdefault(rule, {})[fields["output"].split(",")[0]] = resources
    return jobs


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """An overlay for raw files of 2000 subjects, all empty, beside a copy of the repository."""
    raw = tmp_path_factory.mktemp("raw")
    copy_repository(raw / "clone")
    for kind, name in (("ecg", "20205_2_0.xml"), ("cmr", "20209_2_0.zip")):
        (raw / kind).mkdir()
        for eid in range(9_000_001, 9_002_001):
            (raw / kind / f"{eid}_{name}").touch()
    (raw / "table.csv").write_text("eid\n")
    overlay = raw / "whole.yaml"
    overlay.write_text(f"cohort: whole\nraw: {{ecg: [{raw}/ecg], cmr: [{raw}/cmr], tabular: [{raw}/table.csv]}}\n")
    return overlay


@pytest.fixture(scope="module")
def dry_run(whole):
    return planned_on(whole)


@pytest.fixture(scope="module")
def first(dry_run):
    return asked(dry_run)


def test_every_job_asks_for_memory_and_time_that_grow_with_each_attempt(whole, first):
    again = asked(planned_on(whole, "--attempt", "2"))
    assert len(first) > 40 and {rule: set(jobs) for rule, jobs in again.items()} == {
        rule: set(jobs) for rule, jobs in first.items()
    }
    most = {"mem_mb": 256_000, "runtime": 2880}
    for rule, jobs in first.items():
        for output, resources in jobs.items():
            for name, limit in most.items():
                one, two = int(resources[name]), int(again[rule][output][name])
                assert 0 < one < two <= limit or one == two == limit, (rule, name, one, two)
                assert two == min(limit, 2 * one) or abs(two - 2 * one) <= 1, (rule, name, one, two)


def test_more_subjects_ask_for_more(whole, first):
    few = asked(planned_on(whole, "--config", "shards=400"))
    one, less = (next(iter(jobs["crop_cmr"].values())) for jobs in (first, few))
    assert (int(one["mem_mb"]), int(less["mem_mb"])) == (2025, 2003)  # 50 and 5 subjects a shard
    held = next(iter(first["pretrain_mae"].values()))
    assert int(held["mem_mb"]) == 8000 + 2 * 600 and held["data_mb"] == "32000"


def test_only_trainings_ask_for_gpus_and_only_on_cuda(whole, first, tmp_path):
    assert {job.get("gpu", "0") for jobs in first.values() for job in jobs.values()} == {"0"}
    (tmp_path / "gpus.yaml").write_text("device: cuda\nprocesses: {pretrain: 4}\n")
    text = planned_on(whole, "--configfile", str(whole), str(tmp_path / "gpus.yaml"))
    assert "small_fits" not in text
    with_gpus = asked(text)
    for rule, jobs in with_gpus.items():
        wanted = "0" if not re.fullmatch(TRAINED, rule) else "4" if rule.startswith("pretrain") else "1"
        assert {job.get("gpu", "0") for job in jobs.values()} == {wanted}, rule
        assert not rule.startswith("pretrain") or {int(job["mem_mb"]) for job in jobs.values()} == {4 * 8000 + 2 * 600}
        assert wanted == "0" or {(job["nodes"], job["tasks_per_gpu"]) for job in jobs.values()} == {("1", "0")}


def test_small_jobs_are_grouped(dry_run):
    groups = Counter(re.findall(r"Group job (\w+) ", dry_run))
    once = ("prepare", "tabular_sweeps", "report", "small_fits_mmcl", "small_fits_supervised")
    assert groups["shards"] == 10 and {name: groups[name] for name in once} == dict.fromkeys(once, 1)


def test_groups_name_rules_that_exist_and_hold_no_training(first):
    groups, sizes = PROFILE["groups"], PROFILE["group-components"]
    assert set(groups) <= set(first) and not any(re.fullmatch(TRAINED, rule) for rule in groups)
    assert set(groups.values()) <= set(sizes)
    config = yaml.safe_load((ROOT / "config/paper.yaml").read_text())
    fitted = {name for name in config["finetune"]["encoders"] if not name.startswith("cmr_")}
    assert {name.removeprefix("small_fits_") for name in sizes if name.startswith("small_fits_")} == fitted
    assert PROFILE["cores"] == max(config["threads"].values())
    assert PROFILE["retries"] > 0 and PROFILE["executor"] == "slurm" and "track" not in groups


def commands() -> list[str]:
    blocks = re.findall(r"^```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("snakemake ")]


@pytest.mark.parametrize("command", commands())
def test_commands_of_the_page_are_understood(command, whole, tmp_path):
    assert "--profile profiles/slurm --configfile config/ukb.yaml" in command
    (partitions,) = re.findall(r"^```yaml\n(partitions:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "partitions.yaml").write_text(partitions)
    words = shlex.split(command.replace("partitions.yaml", str(tmp_path / "partitions.yaml")))[1:]
    words[words.index("config/ukb.yaml")] = str(whole)
    if "--unlock" in words:
        done = snakemake(whole.parent / "clone", *words)
        assert done.returncode == 0, done.stderr
        return
    jobs = asked(
        planned_on(whole, *(word for word in words if word not in ("--profile", "profiles/slurm", "--dry-run")))
    )
    small = next(iter(jobs["train_tabular"].values()))
    assert small["mem_mb"] == "2020"
    if "--default-resources" in words:
        assert (small["slurm_account"], small["slurm_partition"]) == ("heart", "cpu")
    if "--set-resources" in words:
        mae, fit = (next(iter(jobs[rule].values())) for rule in ("pretrain_mae", "finetune_mmcl"))
        assert (mae["mem_mb"], mae["runtime"], fit["slurm_partition"]) == ("64000", "1440", "long")


def test_the_page_partitions_take_each_job_where_it_fits(tmp_path):
    plugin = pytest.importorskip("snakemake_executor_plugin_slurm.partitions")
    (text,) = re.findall(r"^```yaml\n(partitions:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "partitions.yaml").write_text(text)
    partitions = plugin.read_partition_file(tmp_path / "partitions.yaml")
    logger = SimpleNamespace(**{name: lambda *_: None for name in ("info", "debug", "warning", "error")})
    for resources, wanted in (({}, "cpu"), ({"gpu": 4, "nodes": 1, "tasks_per_gpu": 0}, "gpu")):
        whole = {"mem_mb": 30_000, "runtime": 600, **resources}
        job = SimpleNamespace(resources=whole, threads=8, name="x", is_group=lambda: False)
        assert plugin.get_best_partition(partitions, job, logger) == wanted
