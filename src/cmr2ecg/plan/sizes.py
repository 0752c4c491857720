"""Bytes: what each job leaves on disk and what it holds in memory."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from timm.models.resnet import ResNet

from cmr2ecg.models.resnet import cmr_encoder
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.plan.cohort import Cohort, outputs_of
from cmr2ecg.plan.jobs import Job
from cmr2ecg.plan.measure import Line, Rates

FLOAT, LEADS, CHANNELS = 4, 12, 3
ROW = 16.0  # bytes of a prediction's row in a compressed parquet file (measured: 14 to 20)
FILE = 4096.0  # of any small file
TRAINING_COPIES = 5  # weights, gradient, two moments of AdamW, the best epoch's weights
RESUMED_COPIES = 4  # of these lie in a resume point
SLACK = 1.3  # of activations: what is alive beside them during the backward pass
LIGHT = 150e6  # bytes of a process without torch that does nothing yet


@dataclass(frozen=True)
class Sizes:
    """Bytes of a study's jobs, from all its settings, the sizes of its cohort and what was measured."""

    config: Mapping[str, Any]
    cohort: Cohort
    rates: Rates

    def disk(self, job: Job, kind: str) -> float:
        """Return the bytes a job leaves; `kind` is the training it does, or ""."""
        if job.step == "simulate_cohort":
            return self.cohort.files * sum(self.rates.raw_bytes.values())
        if job.step in ("clean_ecg", "crop_cmr"):
            files = self.cohort.unpaired if job.unpaired else self.cohort.files
            return files / self.config["shards"] * self.recorded(job.step.rsplit("_", 1)[-1])
        if job.step.startswith("pretrain_"):
            return FLOAT * _kept_weights(kind, job.settings["models"], self.rates.trainings[kind])
        if job.step == "select_mmcl":
            return FLOAT * self.rates.trainings["mmcl"].parameters
        if job.step == "finetune":
            return self._fits(job, self.rates.trainings[kind])
        if job.step in ("probe", "train_tabular"):
            return sum(self.predicted(target, runs) for target, _, runs in job.fits)
        return self._release() if job.step == "release" else 2 * FILE

    def memory(self, job: Job, kind: str, torch_used: bool) -> float:
        """Return the most memory a job holds at once."""
        base = self.rates.base_bytes if torch_used else LIGHT
        line, fields = self.rates.trainings.get(kind), fields_of(job, kind)
        if not fields:
            return base + self._scored(job)
        base += self.held(job, fields)
        if line is None:
            return base
        method, grid = job.settings.get("method", {}), self.config["sweep"]["grid"]
        batch = min(method.get("batch_size", max(grid["batch_size"] or [16])), self.cohort.split["train"])
        return base + SLACK * batch * line.saved_bytes + TRAINING_COPIES * FLOAT * line.parameters

    def held(self, job: Job, fields: tuple[str, ...]) -> float:
        """Return the bytes of recordings that a job keeps in memory; those beyond memory_mb are streamed."""
        size = job.settings.get("models", {}).get("cmr_encoder", {}).get("image_size")
        row = sum(self.recorded(field, size) for field in fields)
        limit = self.config["memory_mb"] * 1e6
        if job.step.startswith("pretrain"):
            trained = self.cohort.pretrained_on("mae" if fields == ("ecg",) else "mmcl", job.settings["method"])
            parts = [subjects * row for subjects in (trained, self.cohort.split["val"])]
            return sum(part for part in parts if part <= limit / 2)
        whole = self.cohort.subjects * row
        return whole if whole <= limit else 0.0

    def recorded(self, field: str, image_size: int | None = None) -> float:
        """Return the bytes of a subject's ECG (float32) or image (float16), of the data set's size or another."""
        if field == "ecg":
            return float(LEADS * self.config["clean_ecg"]["samples"] * FLOAT)
        return float(CHANNELS * (image_size or self.config["crop_cmr"]["size"]) ** 2 * 2)

    def predicted(self, target: str, seeds: int) -> float:
        """Return the bytes of a fit's predictions: a row for every seed, output and subject of val and test."""
        return FILE + ROW * seeds * outputs_of(target) * (self.cohort.split["val"] + self.cohort.split["test"])

    def _fits(self, job: Job, line: Line) -> float:
        """Return the bytes of fits: predictions twice (all seeds, and each beside it) and the weights that are kept."""
        every = "".join(job.options.get("keep-every-seed", ()))
        total = 0.0
        for target, fraction, runs in job.fits:
            kept = {"none": 0, "best": 1, "all": runs}[job.settings["method"]["keep_checkpoints"]]
            weights = runs if str(fraction) == every else kept
            total += FLOAT * line.parameters * weights + 2 * self.predicted(target, runs)
        return total

    def _release(self) -> float:
        """Return the bytes of a release: the weights of each target and seed, as a graph too, and again in MLflow."""
        line, finetune = self.rates.trainings.get("finetune_ecg"), self.config["finetune"]
        weights = (line.parameters if line else 0) * len(finetune["targets"]) * len(finetune["seeds"])
        return FLOAT * weights * (3 if self.config["release"]["onnx"] else 2)

    def _scored(self, job: Job) -> float:
        """Return what the scoring holds: the predictions of one group of phenotypes and each model's influences."""
        if job.step not in ("evaluate", "trace_numbers"):
            return 0.0
        finetune = self.config["finetune"]
        models, outputs = 2 * len(finetune["encoders"]), max(map(outputs_of, finetune["targets"]))
        return models * len(finetune["seeds"]) * (2 * outputs + 1) * self.cohort.split["test"] * 8


def fields_of(job: Job, kind: str) -> tuple[str, ...]:
    """Return which recordings a job reads into memory."""
    if kind == "mmcl" or job.step == "score_heatmap":
        return ("ecg", "cmr")
    if kind:
        return ("cmr",) if kind.endswith("cmr") else ("ecg",)
    return ()


def features_of(models: Mapping[str, Any], network: str) -> int:
    """Return the number of features that an encoder gives a linear model."""
    if network == "cmr_encoder":
        return _image_encoder(json.dumps(models[network])).num_features
    return models[network]["dim"]


def _kept_weights(kind: str, models: Mapping[str, Any], line: Line) -> float:
    """Return the number of weights that a pre-training writes, buffers included."""
    if kind == "mmcl":
        return line.parameters
    network, built = ("cmr_encoder", _image_encoder) if kind == "cmr" else ("ecg_encoder", _ecg_encoder)
    state = built(json.dumps(models[network])).state_dict()
    return sum(value.numel() for value in state.values()) + (line.parameters if kind == "mae" else 0)


@cache
def _image_encoder(sizes: str) -> ResNet:
    """Return an image encoder of these sizes (JSON), without giving its weights memory."""
    with torch.device("meta"):
        return cmr_encoder(**json.loads(sizes))


@cache
def _ecg_encoder(sizes: str) -> EcgEncoder:
    """Return an ECG encoder of these sizes (JSON), without giving its weights memory."""
    with torch.device("meta"):
        return EcgEncoder(**json.loads(sizes))
