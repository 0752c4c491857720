"""How long Snakemake plans the whole study at full size: 40,044 subjects, every model, every sweep with its whole grid.

    python -m cmr2ecg.benchmarks.dag --subjects 40044 --arrivals 500

makes an empty file for every raw file, asks `snakemake -n` what it would do, runs the index for real, tells Snakemake
to take empty files for what the further data steps write (--touch), asks again, and once more after a later delivery.
Rows: seconds and memory of each question against LIMIT_SECONDS and LIMIT_MB, and how many shards a delivery plans
against all of them.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from cmr2ecg.benchmarks.rows import report, row_parser
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.runtime.imports import SOURCE

SUBJECTS, ARRIVALS = 40_044, 500
LIMIT_SECONDS, LIMIT_MB = 60.0, 2048.0
FIRST_EID, EIDS = 9_000_001, 999_999
PER_SHARD = ("index_shard", "clean_ecg", "crop_cmr")
PER_ENCODER = re.compile(r"^(finetune|probe)_.*")


@dataclass(frozen=True)
class Plan:
    """What a dry run took and planned: {step: jobs}. cpu_seconds is more exact on a busy machine."""

    seconds: float
    cpu_seconds: float
    peak_mb: float
    jobs: dict[str, int]


class Place:
    """A folder with raw files of made-up subjects and the settings of a study on them.

    Args:
        folder: empty.
        overlay: settings beside those of config/paper.yaml; None switches everything on.
    """

    def __init__(self, folder: Path, overlay: dict | None = None) -> None:
        self.folder, self.config = folder, folder / "study.yaml"
        self.overlay = {"cohort": "dag", **(everything() if overlay is None else overlay)}
        self.overlay["raw"] = {name: [str(folder / "raw" / name)] for name in ("ecg", "cmr")}
        self.overlay["raw"] |= {"tabular": [str(folder / "tabular.csv")], "withdrawn": [str(folder / "withdrawn.csv")]}
        for name in ("ecg", "cmr"):
            (folder / "raw" / name).mkdir(parents=True)
        (folder / "tabular.csv").write_text("eid\n")
        self.withdraw(())
        self.config.write_text(yaml.safe_dump(self.overlay))

    @property
    def results(self) -> Path:
        """Where the study's results lie."""
        return self.folder / "results/dag"

    def add(self, eids: Sequence[int]) -> None:
        """Make an empty ECG and CMR file of each subject."""
        for eid in eids:
            (self.folder / f"raw/ecg/{eid}_20205_2_0.xml").touch()
            (self.folder / f"raw/cmr/{eid}_20209_2_0.zip").touch()

    def withdraw(self, eids: Sequence[int]) -> None:
        """Write the withdrawal list."""
        (self.folder / "withdrawn.csv").write_text("".join(f"{eid}\n" for eid in eids))

    def command(self, *arguments: str) -> list[str]:
        """Return the command that runs Snakemake on the study."""
        whole = ["-s", str(SOURCE.parent / "Snakefile"), "--directory", str(self.folder), "--cores", "2"]
        return [sys.executable, "-m", "snakemake", *whole, "--configfile", str(self.config), *arguments]

    def run(self, *arguments: str) -> None:
        """Run Snakemake.

        Raises:
            subprocess.CalledProcessError: if it fails.
        """
        subprocess.run(
            self.command("--quiet", "all", *arguments), check=True, cwd=self.folder, stdout=subprocess.DEVNULL
        )

    def plan(self, *arguments: str) -> Plan:
        """Ask for a plan as a user does, `snakemake -n` unless told otherwise, and measure it.

        Raises:
            RuntimeError: if it fails; with what it printed last.
        """
        printed = self.folder / "plan.txt"
        began = time.perf_counter()
        with open(printed, "w") as output:
            process = subprocess.Popen(
                self.command(*(arguments or ("-n",))), cwd=self.folder, stdout=output, stderr=subprocess.STDOUT
            )
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        text = printed.read_text()
        if status:
            raise RuntimeError(text[-3000:])
        return Plan(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, planned_jobs(text))

    def finish_data(self) -> None:
        """Run the index; for what the other data steps would write, let Snakemake take empty files."""
        self.run("--until", "index_cohort")
        for name in data_files(self.overlay):
            path = self.results / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        self.run("--touch", "--until", "audit_leakage", "audit_subsets", "hide_test")


def everything() -> dict:
    """Return settings that switch every sweep on with its whole grid: 648 trials a disease, 270 of XGBoost."""
    encoders = paper_settings()["finetune"]["encoders"]
    return {"sweep": {"encoders": encoders}}


def data_files(overlay: dict) -> list[str]:
    """Return what the data steps behind the index write, below the results."""
    settings = paper_settings()
    shards = range(overlay.get("shards", settings["shards"]))
    fractions, targets = settings["balance_subset"]["fractions"], settings["read_tabular"]["diseases"]
    tables = [f"{name}.parquet" for name in ("covariates", "labels", "phenotypes")]
    return [
        *(f"{step}/{shard}{end}" for step in PER_SHARD[1:] for shard in shards for end in (".h5", ".qc.csv")),
        *(f"read_tabular/{name}" for name in (*tables, "dates.parquet")),
        *("assemble_dataset/dataset.h5", "assemble_dataset/flow.csv", "split_subjects/split.csv"),
        *(f"balance_subset/{target}_{fraction}.csv" for target in targets for fraction in fractions),
        *("audit_leakage/audit.json", *(f"audit_subsets/{target}.json" for target in targets)),
        *(f"hide_test/{name}" for name in (*tables, "split.csv")),
    ]


def planned_jobs(text: str) -> dict[str, int]:
    """Return {step: jobs} of what a dry run printed; rules that exist once an encoder count as one step."""
    jobs: dict[str, int] = {}
    if "Job stats:" not in text:
        return jobs
    for name, count in re.findall(r"^(\w+) +(\d+)$", text.split("Job stats:")[1].split("\n\n")[0], re.MULTILINE):
        step = PER_ENCODER.sub(r"\1", name)
        if step not in ("all", "total"):
            jobs[step] = jobs.get(step, 0) + int(count)
    return jobs


def made_up_eids(count: int) -> list[int]:
    """Return so many different eids in no order."""
    return (FIRST_EID + np.random.default_rng(0).permutation(EIDS)[:count]).tolist()


def measure(folder: Path, subjects: int, arrivals: int, overlay: dict | None = None) -> Iterator[tuple[str, Plan]]:
    """Yield the plans (name, plan) before anything has run, when the data are done, and after a later delivery."""
    place, eids = Place(folder, overlay), made_up_eids(subjects + arrivals)
    place.add(eids[:subjects])
    yield "before_anything", place.plan()
    place.finish_data()
    yield "data_finished", place.plan()
    place.add(eids[subjects:])
    yield "later_delivery", place.plan()


def rows_of(name: str, plan: Plan, note: str) -> list[dict]:
    """Return a plan's time and memory against their limits."""
    limits = (("seconds", plan.seconds, LIMIT_SECONDS, "s"), ("memory", plan.peak_mb, LIMIT_MB, "MB"))
    note = f"{note}, {sum(plan.jobs.values()):,} jobs, {plan.cpu_seconds:.1f} s of computing; plain: the limit"
    return [
        {"name": f"dag_{name}_{kind}", "ours": ours, "plain": limit, "unit": unit, "ratio": limit / ours, "note": note}
        for kind, ours, limit, unit in limits
    ]


def run(subjects: int = SUBJECTS, arrivals: int = ARRIVALS) -> Iterator[dict]:
    """Yield the rows dag_..._seconds, dag_..._memory and dag_shards_of_a_delivery."""
    every = paper_settings()["shards"] * len(PER_SHARD)
    with tempfile.TemporaryDirectory() as folder:
        for name, plan in measure(Path(folder), subjects, arrivals):
            yield from rows_of(name, plan, f"{subjects:,} subjects, all sweeps")
    planned = sum(plan.jobs.get(step, 0) for step in PER_SHARD)
    note = f"jobs of {', '.join(PER_SHARD)} for {arrivals} new subjects; plain: eid modulo shards"
    row = {"name": "dag_shards_of_a_delivery", "ours": planned, "plain": every, "unit": "jobs"}
    yield {**row, "ratio": every / planned, "note": note}


def main(argv: Sequence[str] | None = None) -> None:
    """Print every row."""
    parser = row_parser(__doc__)
    parser.add_argument("--subjects", type=int, default=SUBJECTS)
    parser.add_argument("--arrivals", type=int, default=ARRIVALS)
    args = parser.parse_args(argv)
    report(run(args.subjects, args.arrivals), args.output)


if __name__ == "__main__":
    main()
