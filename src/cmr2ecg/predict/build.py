"""Assemble a release from finished fits: each target's networks, calibration and intervals."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from cmr2ecg.metrics.prior import smoothing_of, trained_prevalence_of
from cmr2ecg.predict.calibrate import fit_interval, fit_risk
from cmr2ecg.predict.release import key_of
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.targets import is_regression
from cmr2ecg.tables.phenotypes import phenotype_table
from cmr2ecg.training.checkpoint import read_weights
from cmr2ecg.training.fit.seeds import SeedStore

SPLIT = "val"  # the test split is for the final evaluation only


def describe_target(fit: Path, prevalence: float | None, coverage: float, codes: Sequence[str] = ()) -> dict[str, Any]:
    """Return config.json's entry of one target, or {"skipped": reason} of a fit that was not possible.

    Args:
        fit: the folder of a fine-tuning.
        prevalence: of the disease in the train split; unused for phenotypes.
        coverage: of the phenotypes' intervals.
        codes: ICD-10 prefixes of the disease, if defined by them.
    """
    result = json.loads((fit / "result.json").read_text())
    if result.get("skipped"):
        return {"skipped": result["skipped"]}
    method, target = result["settings"]["method"], result["target"]
    about = {key: result[key] for key in ("outputs", "seeds", "n_train", "fraction")}
    about |= {key: method[key] for key in ("pooling", "evaluation_crops")}
    predictions = pd.read_parquet(fit / "predictions.parquet")
    known = {name: validation(predictions, name) for name in about["outputs"]}
    if not is_regression(target):
        if prevalence is None:
            raise ValueError(f"{target}: a disease needs a prevalence for its calibration")
        trained = smoothing_of(result), trained_prevalence_of(result)
        risk = {"calibration": fit_risk(*known[target], prevalence, *trained)}
        return about | risk | ({"codes": list(codes)} if codes else {})
    units = phenotype_table().set_index("bai_name")["units"]
    intervals = {name: fit_interval(*values, coverage) for name, values in known.items()}
    return about | {
        "units": {name: units[name] for name in about["outputs"]},
        "scale": result["scale"],
        "intervals": intervals,
    }


def validation(predictions: pd.DataFrame, output: str) -> tuple[NDArray, NDArray]:
    """Return y_true (n,) and the seeds' y_score (seeds, n) of the validation subjects, in one order."""
    rows = predictions[(predictions["split"] == SPLIT) & (predictions["output"] == output)]
    scores = rows.set_index(["seed", "eid"])["y_score"].unstack("eid")  # noqa: PD010
    truth = rows.drop_duplicates("eid").set_index("eid")["y_true"].reindex(scores.columns)
    return truth.to_numpy(), scores.to_numpy()


def collect_weights(fit: Path, about: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the weights of every seed of a fit, by the release's names.

    Raises:
        InputError: if a seed's weights are missing.
    """
    found: dict[str, Tensor] = {}
    for seed in about["seeds"]:
        path = SeedStore(fit).weights(seed)
        if not path.exists():
            raise InputError(
                f"{path} is missing: a release needs the weights of every seed; delete {fit / 'result.json'} and "
                "run again with this encoder in release.encoders"
            )
        found |= {f"{key_of(fit.parent.name, seed)}.{name}": value for name, value in read_weights(path).items()}
    return found
