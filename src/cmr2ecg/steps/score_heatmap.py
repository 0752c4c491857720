"""Measure MMCL on the test split, against permuted pairs: similarity maps (§III-C), and whether pairs find each other.

retrieval.csv: how often an ECG finds its own subject's image among those of all test subjects, and an image the ECG.
heatmap.csv, where ventricles are known: how far the maps fall on the left ventricle and on infarcts. Subjects whose
ventricle is not known or lies outside the crop are left out and counted in the log. Infarcts are known of simulated
subjects alone. With two models their difference follows. Neither file uses labels.
"""

import argparse
import logging
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.cohort.visits import located
from cmr2ecg.loading.labels import split_eids
from cmr2ecg.loading.paired_data import PairedData
from cmr2ecg.metrics import retrieval
from cmr2ecg.report.inputs import named_inputs
from cmr2ecg.report.maps.cases import places_of
from cmr2ecg.report.maps.heatmap import COARSEST, INFARCT, Scored, difference, score_pairs, summary, table
from cmr2ecg.report.maps.similarity import embed, load_towers
from cmr2ecg.report.maps.ventricle import (
    Cover,
    Lesion,
    planted_infarcts,
    planted_ventricles,
    segmented_ventricles,
)
from cmr2ecg.runtime.command import InputError, run, start, step_parser
from cmr2ecg.runtime.files import atomic

SPLIT = "test"
COARSE = (8, 8)  # places at which to look whether a crop holds the ventricle at all


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--models", nargs="+", required=True, metavar="NAME=PATH", help="networks of pretrain_mmcl")
    parser.add_argument("--dataset", type=Path, required=True)
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--visits", type=Path, required=True, help="visits.parquet of index_cohort")
    parser.add_argument("--raw", type=Path, help="folders of raw files, where the visits hold names alone")
    parser.add_argument("--cmr", type=Path, nargs="+", required=True, help="shards of crop_cmr")
    parser.add_argument("--truth", type=Path, help="truth.parquet of simulate_cohort; left out: segmentations are used")
    parser.add_argument("--memory-mb", type=float, required=True)
    parser.add_argument("--heatmap", type=Path, help="csv file to write, of the maps; left out: only of retrieval")
    parser.add_argument("--retrieval", type=Path, required=True, help="csv file to write, of ECGs and images")
    args = parser.parse_args(argv)
    start(args)
    settings = args.settings

    eids = split_eids(args.split, SPLIT)
    covers, lesions = regions_of(args, eids) if args.heatmap else ({}, {})
    known = np.isin(eids, list(covers))
    chance = {name: settings[name] for name in ("permutations", "seed")}
    found, maps = [], {}
    for name, files in named_inputs(args.models).items():
        towers = load_towers(files, settings["models"])
        data = PairedData(args.dataset, eids, ("ecg", "cmr"), memory_mb=args.memory_mb, image_size=towers.image_size)
        regions, signals, images = embed(towers, data, known, settings["upsample"])
        found += retrieval.summary(name, {"ecg": signals, "cmr": images}, **chance)
        if args.heatmap:
            scored = score_regions(regions, signals[known], eids[known].tolist(), covers, lesions)
            maps[name] = scored, regions.shape[1:3]
    if args.heatmap:
        write(map_table(maps, draws=settings["draws"], **chance), args.heatmap, ["model", "measure"])
    write(retrieval.table(found), args.retrieval, ["model", "direction", "measure"])


def map_table(maps: Mapping[str, tuple[list[Scored], tuple[int, int]]], **chance: int) -> pd.DataFrame:
    """Return the measures of each model's maps, then the differences of two models; note maps that are too coarse.

    Args:
        maps: {model: measures of the ventricle and, where there are infarcts, of these; places down and across}.
        chance: permutations, draws and seed.
    """
    rows = []
    for name, (scored, grid) in maps.items():
        if min(grid) < COARSEST:
            logging.info(
                "%s: a map of %d x %d places is too coarse to tell the heart from its surroundings", name, *grid
            )
        for one in scored:
            rows += summary(name, one, grid, **chance)
    for first, second in combinations(maps, 2):
        for both in zip(maps[first][0], maps[second][0], strict=True):
            rows += difference((first, second), both)
    return table(rows)


def regions_of(args: argparse.Namespace, eids: np.ndarray) -> tuple[dict[int, Cover], dict[int, Lesion]]:
    """Return eid -> the left ventricle of the subjects in whose crop it is known to lie, and eid -> a planted infarct.

    Raises:
        InputError: if the ventricle is known of fewer than two subjects.
    """
    places, visits = places_of(args.cmr, eids), pd.read_parquet(args.visits)
    lesions: dict[int, Lesion] = {}
    if args.truth:
        truth = pd.read_parquet(args.truth)
        covers, lesions = planted_ventricles(truth, visits, places), planted_infarcts(truth, visits, places)
    else:
        files = {column: located(visits, column, args.raw) for column in ("cmr_path", "segmentation")}
        settings = args.settings
        covers = segmented_ventricles(
            visits.assign(**files), places, settings["channels"].index("ed"), settings["read"]
        )
    known = {eid: covers[eid] for eid in eids.tolist() if eid in covers and covers[eid](COARSE).any()}
    logging.info("the left ventricle is known and in the crop of %d of %d %s subjects", len(known), len(eids), SPLIT)
    if len(known) < 2:
        raise InputError(
            f"the left ventricle is known of {len(known)} test subjects, two are needed; see raw.segmentations"
        )
    return known, lesions


def write(result: pd.DataFrame, path: Path, names: list[str]) -> None:
    """Write the table and log each measure, called by its `names`, beside its null."""
    with atomic(path) as partial:
        result.to_csv(partial, index=False)
    known = result.dropna(subset=["null_mean"])
    for words, numbers in zip(known[names].to_numpy(), known[["value", "null_mean", "p"]].to_numpy(), strict=True):
        logging.info("%s: %.4f against %.4f shuffled, p %.4f", ", ".join(words), *numbers)


def score_regions(
    regions: np.ndarray,
    signals: np.ndarray,
    eids: list[int],
    covers: Mapping[int, Cover],
    lesions: Mapping[int, Lesion],
) -> list[Scored]:
    """Return the measures of the ventricle and, where two subjects or more have an infarct in the crop, of infarcts.

    Args:
        regions: (n, height, width, d) unit vectors of image places, in the order of `eids`.
        signals: (n, d) unit vectors of ECGs.
        eids: subjects whose ventricle is known.
        covers, lesions: where ventricles and infarcts lie.
    """
    grid = regions.shape[1:3]
    scored = [score_pairs(regions, signals, np.stack([covers[eid](grid) for eid in eids]))]
    found = {row: [cover(grid) for cover in lesions[eid]] for row, eid in enumerate(eids) if eid in lesions}
    found = {row: pair for row, pair in found.items() if all(part.any() for part in pair)}
    if len(found) >= 2:
        own = list(found)
        inside, remote = (np.stack(parts) for parts in zip(*found.values(), strict=True))
        scored.append(score_pairs(regions[own], signals[own], inside, remote).renamed(INFARCT))
    return scored


if __name__ == "__main__":
    run(main)
