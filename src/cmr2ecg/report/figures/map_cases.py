"""What both halves of figure 6 share: the cases, their files, and both models' networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData, rows_of
from cmr2ecg.report.figures.sheets import read_rows
from cmr2ecg.report.maps.cases import Place, blur, extremeness, occlusion, pick_cases, places_of
from cmr2ecg.report.maps.similarity import Towers, load_towers
from cmr2ecg.runtime.command import InputError

SPLIT = "test"
MODELS = ("mmcl_without_mdm", "mmcl")


@dataclass(frozen=True)
class Case:
    """One subject: kind of case, crop (3, size, size), its height and width in mm, and where it lies in the dataset."""

    kind: str
    eid: int
    crop: np.ndarray
    size_mm: tuple[float, float]


def read_cases(settings: Mapping[str, Any], inputs: Mapping[str, list[Path]]) -> list[Case]:
    """Return the subjects named in the config, then those the rules of `cases` choose from the test split.

    Inputs: dataset, split, cmr and qc (all shards of crop_cmr). Settings: eids, cases (kind -> number), channels, seed.
    Raises InputError if a named subject is not in the dataset; the message counts them.
    """
    (dataset,), (split,) = inputs["dataset"], inputs["split"]
    qc = read_qc(inputs["qc"])
    named = require_known(dataset, settings["eids"])
    eids = np.setdiff1d(split_eids(split, SPLIT), named)
    ventricles = ventricles_of(places_of(inputs["cmr"], eids), qc)
    measures = case_measures(dataset, eids, qc, settings["channels"].index("ed"), ventricles)
    chosen = [("named", eid) for eid in named] + pick_cases(measures, settings["cases"], settings["seed"])
    if not chosen:
        raise InputError("make_figure.cases and make_figure.eids name no subject, so figure 6 would be empty")
    wanted = np.array([eid for _, eid in chosen])
    places, spacing = places_of(inputs["cmr"], wanted), qc.loc[wanted, ["row_mm", "column_mm"]].to_numpy(float)
    crops = read_rows(dataset, "cmr", wanted)
    return [
        Case(kind, eid, crop, tuple(places[eid][0][2:] * step))
        for (kind, eid), crop, step in zip(chosen, crops, spacing, strict=True)
    ]


def require_known(dataset: Path, eids: Sequence[int]) -> list[int]:
    """Return `eids` if all are in the dataset."""
    with h5py.File(dataset) as file:
        absent = len(set(eids) - set(file["eid"][:].tolist()))
    if absent:
        raise InputError(f"make_figure.eids: {absent} of {len(eids)} subjects are not in the dataset; correct the list")
    return list(eids)


def read_qc(paths: Sequence[Path]) -> pd.DataFrame:
    """Return pixel spacing, the left ventricle's place and blood-pool areas of every accepted subject, by eid."""
    columns = ["eid", "status", "row_mm", "column_mm", "heart_row", "heart_column", "area_es_mm2", "area_ed_mm2"]
    table = pd.concat([pd.read_csv(path, usecols=columns) for path in paths])
    return table[table["status"] == "accepted"].set_index("eid")


def ventricles_of(places: Mapping[int, tuple[np.ndarray, np.ndarray]], qc: pd.DataFrame) -> dict[int, Place]:
    """Return row and column of each left ventricle's middle in shares of its crop, from `places_of` and `read_qc`."""
    found = {}
    for eid, (box, _) in places.items():
        row, column = (qc.loc[eid, ["heart_row", "heart_column"]].to_numpy(float) + 0.5 - box[:2]) / box[2:]
        found[eid] = (float(row), float(column))
    return found


def case_measures(
    dataset: Path, eids: np.ndarray, qc: pd.DataFrame, end_diastole: int, ventricles: Mapping[int, Place]
) -> pd.DataFrame:
    """Return eid, occluded, motion and extreme of `eids`; images are read one by one, so that memory stays flat."""
    eids = np.sort(eids)
    with h5py.File(dataset) as file:
        rows = rows_of(file["eid"][:], eids, dataset)
        crops = ((file["cmr"][row], ventricles[int(eid)]) for row, eid in zip(rows, eids, strict=True))
        found = [(occlusion(crop, end_diastole, place), blur(crop, place)) for crop, place in crops]
    table = pd.DataFrame(found, columns=["occluded", "motion"])
    areas = qc.loc[eids, ["area_es_mm2", "area_ed_mm2"]].to_numpy(float)
    return table.assign(eid=eids, extreme=extremeness(areas) if len(eids) else [])


def towers_of(inputs: Mapping[str, list[Path]], models: Mapping[str, Any]) -> dict[str, Towers]:
    """Return the networks of each model that was trained, by name."""
    return {name: load_towers(inputs[name], models) for name in MODELS if inputs.get(name)}


def tensors_of(cases: Sequence[Case], dataset: Path, towers: Towers) -> tuple[Tensor, Tensor]:
    """Return ECGs (n, 12, samples) and images (n, 3, size, size) of the cases, sized as the networks take them."""
    eids = np.array([case.eid for case in cases])
    data = PairedData(dataset, eids, ("ecg", "cmr"), memory_mb=1e6, image_size=towers.image_size)
    batch = data.batch(np.arange(len(eids)))
    return torch.as_tensor(batch["ecg"]).float(), torch.as_tensor(batch["cmr"]).float()


def case_titles(cases: Sequence[Case]) -> list[str]:
    """Return a letter and the kind for each case, such as "A random"; no title tells who it is."""
    return [f"{chr(ord('A') + number % 26)}  {case.kind}" for number, case in enumerate(cases)]


def shared_limit(maps: Sequence[np.ndarray]) -> float:
    """Return the largest absolute similarity of all maps, rounded up to a tenth: one scale for every panel."""
    return max(0.1, float(np.ceil(max(np.abs(values).max() for values in maps) * 10) / 10))
