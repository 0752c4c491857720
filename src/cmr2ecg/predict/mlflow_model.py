"""A release as an MLflow model: what `mlflow models predict` and `mlflow models serve` run.

MLflow imports this module by its name (a pyfunc's `loader_module`), so that nothing is pickled.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cmr2ecg.predict.reading import record_of_array
from cmr2ecg.predict.records import Record, Source, cleaned_of, usable
from cmr2ecg.predict.release import read_config
from cmr2ecg.predict.results import columns, describe, entry_of, values_of
from cmr2ecg.predict.run import BATCH, load_networks

if TYPE_CHECKING:
    from mlflow.models import ModelSignature

RATE = "sampling_rate_hz"
TEXTS = ("status", "reason")


class ReleaseModel:
    """The networks of a release, from ECGs in mV to a row of risks and phenotypes each."""

    def __init__(self, folder: Path) -> None:
        self.config, self.networks = read_config(folder), load_networks(folder)

    def predict(self, model_input: np.ndarray, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """Return the columns of predictions.csv, without `file`, for ECGs (n, 12, samples) in mV.

        An ECG that cannot be used has the status "rejected", a reason, and no numbers.

        Args:
            model_input: leads in the order I II III aVR aVL aVF V1 ... V6; masked values are missing.
            params: `sampling_rate_hz`, by default that of the release.

        Raises:
            ValueError: if these are not such ECGs, or the rate is invalid.
        """
        rate = (params or {}).get(RATE)
        rate = float(self.config["clean_ecg"]["sampling_rate_hz"] if rate is None else rate)
        if not 0 < rate < math.inf:
            raise ValueError(f"{RATE} {rate:g}: expected samples per second, such as 500")
        source = Source(self.config["clean_ecg"], rate, "mV", keep_signal=False)
        records = [record_of_array(ecg, source) for ecg in ecgs_of(model_input)]
        rows = [row for k in range(0, len(records), BATCH) for row in self._rows(records[k : k + BATCH])]
        kinds = {name: str if name in TEXTS else float for name in self.columns}
        return pd.DataFrame(rows, columns=self.columns).astype(kinds)

    @property
    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return columns(self.config["targets"])[1:]

    def _rows(self, records: list[Record]) -> list[dict[str, Any]]:
        good = usable(records)
        said = iter(describe(self.config["targets"], self.networks(cleaned_of(good)), {}) if good else ())
        return [values_of(entry_of(record, None if record.reason else next(said))) for record in records]


def ecgs_of(model_input: Any) -> np.ndarray:
    """Return ECGs (n, 12, samples) as float64, with NaN for masked values.

    Raises:
        ValueError: if it is anything else.
    """
    wanted = "expected ECGs (n, 12, samples) in mV, one as (1, 12, samples)"
    try:
        ecgs = np.ma.filled(np.ma.asarray(model_input).astype(np.float64), np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{wanted}, all of one length ({error})") from error
    if ecgs.ndim != 3:
        raise ValueError(f"{wanted}, not {' x '.join(map(str, ecgs.shape)) or 'one number'}")
    return ecgs


def signature(config: Mapping[str, Any]) -> "ModelSignature":
    """Return the MLflow signature of a release with these settings."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec

    outputs: list[ColSpec | TensorSpec] = [
        ColSpec("string", name) if name in TEXTS else ColSpec("double", name, required=False)
        for name in columns(config["targets"])[1:]
    ]
    return ModelSignature(
        inputs=Schema([TensorSpec(np.dtype(np.float32), (-1, 12, -1))]),
        outputs=Schema(outputs),
        params=ParamSchema([ParamSpec(RATE, "double", float(config["clean_ecg"]["sampling_rate_hz"]))]),
    )


def _load_pyfunc(path: str) -> ReleaseModel:
    """Return the model in a folder: MLflow's way to load it."""
    return ReleaseModel(Path(path))
