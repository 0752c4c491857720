"""How well the heart, its ventricle and end-systole are found on synthetic subjects whose truth is known.

`python -m cmr2ecg.benchmarks.heart_accuracy` prints the table of docs/raw_data.md. Its subjects are not those on which
the method was built.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.data.crop import crop_heart
from cmr2ecg.simulate.cine import render
from cmr2ecg.simulate.geometry import Motion, move
from cmr2ecg.simulate.subject import draw_person
from cmr2ecg.ukb.rejection import Rejection
from cmr2ecg.ukb.short_axis import Cine

SEED = 4711
CENTRE_MM, FRAMES_OFF = 8.0, 1


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the shares that pass, and the worst subjects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=200)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--place", type=float, default=0.5, help="slice looked at: 0 base, 0.5 middle, 1 apex")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--matrix", type=int, default=208)
    args = parser.parse_args(argv)
    found = measure(args.subjects, args.seed, args.place, frames=args.frames, matrix=args.matrix)
    for name, share in shares(found).items():
        sys.stdout.write(f"{name:40} {share:7.1%}\n")
    worst = found.sort_values(["found", "centre_mm"], ascending=[True, False]).head(5)
    sys.stdout.write(f"\n{found.describe().round(2)}\n\nworst\n{worst.round(1)}\n")


def measure(subjects: int, seed: int, place: float = 0.5, **changes: Any) -> pd.DataFrame:
    """Return one row a subject: found, centre_mm (distance from truth), inside (LV in the crop), es_off (frames).

    Args:
        subjects, seed: which synthetic subjects.
        place: slice as a share of the stack, 0.5 for the middle one.
        changes: settings of simulate_cohort that differ from the paper's.
    """
    settings = paper_settings()
    simulated = {**settings["simulate_cohort"], "seed": seed, **changes}
    cines = _cines(subjects, simulated, place)
    return pd.DataFrame([_row(cine, centre, motion, settings) for cine, centre, motion in cines])


def shares(found: pd.DataFrame) -> dict[str, float]:
    """Return the share of subjects that pass each target; a heart that was not found passes none."""
    return {
        "heart found": float(found["found"].mean()),
        f"centre within {CENTRE_MM:g} mm": float((found["centre_mm"] <= CENTRE_MM).mean()),
        "whole left ventricle inside the crop": float(found["inside"].mean()),
        f"end-systole within {FRAMES_OFF} frame": float((found["es_off"] <= FRAMES_OFF).mean()),
    }


def _cines(subjects: int, settings: dict[str, Any], place: float) -> Iterator[tuple[Cine, np.ndarray, Motion]]:
    """Yield one slice of each subject, the true centre (row, column) and the true motion."""
    for subject in range(subjects):
        person = draw_person(settings, subject)
        rng = np.random.default_rng([settings["seed"], subject])
        slices = max(settings["slices"] + int(rng.choice([-1, 0, 0, 1])), 3)
        motion = move(person.heart_image, slices, settings["frames"], rng)
        index, size = min(int(place * slices), slices - 1), (settings["matrix"], float(settings["field_of_view_mm"]))
        drawn = render(motion, person.heart_image, *size, rng, only=index)
        spacing = (drawn.pixel_spacing_mm, drawn.pixel_spacing_mm)
        yield Cine(drawn.volume[0], spacing, index, slices, 0), drawn.centres[index], motion


def _row(cine: Cine, centre: np.ndarray, motion: Motion, settings: dict[str, Any]) -> dict[str, Any]:
    choices = settings["crop_cmr"]
    try:
        image = crop_heart(cine, size=choices["size"], box_mm=choices["box_mm"])
    except Rejection:
        return {"found": False, "centre_mm": np.inf, "inside": False, "es_off": np.inf}
    frames, step = len(cine.pixels), cine.spacing_mm[0]
    radius = float(motion.outer[cine.slice_index].max()) / step
    low = np.array(image.box[:2])
    inside = (centre + 0.5 - radius >= low).all() and (centre + 0.5 + radius <= low + image.box[2]).all()
    off = abs(image.frames[0] - motion.es_frame)
    away = float(np.hypot(*(image.centre - centre))) * step
    return {"found": True, "centre_mm": away, "inside": bool(inside), "es_off": min(off, frames - off)}


if __name__ == "__main__":
    main()
