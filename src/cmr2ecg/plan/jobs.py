"""The jobs of a whole study, from what `snakemake -n -p` prints, so that they cannot drift from the rules.

Snakemake reads the Snakefile in an empty folder, as if nothing had run yet. Raw files need not be there: lists with one
made-up path stand in for them, since the number of jobs does not depend on the number of subjects.
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cmr2ecg.plan.stand_ins import stand_ins
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.study.encoders import DRAWN
from cmr2ecg.training.fit.runs import planned_runs

ALL_CORES = 100_000  # so that a job keeps the threads its rule asks for
ONCE_AN_ENCODER = re.compile(r"(finetune|probe)_.+")  # rules that exist once an encoder
# Of lines without their indentation, which is deeper where jobs are grouped.
JOB = re.compile(r"^rule (\w+):\n((?:\w+:.*\n)*)Shell command: .*?cmr2ecg\.steps\.\w+ (.*)$", re.MULTILINE)
WILDCARDS = re.compile(r"^wildcards: (.*)$", re.MULTILINE)
REFUSAL = re.compile(r"^WorkflowError[^\n]*:\n(.*?)(?:^  File |\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Job:
    """One job: its rule, what its wildcards are, the cores it takes, and what its step is told.

    settings: the JSON of --settings. options: the values of each option of its command, without the dashes.
    """

    rule: str
    wildcards: Mapping[str, str]
    threads: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def step(self) -> str:
        """The step that does the work: the rule without the encoder it is for."""
        return ONCE_AN_ENCODER.sub(r"\1", self.rule)

    @property
    def unpaired(self) -> bool:
        """Whether it cleans a shard of ECGs without a CMR."""
        return self.wildcards.get("shard", "").endswith(".unpaired")

    @property
    def encoder(self) -> str:
        """The encoder that is fitted, or ""."""
        return self.wildcards.get("encoder") or "".join(self.options.get("encoder", ()))

    @property
    def fits(self) -> list[tuple[str, int, int]]:
        """The fits of a job of finetune, probe or train_tabular: target, percentage of its subjects, number of runs."""
        named = self.options.get("fits") or ["{target}/{fraction}".format_map(self.wildcards)]
        pairs = [(target, int(fraction)) for target, fraction in (fit.split("/") for fit in named)]
        method = self.settings["method"]
        seeds = method["random_seeds"] if self.step == "probe" else method["seeds"]
        if self.step == "probe" and self.encoder not in DRAWN:
            seeds = seeds[:1]
        return [(target, fraction, len(planned_runs(seeds, self.settings, fraction))) for target, fraction in pairs]


@dataclass(frozen=True)
class Study:
    """All jobs of a study, and its settings after the overlays, without those that a report may not show (paths)."""

    jobs: Sequence[Job]
    config: Mapping[str, Any]


def study_of(configs: Sequence[Path]) -> Study:
    """Return all jobs of a study from its raw files to the last table.

    Args:
        configs: config files laid over config/paper.yaml, the last one on top.

    Raises:
        InputError: if the settings cannot be used; says which.
    """
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder, "overlay.yaml")
        overlay.write_text(yaml.safe_dump(stand_ins(configs, Path(folder))))
        jobs = jobs_in(dry_run([*configs, overlay], folder))
    return Study(jobs, next(job.settings for job in jobs if job.rule == "describe_run"))


def dry_run(configs: Sequence[Path], folder: str) -> str:
    """Return what Snakemake prints of the jobs that it would run in `folder`, profiles left out.

    Raises:
        InputError: with what Snakemake says of the settings, without where in the workflow it says so.
        RuntimeError: if it failed otherwise.
    """
    places = ["--snakefile", str(SOURCE.parent / "Snakefile"), "--directory", folder]
    options = ["-n", "-p", "--cores", str(ALL_CORES), "--profile", "none", "--workflow-profile", "none"]
    options += ["--scheduler", "greedy"]  # the other one solves a linear program: 3 of 10 s for the paper's study
    files = [str(Path(config).resolve()) for config in configs]
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *places, *options, "--configfile", *files],
        env=os.environ | {"PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    text = done.stdout + done.stderr
    if done.returncode:
        refusal = REFUSAL.search(text)
        raise InputError(refusal[1].strip()) if refusal else RuntimeError(text)
    return text


def jobs_in(text: str) -> list[Job]:
    """Return the jobs of a dry run's output that run a step, in the order of the work."""
    jobs = []
    for rule, fields, command in JOB.findall("\n".join(map(str.lstrip, text.splitlines()))):
        named = WILDCARDS.search(fields)
        wildcards = dict(pair.split("=", 1) for pair in named[1].split(", ")) if named else {}
        options = options_of(command)
        settings = json.loads(options["settings"][0]) if "settings" in options else {}
        jobs.append(Job(rule, wildcards, int(options["threads"][0]), settings, options))
    return jobs


def options_of(command: str) -> dict[str, list[str]]:
    """Return {option: its values} of what a step's command says after the step."""
    options: dict[str, list[str]] = {}
    values: list[str] = []
    for word in shlex.split(command):
        if word.startswith("--"):
            values = options.setdefault(word.removeprefix("--"), [])
        else:
            values.append(word)
    return options
