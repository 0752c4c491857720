"""Bytes: what each job leaves on disk and what it holds in memory."""

from collections.abc import Mapping
from typing import Any

import torch

from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.plan.cohort import Cohort, outputs_of
from cmr2ecg.plan.jobs import Job
from cmr2ecg.plan.measure import Line, Rates

FLOAT, LEADS, CHANNELS = 4, 12, 3
ROW, FILE = (
    16.0,
    4096.0,
)  # bytes of a prediction's row in a compressed parquet file (measured: 14 to 20), of any small file
TRAINING_COPIES = 5  # weights, gradient, two moments of AdamW, the best epoch's weights
RESUMED_COPIES = 4  # of these lie in a resume point
SLACK = 1.3  # of activations: what is alive beside them during the backward pass
LIBRARIES = {"torch": None, "light": 150e6}  # bytes of a process that does nothing yet; None: as measured


def recorded_bytes(config: Mapping[str, Any], field: str, image_size: int | None = None) -> float:
    """Return the bytes of one subject's ECG (float32) or image (float16) in the data set, or at another image size."""
    if field == "ecg":
        return float(LEADS * config["clean_ecg"]["samples"] * FLOAT)
    return float(CHANNELS * (image_size or config["crop_cmr"]["size"]) ** 2 * 2)


def weights_of(models: Mapping[str, Any], network: str) -> float:
    """Return the number of weights of "ecg_encoder" or "cmr_encoder", buffers included, without giving them memory."""
    with torch.device("meta"):
        built = cmr_encoder(**models[network]) if network == "cmr_encoder" else EcgEncoder(**models[network])
    return float(sum(value.numel() for value in built.state_dict().values()))


def disk_bytes(job: Job, kind: str, cohort: Cohort, config: Mapping[str, Any], rates: Rates) -> float:
    """Return the bytes a job leaves; `kind` is the training it does, or ""."""
    shards, line = config["shards"], rates.trainings.get(kind)
    if job.step == "simulate_cohort":
        return cohort.files * (rates.raw_bytes["ecg"] + rates.raw_bytes["cmr"])
    if job.step in ("clean_ecg", "crop_cmr"):
        files = cohort.unpaired if job.unpaired else cohort.files
        return files / shards * recorded_bytes(config, job.step.rsplit("_", 1)[-1])
    if job.step.startswith("pretrain_") and line:
        return FLOAT * _kept_weights(kind, job.settings["models"], line)
    if job.step == "select_mmcl":
        return FLOAT * rates.trainings["mmcl"].parameters
    if job.step == "finetune" and line:
        every = job.params.get("keep") and "100"
        return sum(_fit_bytes(fit, job, line, cohort, every) for fit in job.params["fits"])
    if job.step == "probe":
        fits = [fit.split("/") for fit in job.params["fits"]]
        return sum(predicted_bytes(target, job.runs(target, int(fraction)), cohort) for target, fraction in fits)
    if job.step == "train_tabular":
        target, fraction = job.wildcards["target"], int(job.wildcards["fraction"])
        return predicted_bytes(target, job.runs(target, fraction), cohort)
    if job.step == "release":
        return _release_bytes(job, config, rates)
    return 2 * FILE


def predicted_bytes(target: str, seeds: int, cohort: Cohort) -> float:
    """Return the bytes of a fit's predictions: a row for every seed, output and subject of val and test."""
    return FILE + ROW * seeds * outputs_of(target) * (cohort.split["val"] + cohort.split["test"])


def _fit_bytes(fit: str, job: Job, line: Line, cohort: Cohort, every: str | None) -> float:
    """Return the bytes of one fit: predictions twice (all seeds, and each beside it) and the weights that are kept."""
    target, fraction = fit.split("/")
    method = job.settings["method"]
    seeds = job.runs(target, int(fraction))
    kept = {"none": 0, "best": 1, "all": seeds}[method["keep_checkpoints"]]
    weights = FLOAT * line.parameters * (seeds if fraction == every else kept)
    return weights + 2 * predicted_bytes(target, seeds, cohort)


def _kept_weights(kind: str, models: Mapping[str, Any], line: Line) -> float:
    """Return the number of weights that a pre-training writes."""
    if kind == "mmcl":
        return float(line.parameters)
    if kind == "cmr":
        return weights_of(models, "cmr_encoder")
    encoder = weights_of(models, "ecg_encoder")
    return encoder + line.parameters if kind == "mae" else encoder


def _release_bytes(job: Job, config: Mapping[str, Any], rates: Rates) -> float:
    """Return the bytes of a release: every seed's weights of each target, as a graph too, and once more in MLflow."""
    line = rates.trainings.get("finetune_ecg")
    fits, seeds = len(config["finetune"]["targets"]), len(config["finetune"]["seeds"])
    return FLOAT * (line.parameters if line else 0) * fits * seeds * (3 if config["release"]["onnx"] else 2)


def memory_bytes(
    job: Job, kind: str, cohort: Cohort, config: Mapping[str, Any], rates: Rates, torch_used: bool
) -> float:
    """Return the most memory a job holds at once."""
    base = rates.base_bytes if torch_used else LIBRARIES["light"]
    line, fields = rates.trainings.get(kind), _fields(job, kind)
    if not fields:
        return base + _scored_bytes(job, cohort, config)
    held = held_bytes(job, cohort, config, fields)
    if line is None:
        return base + held
    batch = job.settings.get("method", {}).get("batch_size", max(config["sweep"]["grid"]["batch_size"] or [16]))
    activations = SLACK * min(batch, cohort.split["train"]) * line.saved_bytes
    return base + held + activations + TRAINING_COPIES * FLOAT * line.parameters


def held_bytes(job: Job, cohort: Cohort, config: Mapping[str, Any], fields: tuple[str, ...]) -> float:
    """Return the bytes of recordings that a job keeps in memory; those beyond memory_mb are streamed."""
    size = job.settings.get("models", {}).get("cmr_encoder", {}).get("image_size")
    row = sum(recorded_bytes(config, field, size) for field in fields)
    limit = config["memory_mb"] * 1e6
    if job.step.startswith("pretrain"):
        kind = "mae" if fields == ("ecg",) else "mmcl"
        trained = cohort.pretrained_on(kind, job.settings["method"])
        parts = [subjects * row for subjects in (trained, cohort.split["val"])]
        return sum(part for part in parts if part <= limit / 2)
    whole = cohort.subjects * row
    return whole if whole <= limit else 0.0


def _fields(job: Job, kind: str) -> tuple[str, ...]:
    if kind == "mmcl" or job.step == "score_heatmap":
        return ("ecg", "cmr")
    if kind:
        return ("cmr",) if kind.endswith("cmr") else ("ecg",)
    return ()


def _scored_bytes(job: Job, cohort: Cohort, config: Mapping[str, Any]) -> float:
    """Return what the scoring holds: the predictions of one group of phenotypes and each model's influences."""
    if job.step not in ("evaluate", "trace_numbers"):
        return 0.0
    tests = cohort.split["test"]
    models = 2 * len(config["finetune"]["encoders"])
    outputs, seeds = max(map(outputs_of, config["finetune"]["targets"])), len(config["finetune"]["seeds"])
    return models * seeds * (2 * outputs + 1) * tests * 8
