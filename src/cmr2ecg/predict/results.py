"""What is said of each ECG, as JSON and as one wide table."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cmr2ecg.files import atomic, write_json
from cmr2ecg.predict.calibrate import risk_of, spread
from cmr2ecg.predict.records import Record

NOTE = "Research software, not a medical device: no decision about a person may rest on these numbers."


def describe(
    targets: Mapping[str, Any], outputs: Mapping[str, NDArray], prevalences: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return for each of n ECGs its `risks` {disease: risk, std, prevalence} and `phenotypes` {name: value, ..., unit}.

    Args:
        targets: of config.json.
        outputs: target -> (seeds, n, outputs) of the networks.
        prevalences: disease -> another prevalence than the stated one.
    """
    n = next(iter(outputs.values())).shape[1]
    found: list[dict[str, Any]] = [{"risks": {}, "phenotypes": {}} for _ in range(n)]
    for target, about in targets.items():
        if "calibration" in about:
            wanted = prevalences.get(target)
            stated = wanted or about["calibration"]["prevalence"]
            risk, std = risk_of(outputs[target][..., 0], about["calibration"], wanted)
            for entry, r, s in zip(found, risk, std, strict=True):
                entry["risks"][target] = {"risk": float(r), "std": number(s), "prevalence": stated}
            continue
        mean, std = outputs[target].mean(axis=0), spread(outputs[target])
        for column, name in enumerate(about["outputs"]):
            half, unit = about["intervals"][name]["half_width"], about["units"][name]
            for entry, value, s in zip(found, mean[:, column], std[:, column], strict=True):
                bounds = {"low": float(value - half), "high": float(value + half)}
                entry["phenotypes"][name] = {"value": float(value), "std": number(s), **bounds, "unit": unit}
    return found


def number(value: float) -> float | None:
    """Return a number that JSON knows."""
    return float(value) if math.isfinite(value) else None


def entry_of(record: Record, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return one file's entry: what is said of it, or the reason why nothing is."""
    if said is None:
        return {"file": str(record.path), "status": "rejected", "reason": record.reason}
    about = {"heart_rate_bpm": record.heart_rate_bpm, "repairs": record.repairs}
    return {"file": str(record.path), "status": "predicted", **about, **said}


def write(folder: Path, release: Mapping[str, Any], entries: Sequence[Mapping[str, Any]]) -> None:
    """Write predictions.json and predictions.csv."""
    head = {key: release[key] for key in ("name", "cohort", "synthetic")}
    write_json(folder / "predictions.json", {"note": NOTE, "release": head, "ecgs": list(entries)})
    with atomic(folder / "predictions.csv") as partial:
        table(entries).to_csv(partial, index=False, float_format="%.6g")


def table(entries: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a row an ECG: file, status, reason, NAME_risk and NAME_std of diseases, NAME, NAME_low, NAME_high."""
    rows = []
    for entry in entries:
        row = {"file": entry["file"], "status": entry["status"], "reason": entry.get("reason", "")}
        for name, said in entry.get("risks", {}).items():
            row |= {f"{name}_risk": said["risk"], f"{name}_std": said["std"]}
        for name, said in entry.get("phenotypes", {}).items():
            row |= {name: said["value"], f"{name}_low": said["low"], f"{name}_high": said["high"]}
        rows.append(row)
    return pd.DataFrame(rows)


def write_embeddings(path: Path, files: Sequence[Path], embeddings: NDArray[np.float32]) -> None:
    """Write a row a file: parquet with file, e0, e1, ..., or HDF5 with `file` (n,) and `embedding` (n, dim)."""
    if path.suffix == ".parquet":
        columns = pd.DataFrame(embeddings, columns=[f"e{k}" for k in range(embeddings.shape[1])])
        columns.insert(0, "file", [str(file) for file in files])
        with atomic(path) as partial:
            columns.to_parquet(partial, index=False)
        return
    import h5py

    with atomic(path) as partial, h5py.File(partial, "w") as file:
        file["file"] = [str(name) for name in files]
        file["embedding"] = embeddings
