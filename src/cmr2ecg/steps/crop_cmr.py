"""Cut the heart out of the middle short-axis slice for one shard of subjects (paper §IV-A).

Outputs: an HDF5 file with `eid` (n,), `cmr` (n, 3, size, size) float16 in [0, 1] (end-systole, end-diastole and
mid-phase in the order of crop_cmr.channels), `box` (n, 4), `frames` (n, 3) and `slice` (n,), and a QC table with a
verdict on every subject.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from cmr2ecg.cmr.boxes import read_boxes
from cmr2ecg.cmr.crop import Box, crop_heart
from cmr2ecg.cmr.heart import phases_that_may_be_missing
from cmr2ecg.cmr.segmented import segmented_heart
from cmr2ecg.cmr.short_axis import read_middle_slice
from cmr2ecg.cohort.shards import Field, process_shard
from cmr2ecg.cohort.visits import check_still_there, located, named_tables
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.study.settings.recordings import CropCmr
from cmr2ecg.study.settings.validated import step_settings

CHANNELS = {"es": "end-systole", "ed": "end-diastole", "mid": "mid-phase"}
MEASURES = (
    *("rows", "columns", "row_mm", "column_mm", "slices", "beat_frames", "missing_frames"),
    *("heart_row", "heart_column", "area_es_mm2", "area_ed_mm2", "heart_by", "box_by", "notes"),
)

Subject = tuple[str, str, Box | None]  # zip, folder with a segmentation ("" if none), box by hand


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--visits", type=Path, required=True, help="the shard's visits, of index_shard")
    parser.add_argument("--raw", type=Path, help="folders of raw files, where the visits hold names alone")
    parser.add_argument("--boxes", type=Path, nargs="*", default=[], help="csv files with boxes drawn by hand")
    parser.add_argument("--output", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--qc", type=Path, required=True, help="QC table to write")
    args = parser.parse_args(argv)
    start(args)
    settings = step_settings(CropCmr, args.settings)
    size = settings.size
    boxes = read_boxes([*args.boxes, *named_tables(args.raw, "boxes")])
    subjects = subjects_of(args.visits, boxes, args.raw)
    process_shard(
        subjects,
        partial(crop_file, settings=settings),
        fields={
            "cmr": Field((3, size, size), "float16"),
            "box": Field((4,), "float32"),
            "frames": Field((3,), "int16"),
            "slice": Field((), "int16"),
        },
        attributes={
            "channels": [CHANNELS[name] for name in settings.channels],
            "crop": settings.crop,
            "box_mm": settings.box_mm,
        },
        measures=MEASURES,
        output=args.output,
        qc=args.qc,
    )
    check_still_there((path for _, (path, _, _) in subjects), "raw.cmr")


def subjects_of(visits: Path, boxes: dict[int, Box], raw: Path | None = None) -> list[tuple[int, Subject]]:
    """Return eid and files of every subject of a shard, in order of eid; raw: see `located`."""
    table = pd.read_parquet(visits).sort_values("eid")
    files = (located(table, column, raw) for column in ("cmr_path", "segmentation"))
    rows = zip(table["eid"].tolist(), *files, strict=True)
    return [(eid, (path, segmentation, boxes.get(eid))) for eid, path, segmentation in rows]


def crop_file(subject: Subject, settings: CropCmr) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the heart image of one subject and what the QC table says about it.

    A segmentation that cannot be used is noted and the heart is found in the cine.
    """
    path, segmentation, box = subject
    cine = read_middle_slice(path, settings.minimum_slices, settings.minimum_frames, settings.max_missing_frames)
    heart, notes = None, list(cine.notes)
    if segmentation:
        try:
            heart = segmented_heart(segmentation, cine)
        except Rejection as error:
            notes.append(f"segmentation not used: {error.reason}")
    image = crop_heart(
        cine,
        size=settings.size,
        box_mm=settings.box_mm,
        crop=settings.crop,
        fixed_box=dict(settings.fixed_box),
        channels=settings.channels,
        mid_phase=settings.mid_phase,
        end_diastole=settings.end_diastole,
        clip_percentile=settings.clip_percentile,
        box_by_hand=box,
        segmented=heart,
    )
    notes += phases_that_may_be_missing(image.frames, settings.channels, cine.taken)
    frames, rows, columns = cine.pixels.shape
    values = (
        *(rows, columns, *cine.spacing_mm, cine.slices, frames - cine.missing, cine.missing),
        *(round(value, 1) for value in (*image.centre, *image.areas_mm2)),
        "motion" if heart is None else "segmentation",
        settings.crop if box is None else "hand",
        "; ".join(notes),
    )
    shown = [cine.taken[frame] if cine.taken else frame for frame in image.frames]
    row = {"cmr": image.pixels, "box": image.box, "frames": shown, "slice": cine.slice_index}
    return row, dict(zip(MEASURES, values, strict=True))


if __name__ == "__main__":
    run(main)
