"""The jobs of a whole study, from Snakemake's own dry run, so that they cannot drift from the rules.

Snakemake reads the Snakefile in an empty folder, as if nothing had run yet. Raw files need not be there: lists with one
made-up path stand in for them, since the number of jobs does not depend on the number of subjects.
"""

import json
import logging
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.study.config_file import read_config
from cmr2ecg.study.encoders import DRAWN
from cmr2ecg.training.fit.runs import planned_runs

SNAKEFILE = SOURCE.parent / "Snakefile"
ALL_CORES = 100_000  # so that a job keeps the threads its rule asks for
ONCE_AN_ENCODER = re.compile(r"(finetune|probe)_.+")  # rules that exist once an encoder


@dataclass(frozen=True)
class Job:
    """One job: its rule, what its wildcards are, the cores it takes, and what its step is told.

    settings: the JSON of --settings. params: the rule's other parameters that are plain values.
    """

    rule: str
    wildcards: Mapping[str, str]
    threads: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def step(self) -> str:
        """The step that does the work: the rule without the encoder it is for."""
        return ONCE_AN_ENCODER.sub(r"\1", self.rule)

    @property
    def unpaired(self) -> bool:
        """Whether it cleans a shard of ECGs without a CMR."""
        return str(self.wildcards.get("shard", "")).endswith(".unpaired")

    @property
    def encoder(self) -> str:
        """The encoder that is fitted, or ""."""
        return str(self.wildcards.get("encoder") or self.params.get("encoder") or "")

    def runs(self, target: str, fraction: int) -> int:
        """Return how often a job of the steps finetune, probe or train_tabular fits a target on a fraction."""
        method = self.settings["method"]
        if self.step == "probe":
            seeds = method["random_seeds"] if self.encoder in DRAWN else method["random_seeds"][:1]
        else:
            seeds = method["seeds"]
        return len(planned_runs(seeds, self.settings, fraction))


@dataclass(frozen=True)
class Study:
    """All jobs of a study, and its settings after the overlays."""

    jobs: Sequence[Job]
    config: Mapping[str, Any]


def study_of(configs: Sequence[Path]) -> Study:
    """Return all jobs of a study from its raw files to the last table.

    Args:
        configs: config files laid over config/paper.yaml, the last one on top.

    Raises:
        InputError: if the settings cannot be used; says which.
    """
    from snakemake.exceptions import WorkflowError

    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder, "overlay.yaml")
        overlay.write_text(yaml.safe_dump(stand_ins([*configs], Path(folder))))
        try:
            return read_dag([*configs, overlay], Path(folder))
        except WorkflowError as error:
            raise InputError(str(error)) from error


def stand_ins(configs: Sequence[Path], folder: Path) -> dict:
    """Return settings that put empty files into the place of raw files and imported weights, and write those files."""
    given: dict[str, Any] = {}
    for config in configs:
        given |= read_config(config)
    empty = folder / "empty"
    empty.write_text("")
    weights = {name: str(empty) for name, path in (given.get("init") or {}).items() if path}
    overlay: dict[str, Any] = {"init": weights} if weights else {}
    if (given.get("simulate_cohort") or {}).get("enabled"):
        return overlay
    for kind, name in (("ecg", "9000001_20205_2_0.xml"), ("cmr", "9000001_20209_2_0.zip")):
        (folder / f"{kind}.txt").write_text(name + "\n")
    raw = given.get("raw") or {}
    overlay["raw"] = {
        **{kind: [str(folder / f"{kind}.txt")] for kind in ("ecg", "cmr")},
        "tabular": [str(empty)],
        "withdrawn": [],
        "excluded": [],
        "segmentations": [str(empty)] if raw.get("segmentations") else [],
        "boxes": [],
    }
    return overlay


@contextmanager
def at_home() -> Iterator[None]:
    """Put back the working folder and the environment, which reading a Snakefile changes."""
    folder, environment = Path.cwd(), dict(os.environ)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)


def read_dag(configs: Sequence[Path], folder: Path) -> Study:
    """Return the jobs that Snakemake would run in `folder`, where nothing has run."""
    from snakemake.api import SnakemakeApi
    from snakemake.settings.enums import Quietness
    from snakemake.settings.types import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings

    files = [Path(config).resolve() for config in configs]
    quietly = OutputSettings(quiet={Quietness.ALL}, dryrun=True, log_level_override=logging.ERROR)
    with at_home(), SnakemakeApi(quietly) as api:
        workflow_api = api.workflow(
            resource_settings=ResourceSettings(cores=ALL_CORES),
            config_settings=ConfigSettings(configfiles=files),
            snakefile=SNAKEFILE,
            workdir=folder,
        )
        workflow_api.dag(DAGSettings())
        workflow = workflow_api._workflow  # the one way to the jobs themselves; `--summary` goes it too
        workflow.dag_settings = DAGSettings()
        workflow._prepare_dag(forceall=False, ignore_incomplete=True, lock_warn_only=True)
        workflow._build_dag()
        jobs = [job_of(job) for job in workflow.dag.jobs if job.rule.name != "all"]
        return Study(jobs, dict(workflow.config))


def job_of(job: Any) -> Job:
    """Return what the estimate needs of a job of Snakemake's."""
    named = {name: job.params.get(name) for name in list(job.params.keys())}
    text = named.pop("settings", None)
    plain = {name: _plain(value) for name, value in named.items()}
    wildcards = {name: str(value) for name, value in (job.wildcards_dict or {}).items()}
    return Job(job.rule.name, wildcards, int(job.threads), json.loads(text) if text else {}, plain)


def _plain(value: Any) -> Any:
    return [str(item) for item in value] if isinstance(value, list | tuple) else value
