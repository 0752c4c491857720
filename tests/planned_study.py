"""A study on empty raw files of made-up subjects, which Snakemake plans, and whose data steps are taken as done."""

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from bench.rows import spent
from paper_settings import paper_settings

from cmr2ecg.runtime.imports import SOURCE

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
        overlay: settings beside those of config/paper.yaml.
    """

    def __init__(self, folder: Path, overlay: dict) -> None:
        self.folder, self.config, self.results = folder, folder / "study.yaml", folder / "results/dag"
        self.overlay = {"cohort": "dag", **overlay}
        self.overlay["raw"] = {name: [str(folder / "raw" / name)] for name in ("ecg", "cmr")}
        self.overlay["raw"] |= {name: [str(folder / f"{name}.csv")] for name in ("tabular", "withdrawn")}
        for name in ("ecg", "cmr"):
            (folder / "raw" / name).mkdir(parents=True)
        (folder / "tabular.csv").write_text("eid\n")
        self.withdraw(())
        self.config.write_text(yaml.safe_dump(self.overlay))

    def add(self, eids: Sequence[int]) -> None:
        """Make an empty ECG and CMR file of each subject."""
        for eid in eids:
            (self.folder / f"raw/ecg/{eid}_20205_2_0.xml").touch()
            (self.folder / f"raw/cmr/{eid}_20209_2_0.zip").touch()

    def withdraw(self, eids: Sequence[int]) -> None:
        """Write the withdrawal list."""
        (self.folder / "withdrawn.csv").write_text("".join(f"{eid}\n" for eid in eids))

    def command(self, *arguments: str) -> list[str]:
        """Return what Python needs to run Snakemake on the study."""
        whole = ["-s", str(SOURCE.parent / "Snakefile"), "--directory", str(self.folder), "--cores", "2"]
        return ["-m", "snakemake", *whole, "--configfile", str(self.config), *arguments]

    def run(self, *arguments: str) -> None:
        """Run Snakemake.

        Raises:
            subprocess.CalledProcessError: if it fails.
        """
        command = [sys.executable, *self.command("--quiet", "all", *arguments)]
        subprocess.run(command, check=True, cwd=self.folder, stdout=subprocess.DEVNULL)

    def plan(self, *arguments: str) -> Plan:
        """Ask for a plan as a user does, `snakemake -n` unless told otherwise, and measure it.

        Raises:
            RuntimeError: if it fails; with what it printed last.
        """
        done = spent(*self.command(*(arguments or ("-n",))), cwd=self.folder)
        return Plan(done.seconds, done.cpu_seconds, done.peak_mb, planned_jobs(done.printed))

    def finish_data(self) -> None:
        """Run the index; for what the other data steps would write, let Snakemake take empty files."""
        self.run("--until", "index_cohort")
        for name in data_files(self.overlay):
            path = self.results / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        self.run("--touch", "--until", "audit_leakage", "audit_subsets", "hide_test")


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
    _, _, table = text.partition("Job stats:")
    for name, count in re.findall(r"^(\w+) +(\d+)$", table.split("\n\n")[0], re.MULTILINE):
        step = PER_ENCODER.sub(r"\1", name)
        if step not in ("all", "total"):
            jobs[step] = jobs.get(step, 0) + int(count)
    return jobs


def made_up_eids(count: int) -> list[int]:
    """Return so many different eids in no order."""
    return (FIRST_EID + np.random.default_rng(0).permutation(EIDS)[:count]).tolist()
