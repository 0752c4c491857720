"""Log a release as an MLflow model, with everything needed to run it elsewhere."""

import io
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from cmr2ecg.predict.onnx_file import example_record
from cmr2ecg.predict.results import NOTE
from cmr2ecg.predict.run import ENCODER_GRAPH, GRAPH
from cmr2ecg.runtime.imports import PACKAGE, SOURCE
from cmr2ecg.runtime.packages import CORE

if TYPE_CHECKING:
    from mlflow import MlflowClient

log = logging.getLogger(__name__)
MODULE = "cmr2ecg.predict.mlflow_model"
NAME = "model"
BESIDE_GRAPH = ("model.safetensors", ENCODER_GRAPH)  # not needed for predictions if there is a graph of the fits


def log_model(folder: Path, config: Mapping[str, Any], registered: str) -> str:
    """Log a release in the active run and register it: its files, this package's code, pinned requirements.

    Args:
        folder: of the release.
        config: of the release.
        registered: name in the registry.

    Returns:
        Its version in the registry.
    """
    import mlflow

    from cmr2ecg.predict.mlflow_model import RATE, signature

    ecg = example_record(config["clean_ecg"]["samples"])
    graph = (folder / GRAPH).exists()
    needed = (*CORE, "mlflow", "pandas", *(() if graph else ("timm", "torch")))
    with TemporaryDirectory() as place:
        data = Path(place, folder.name)
        data.mkdir()
        for path in folder.iterdir():
            if not graph or path.name not in BESIDE_GRAPH:
                (data / path.name).symlink_to(path.resolve())  # MLflow copies its target
        with redirect_stderr(io.StringIO()) as said:
            logged = mlflow.pyfunc.log_model(
                name=NAME,
                loader_module=MODULE,
                data_path=str(data),
                code_paths=[str(SOURCE / PACKAGE)],
                pip_requirements=[f"{name}=={metadata.version(name)}" for name in needed],
                signature=signature(config),
                input_example=(ecg, {RATE: float(config["clean_ecg"]["sampling_rate_hz"])}),
                registered_model_name=registered,
                metadata={"cohort": config["cohort"], "synthetic": config["synthetic"]},
            )
    for line in said.getvalue().splitlines():  # MLflow prints at any log level
        log.info("%s", line)
    return str(logged.registered_model_version)


def description(config: Mapping[str, Any]) -> str:
    """Return the registry's description of a release."""
    drawn = " It was trained on a synthetic cohort of simulated ECGs and hearts." * config["synthetic"]
    return (
        f"Risks and cardiac phenotypes from a 12-lead ECG: the encoder {config['encoder']}, fine-tuned on the cohort"
        f" {config['cohort']}.{drawn} {NOTE} The model card is data/{config['name']}/README.md."
    )


@contextmanager
def active_run(client: "MlflowClient", run_id: str) -> Iterator[None]:
    """Let MLflow's functions write to a run of a client's database, and restore the state afterwards."""
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(client.tracking_uri)
    mlflow.set_registry_uri(client.tracking_uri)
    try:
        with mlflow.start_run(run_id=run_id):
            yield
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
