"""The results of each ECG, as JSON and as one wide table, without pandas, whose import takes a second."""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from cmr2ecg.metrics.seeds import std_over_seeds
from cmr2ecg.predict.calibrate import risk_of
from cmr2ecg.predict.records import Record, shown
from cmr2ecg.runtime.files import atomic

FORMULA = (*"=+-@\t\r\n", *"＝＋－＠")  # the latter are their full-width forms
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
        mean, std = outputs[target].mean(axis=0), std_over_seeds(outputs[target])
        for column, name in enumerate(about["outputs"]):
            half, unit = about["intervals"][name]["half_width"], about["units"][name]
            for entry, value, s in zip(found, mean[:, column], std[:, column], strict=True):
                bounds = {"low": float(value - half), "high": float(value + half)}
                entry["phenotypes"][name] = {"value": float(value), "std": number(s), **bounds, "unit": unit}
    return found


def number(value: float) -> float | None:
    """Return a number valid in JSON."""
    return float(value) if math.isfinite(value) else None


def entry_of(record: Record, said: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return one file's entry: its results, or the reason of its rejection."""
    if said is None:
        return {"file": shown(record.path), "status": "rejected", "reason": record.reason}
    about = {"heart_rate_bpm": record.heart_rate_bpm, "repairs": record.repairs}
    return {"file": shown(record.path), "status": "predicted", **about, **said}


@contextmanager
def open_predictions(folder: Path, release: Mapping[str, Any]) -> Iterator[Callable[[str, Sequence[str]], None]]:
    """Yield a function that adds the text and the cells of `written` to predictions.json and predictions.csv.

    Entries are written as they come, so that memory does not grow with their number; the complete files appear when
    the block ends without an error.

    Args:
        folder: where they appear.
        release: config.json.
    """
    head = {"note": NOTE, "release": {key: release[key] for key in ("name", "cohort", "synthetic")}}
    marks = chain(["\n    "], repeat(",\n    "))
    with (
        atomic(folder / "predictions.json") as json_path,
        atomic(folder / "predictions.csv") as csv_path,
        open(json_path, "w", encoding="utf-8") as file,
        open(csv_path, "w", encoding="utf-8", newline="") as text,
    ):
        table = csv.writer(text, lineterminator="\n")
        table.writerow(columns(release["targets"]))
        file.write(json.dumps(head, indent=2).removesuffix("\n}") + ',\n  "ecgs": [')

        def add(said: str, cells: Sequence[str]) -> None:
            file.write(next(marks) + said)
            table.writerow(cells)

        yield add
        file.write("\n  ]\n}\n")


def written(entry: Mapping[str, Any], names: Sequence[str]) -> tuple[str, list[str]]:
    """Return an entry as it is in predictions.json, and its cells of predictions.csv in the columns `names`."""
    row = row_of(entry)
    text = json.dumps(entry, indent=2, allow_nan=False).replace("\n", "\n    ")
    return text, [row.get(name, "") for name in names]


def columns(targets: Mapping[str, Any]) -> list[str]:
    """Return the columns of predictions.csv: the file's, NAME_risk and NAME_std, NAME, NAME_low and NAME_high."""
    found = ["file", "status", "reason"]
    found += [f"{name}_{what}" for name, about in targets.items() if "calibration" in about for what in ("risk", "std")]
    names = [name for about in targets.values() if "calibration" not in about for name in about["outputs"]]
    return found + [name + what for name in names for what in ("", "_low", "_high")]


def row_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return one entry's cells of predictions.csv by column; numbers have six digits."""
    said = {"file": entry["file"], **values_of(entry)}
    return {name: harmless(value) if isinstance(value, str) else cell(value) for name, value in said.items()}


def values_of(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return one entry's values by column, without the file."""
    row = {"status": entry["status"], "reason": entry.get("reason", "")}
    for name, said in entry.get("risks", {}).items():
        row |= {f"{name}_risk": said["risk"], f"{name}_std": said["std"]}
    for name, said in entry.get("phenotypes", {}).items():
        row |= {name: said["value"], f"{name}_low": said["low"], f"{name}_high": said["high"]}
    return row


def cell(value: float | None) -> str:
    """Return a number as the table shows it."""
    return "" if value is None else f"{value:.6g}"


def harmless(text: str) -> str:
    """Return a text prefixed by an apostrophe if a spreadsheet would run it as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
