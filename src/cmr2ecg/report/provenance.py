"""Where each number of each table comes from: predictions, seeds, settings, code and commit of the models behind it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from cmr2ecg.metrics.predictions import (
    STACKED,
    TABULAR,
    TABULAR_ALONE,
    WITH_TABULAR,
    Key,
    fit_of,
    identify,
)
from cmr2ecg.report.tables.sheet import WHOLE
from cmr2ecg.report.tables.supplements import TABLE_IV
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import sha256 as file_sha256

ORIGIN = ("commit", "code", "inputs", "packages", "device", "precision")
MAPS = "score_heatmap"  # stands for the networks behind its files, where a model would stand
COVARIATES = "covariates"  # stands for covariates.parquet, among the inputs of `evaluate`, behind stacked models


def model_name(key: Key) -> str:
    """Return the folder of a model below the results: finetune/mmcl/cad/100."""
    fit, encoder, target, fraction = key
    return "/".join([fit, *([] if encoder == TABULAR else [encoder]), target, str(fraction)])


def describe_models(predictions: Sequence[Path], results: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Return, for each model, its files with SHA-256, its seeds, a digest of its settings, and its training's origin.

    Raises:
        InputError: if a result.json is no result of a training.
    """
    models = {}
    for path, file in zip(predictions, results, strict=True):
        try:
            result = json.loads(file.read_text())
            models[model_name(identify(path))] = {
                "predictions": str(path),
                "sha256": file_sha256(path),
                "result": str(file),
                "seeds": result.get("seeds", []),
                "n_train": result.get("n_train"),
                "skipped": result.get("skipped", ""),
                "settings": digest_of(result["settings"]),
                **{key: result["provenance"].get(key) for key in ORIGIN},
            }
        except (KeyError, json.JSONDecodeError) as error:
            raise InputError(f"{file}: not a result of a training ({error}); run its step again") from error
    return models


def settings_of(results: Sequence[Path]) -> dict[str, Any]:
    """Return {digest: settings} of all trainings; many share theirs."""
    whole = [json.loads(file.read_text())["settings"] for file in results]
    return {digest_of(settings): settings for settings in whole}


def digest_of(value: Any) -> str:
    """Return a short SHA-256 of a JSON value."""
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def numbers_of(name: str, table: pd.DataFrame, known: Iterable[str]) -> list[dict[str, Any]]:
    """Return one entry a row of a table's csv: its words, its numbers, and the models they were computed from.

    Rows without any number, of models that were not run, are left out.
    """
    known = {*known, MAPS, COVARIATES}
    entries = []
    for row in json.loads(table.to_json(orient="records")):
        words = {key: value for key, value in row.items() if isinstance(value, str)}
        numbers = {key: value for key, value in row.items() if isinstance(value, int | float) and value is not None}
        models = [model for model in dict.fromkeys(models_behind(name, row)) if model in known]
        if models:
            entries.append({"table": name, "row": words, "numbers": numbers, "models": models})
    return entries


def models_behind(name: str, row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the models a row was computed from, by what the row's columns say."""
    if name == "iv_per_phenotype":
        yield from (model_name(("finetune", encoder, row["group"], WHOLE)) for encoder in TABLE_IV)
    elif name in ("heatmap", "retrieval") or row.get("target") == "heatmap":
        yield MAPS
    elif name == "claims":
        for encoder in (row["better"], row["worse"]):
            yield model_name((fit_of(encoder), encoder, row["target"], row["fraction"]))
    else:
        yield from _fits((row["fit"], row["encoder"], row["target"], row["fraction"]))
        if row.get("other_encoder"):
            yield from _fits((row["other_fit"], row["other_encoder"], row["target"], row["fraction"]))


def _fits(key: Key) -> Iterator[str]:
    """Yield the fits that a model was made of: itself, or what a stacked one was fitted on."""
    fit, encoder, target, fraction = key
    if fit != STACKED:
        yield model_name(key)
        return
    if encoder != TABULAR_ALONE:
        yield model_name(("finetune", encoder.removesuffix(WITH_TABULAR), target, fraction))
    yield model_name(("train_tabular", TABULAR, target, fraction))
    yield COVARIATES
