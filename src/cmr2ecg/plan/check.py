"""The estimate beside what a finished run took, as Snakemake wrote it down for every job."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from cmr2ecg.plan.cost import NOTHING, Cost, Span
from cmr2ecg.plan.jobs import ONCE_AN_ENCODER, Job

STAGES = {
    "raw files": ("simulate_cohort",),
    "data": (
        *("index_shard", "index_cohort", "clean_ecg", "crop_cmr", "read_tabular", "assemble_dataset"),
        *("split_subjects", "balance_subset", "audit_leakage", "audit_subsets", "hide_test"),
    ),
    "pre-training": (
        *("pretrain_mae", "pretrain_contrastive", "pretrain_cmr", "pretrain_mmcl", "select_mmcl", "import_weights"),
    ),
    "sweeps": ("sweep", "sweep_tabular", "select"),
    "fine-tuning": ("finetune",),
    "probes and trees": ("probe", "train_tabular"),
    "scores and report": (
        *("evaluate", "make_table", "make_figure", "score_heatmap", "trace_numbers", "describe_run", "track"),
        *("audit_withdrawn", "release"),
    ),
}


def stage_of(step: str) -> str:
    """Return the stage a step belongs to."""
    return next((stage for stage, steps in STAGES.items() if step in steps), "other")


def recorded_seconds(folder: Path) -> dict[str, float]:
    """Return the wall seconds of every step, added over its jobs (`recorded_jobs`)."""
    steps: dict[str, float] = {}
    for (rule, _), seconds in recorded_jobs(folder).items():
        step = ONCE_AN_ENCODER.sub(r"\1", rule)
        steps[step] = steps.get(step, 0.0) + seconds
    return steps


def recorded_jobs(folder: Path, results: str = "") -> dict[tuple[str, str], float]:
    """Return {(rule, its log): wall seconds} of every finished job in FOLDER/.snakemake/metadata.

    Args:
        folder: where Snakemake was started.
        results: only jobs whose log lies below this count, such as "results/demo/".

    Raises:
        FileNotFoundError: if there are none.
    """
    records = folder / ".snakemake/metadata"
    jobs: dict[tuple[str, str], float] = {}
    for path in records.iterdir() if records.is_dir() else ():
        try:
            record = json.loads(path.read_text())
            log = " ".join(record["log"])
            if log.startswith(results):
                jobs[record["rule"], log] = record["endtime"] - record["starttime"]
        except (OSError, ValueError, KeyError, TypeError):
            continue  # a record of another version of Snakemake, or cut off
    if not jobs:
        raise FileNotFoundError(f"{records} holds no record of a finished job")
    return jobs


def check(costs: Iterable[tuple[Job, Cost]], recorded: Mapping[str, float]) -> str:
    """Return a table: job-seconds of each stage as estimated and as recorded, and their ratio."""
    estimated: dict[str, Span] = {}
    for job, cost in costs:
        if job.step in recorded:
            for name in (job.step, stage_of(job.step), "total"):
                estimated[name] = estimated.get(name, NOTHING) + cost.seconds
    took = dict.fromkeys(estimated, 0.0)
    for step, seconds in recorded.items():
        for name in {step, stage_of(step), "total"} & took.keys():
            took[name] += seconds
    lines = [f"{'stage':22} {'estimated s':>12} {'range':>17} {'recorded s':>11} {'ratio':>6}"]
    for stage, steps in (*STAGES.items(), ("total", ())):
        for label in (stage, *(f"  {step}" for step in steps)):
            if (name := label.strip()) in took:
                span = estimated[name]
                ends = f"{span.low:.0f} to {span.high:.0f}"
                ratio = span.likely / took[name]
                lines.append(f"{label:22} {span.likely:12.1f} {ends:>17} {took[name]:11.1f} {ratio:6.2f}")
    return "\n".join(lines) + "\n"
