"""Say before a run what it will cost: jobs, core-hours, GPU-hours, disk and memory of every rule.

Jobs come from Snakemake's dry run of the whole study, operations and bytes are counted from the sizes of networks and
cohort, and a benchmark of about a minute says how fast this machine is. GPU-hours rest on an assumed GPU. docs/plan.md
says how it is done and how far it is off.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.plan.check import check, recorded_seconds
from cmr2ecg.plan.cohort import cohort_of
from cmr2ecg.plan.cost import Estimate, Gpu, kind_of
from cmr2ecg.plan.jobs import Job, Study, study_of
from cmr2ecg.plan.measure import measure
from cmr2ecg.plan.table import rows_of, summary, write_csv, write_markdown, written
from cmr2ecg.runtime.command import run


def main(argv: Sequence[str] | None = None) -> None:
    """Print the plan, and write it where that is asked for."""
    args = _parser().parse_args(argv)
    study = study_of(args.configfile)
    results = args.results or Path("results", study.config["cohort"])
    cohort = cohort_of(study.config, results, args.subjects)
    threads = max((job.threads for job in study.jobs if kind_of(job)), default=1)
    load = os.getloadavg()[0]
    rates = measure(kinds_of(study), study.config, threads)
    estimate = Estimate(study.config, cohort, rates, Gpu(args.gpu_tflops, args.utilisation))
    costs = [(job, estimate.of(job)) for job in study.jobs]
    sys.stderr.write(busy_note(load, rates.cores, rates.threads))
    if args.check:
        sys.stdout.write(check(costs, recorded_seconds(args.check)))
        return
    rows = rows_of(costs)
    sys.stdout.write(written(rows) + "\n" + summary(rows, cohort, rates, estimate.gpu) + "\n")
    for path, write in ((args.csv, write_csv), (args.markdown, write_markdown)):
        if path:
            write(path, rows)


def busy_note(load: float, cores: int, threads: int) -> str:
    """Return a warning if other programs held many of the cores (load: running ones) while several threads measured."""
    if threads == 1 or load < cores / 2:
        return ""
    return (
        f"warning: {load:.0f} other programs were busy on {cores} cores; with {threads} threads a job the core-hours "
        "are too high. Ask again when the machine is quiet.\n"
    )


def kinds_of(study: Study) -> dict[str, tuple[dict, dict]]:
    """Return the trainings to measure: kind -> (sizes of the networks, settings of the method)."""
    found: dict[str, tuple[dict, dict]] = {}
    for kind, job in sorted(((kind_of(job), job) for job in study.jobs), key=_measured_last):
        if kind:
            found.setdefault(kind, (job.settings["models"], method_of(job, study)))
    return found


def _measured_last(training: tuple[str, Job]) -> tuple[bool, bool]:
    """Return what puts ablations and repeats behind the pre-training itself, and probes, which train little, last."""
    kind, job = training
    return job.step == "probe", job.wildcards.get("name", kind) != kind


def method_of(job: Job, study: Study) -> dict:
    """Return the settings of a job's training; a sweep or a probe takes those of fine-tuning that it does not set."""
    fixed = study.config["finetune"] if job.step in ("sweep", "probe") else {}
    return {**fixed, **job.settings["method"]}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cmr2ecg.plan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", type=Path, nargs="+", required=True, help="as for snakemake, in its order")
    parser.add_argument(
        "--subjects", type=int, help="of the data set; left out: counted in the results, or the paper's"
    )
    parser.add_argument("--results", type=Path, help="folder of the study's results; left out: results/<cohort>")
    parser.add_argument("--gpu-tflops", type=float, default=120.0, help="assumed peak of a GPU in bf16 (default: 120)")
    parser.add_argument("--utilisation", type=float, default=0.3, help="assumed share of that peak (default: 0.3)")
    parser.add_argument("--csv", type=Path, help="also write the table as csv")
    parser.add_argument("--markdown", type=Path, help="also write the table as markdown")
    parser.add_argument("--check", type=Path, metavar="FOLDER", help="compare with what Snakemake recorded in FOLDER")
    return parser


if __name__ == "__main__":
    run(main)
