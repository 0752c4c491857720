"""Write trainings and a report's files into an MLflow database, idempotently.

MLflow's SQLite store takes one writer at a time, so trainings write files and one step imports them here.
"""

import json
import logging
import os
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from cmr2ecg.predict.release import SUMS, read_config
from cmr2ecg.runtime.files import atomic
from cmr2ecg.runtime.files import sha256 as file_sha256
from cmr2ecg.runtime.imports import code_digest
from cmr2ecg.tracking.database import check_database, explain_version
from cmr2ecg.tracking.moved_runs import follow_files
from cmr2ecg.tracking.release_model import MODULE, active_run, description, log_model
from cmr2ecg.tracking.training_runs import TrainingRun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import DatasetInput, Run


# The web page shows training runs first for this kind of experiment, otherwise chat traces.
KIND = {"mlflow.experimentKind": "custom_model_development"}


class Tracker:
    """An MLflow database in one SQLite file; runs are identified by their tag `output`, the folder they wrote.

    Unchanged runs are kept, changed ones replaced (`mlflow gc` frees the space of replaced runs).
    """

    def __init__(self, database: Path, artifact_root: Path, cohort: str) -> None:
        """Open the database, or create it. Experiments are named cohort/stage, files are below artifact_root."""
        check_database(database)
        follow_files(database, artifact_root, cohort)
        self._client = _open(database)
        self._artifact_root = artifact_root
        self._cohort = cohort
        self._known: dict[str, dict[str, Run]] = {}

    def add_sweep(self, parent: TrainingRun, trials: Sequence[TrainingRun]) -> None:
        """Store a sweep and, as child runs, its trials; trials of an older version of the sweep are deleted."""
        wanted = {trial.output for trial in trials}
        self._experiment(f"{self._cohort}/{parent.stage}")
        known = self._known[f"{self._cohort}/{parent.stage}"]
        for output in [name for name in known if name.startswith(f"{parent.output}#") and name not in wanted]:
            self._client.delete_run(known.pop(output).info.run_id)
        self.add_training(parent)
        for trial in trials:
            self.add_training(trial, parent=known[parent.output].info.run_id)

    def add_training(self, run: TrainingRun, parent: str | None = None) -> None:
        """Store a training with its parameters, curves by epoch, numbers and tags.

        parent: id of the parent run; a run whose parent was replaced is replaced too.
        """
        from mlflow.entities import Metric, Param, RunTag

        end = int(run.finished_at * 1000)
        start = end - int(run.numbers.get("wall_seconds", run.numbers.get("training_seconds", 0)) * 1000)
        run_id = self._create(run.stage, run.name, run.output, run.digest() + (parent or ""), start)
        if run_id is None:
            return
        last = max((epoch for _, epoch, _ in run.curves), default=0)
        # The web page lists metrics in this order: the test result first, the curves of single seeds last.
        metrics = [Metric(name, value, end, last) for name, value in run.numbers.items()]
        metrics += [Metric(name, value, end, epoch) for name, epoch, value in run.curves]
        self._client.log_batch(
            run_id,
            metrics=metrics,
            params=[Param(key, value) for key, value in run.parameters.items()],
            tags=[RunTag(key, value) for key, value in run.tags.items()]
            + [RunTag("mlflow.source.git.commit", run.tags["commit"])]
            + ([RunTag("mlflow.parentRunId", parent)] if parent else []),
        )
        self._client.log_inputs(run_id, [dataset_input(*about) for about in run.datasets])
        self._client.set_terminated(run_id, end_time=end)

    def add_report(self, name: str, output: str, files: Sequence[Path]) -> None:
        """Store tables and figures as the artifacts of one run."""
        digest = sha256("".join(file.name + file_sha256(file) for file in sorted(files)).encode()).hexdigest()
        run_id = self._create("report", name, output, digest, start=None)
        if run_id is None:
            return
        for file in files:
            self._client.log_artifact(run_id, str(file))
        self._client.set_terminated(run_id)

    def add_release(self, folder: Path) -> None:
        """Store a release as a model that `mlflow models predict` runs, and register it as cmr2ecg-COHORT-NAME.

        A release that has changed becomes a new version of the registered model.
        """
        from mlflow.entities import RunTag

        config, sums = read_config(folder), file_sha256(folder / SUMS)
        digest = sha256((sums + code_digest(MODULE)).encode()).hexdigest()
        run_id = self._create("release", config["name"], str(folder), digest, start=None)
        if run_id is None:
            return
        name = f"cmr2ecg-{self._cohort}-{config['name']}"
        with active_run(self._client, run_id):
            version = log_model(folder, config, name)
        self._client.update_model_version(name, version, description=description(config))
        self._client.log_batch(run_id, tags=[RunTag("SHA256SUMS", sums)])
        self._client.set_terminated(run_id)

    def counts(self) -> dict[str, int]:
        """Return the number of runs in each experiment that was written to."""
        return {name: len(runs) for name, runs in sorted(self._known.items())}

    def _create(self, stage: str, name: str, output: str, digest: str, start: int | None) -> str | None:
        """Return the id of a new run that replaces an older one, or None if that is unchanged."""
        experiment = f"{self._cohort}/{stage}"
        experiment_id = self._experiment(experiment)
        older = self._known[experiment].get(output)
        if older and older.data.tags.get("digest") == digest and older.info.status == "FINISHED":
            return None
        if older:
            self._client.delete_run(older.info.run_id)
        tags = {"output": output, "digest": digest}
        run = self._client.create_run(experiment_id, start_time=start, tags=tags, run_name=name)
        self._known[experiment][output] = run
        return run.info.run_id

    def _experiment(self, name: str) -> str:
        """Return the id of an experiment, created or restored if needed, and list its runs on first use."""
        found = self._client.get_experiment_by_name(name)
        if found is None:
            location = (self._artifact_root / name).resolve().as_uri()
            experiment_id = self._client.create_experiment(name, artifact_location=location, tags=KIND)
        else:
            experiment_id = found.experiment_id
            if found.lifecycle_stage == "deleted":
                self._client.restore_experiment(experiment_id)
        if name not in self._known:
            self._known[name] = {run.data.tags.get("output", ""): run for run in self._runs(experiment_id)}
        return experiment_id

    def _runs(self, experiment_id: str) -> list["Run"]:
        runs: list[Run] = []
        token = None
        while True:
            page = self._client.search_runs([experiment_id], max_results=1000, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs


def dataset_input(role: str, path: str, digest: str) -> "DatasetInput":
    """Return a file that a training read as an MLflow data set: its name, role and SHA-256."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    source = json.dumps({"uri": path})
    dataset = Dataset(name=Path(path).name, digest=digest[:36], source_type="local", source=source)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", role)])


def _open(database: Path) -> "MlflowClient":
    """Return a client of a SQLite file, created under a temporary name, as an incomplete one cannot be repaired."""
    if not database.exists():
        with atomic(database) as partial:
            _client(partial)
    try:
        return _client(database)
    except Exception as error:
        if explained := explain_version(database, error):
            raise explained from error
        raise


def _client(database: Path) -> "MlflowClient":
    """Return a client; MLflow creates the tables, and reads its telemetry switch at import."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    from mlflow import MlflowClient

    for noisy in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    uri = f"sqlite:///{database.resolve()}"
    return MlflowClient(tracking_uri=uri, registry_uri=uri)
