"""Cut the heart out of the middle short-axis slice for one shard of subjects (paper §IV-A).

Outputs: an HDF5 file with `eid` (n,), `cmr` (n, 3, size, size) float16 in [0, 1] (end-systole, end-diastole,
mid-phase), `box` (n, 4), `frames` (n, 3) and `slice` (n,), and a QC table with a verdict on every subject.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cmr2ecg.command import run, start, step_parser
from cmr2ecg.data.crop import crop_heart
from cmr2ecg.data.shards import Field, paths_of, process_shard
from cmr2ecg.ukb.short_axis import read_middle_slice

MEASURES = (
    *("rows", "columns", "row_mm", "column_mm", "slices", "beat_frames", "missing_frames"),
    *("heart_row", "heart_column", "area_es_mm2", "area_ed_mm2"),
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--visits", type=Path, required=True, help="the shard's visits, of index_shard")
    parser.add_argument("--output", type=Path, required=True, help="HDF5 file to write")
    parser.add_argument("--qc", type=Path, required=True, help="QC table to write")
    args = parser.parse_args(argv)
    start(args)
    size = args.settings["size"]
    process_shard(
        paths_of(args.visits, "cmr_path"),
        partial(crop_file, **args.settings),
        fields={
            "cmr": Field((3, size, size), "float16"),
            "box": Field((4,), "float32"),
            "frames": Field((3,), "int16"),
            "slice": Field((), "int16"),
        },
        attributes={
            "channels": ["end-systole", "end-diastole", "mid-phase"],
            "box_mm": args.settings["box_mm"],
        },
        measures=MEASURES,
        output=args.output,
        qc=args.qc,
    )


def crop_file(path: str, *, size: int, box_mm: float, minimum_slices: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the heart image of one zip and what the QC table says about it."""
    cine = read_middle_slice(path, minimum_slices)
    image = crop_heart(cine, size=size, box_mm=box_mm)
    frames, rows, columns = cine.pixels.shape
    values = (
        *(rows, columns, *cine.spacing_mm, cine.slices, frames, cine.missing),
        *(round(value, 1) for value in (*image.centre, *image.areas_mm2)),
    )
    row = {"cmr": image.pixels, "box": image.box, "frames": image.frames, "slice": cine.slice_index}
    return row, dict(zip(MEASURES, values, strict=True))


if __name__ == "__main__":
    run(main)
