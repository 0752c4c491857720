"""How well the heart, its ventricle and end-systole are found on synthetic subjects whose truth is known.

`PYTHONPATH=src:tests python tests/cmr/heart_accuracy.py` prints the table of docs/raw_data.md. Its subjects are not
those on which the method was built.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from paper_settings import altered, paper_settings

from cmr2ecg.cmr.crop import Box, HeartImage, crop_heart
from cmr2ecg.cmr.short_axis import Cine
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.simulate.cine import render
from cmr2ecg.simulate.geometry import THETA, Motion, move
from cmr2ecg.simulate.subject import draw_person
from cmr2ecg.simulate.torso import BLOOD, FAT
from cmr2ecg.study.settings.cohort import SimulateCohort

SEED = 4711
CENTRE_MM, FRAMES_OFF, MARGIN_MM = 8.0, 1, 5.0
CRESCENT_MM = 1.0  # where the right ventricle is thinner than this it is not there


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the shares that pass, and the worst subjects."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=200)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--place", type=float, default=0.5, help="slice looked at: 0 base, 0.5 middle, 1 apex")
    parser.add_argument(
        "--right-mm", type=float, help="largest width of every right ventricle, from septum to free wall"
    )
    parser.add_argument("--fat", type=float, default=FAT, help=f"brightness of fat; blood has {BLOOD:g}")
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--matrix", type=int, default=208)
    args = parser.parse_args(argv)
    look = {"right_mm": args.right_mm, "fat": args.fat}
    found = measure(args.subjects, args.seed, args.place, **look, frames=args.frames, matrix=args.matrix)
    for name, share in shares(found).items():
        sys.stdout.write(f"{name:40} {share:7.1%}\n")
    worst = found.sort_values(["found", "centre_mm"], ascending=[True, False]).head(5)
    sys.stdout.write(f"\n{found.describe().round(2)}\n\nworst\n{worst.round(1)}\n")


def measure(
    subjects: int, seed: int, place: float = 0.5, *, right_mm: float | None = None, fat: float = FAT, **changes: Any
) -> pd.DataFrame:
    """Return one row a subject: found, centre_mm (distance from truth), es_off (frames), and how far within the box.

    left_mm, right_mm: from the left ventricle's wall and the right ventricle's cavity, at their largest, to the
    nearest edge of the box; negative outside. blood: median of the left ventricle's blood in the image.

    Args:
        subjects, seed: which synthetic subjects.
        place: slice as a share of the stack, 0.5 for the middle one.
        right_mm: width that every right ventricle gets at end-diastole in this slice; None leaves them as they are.
        fat: brightness of fat, see `simulate.cine.render`.
        changes: settings of simulate_cohort that differ from the paper's.
    """
    settings = paper_settings()
    simulated = altered(SimulateCohort(seed=seed), **changes)
    cines = _cines(subjects, simulated, place, right_mm, fat)
    return pd.DataFrame([_row(cine, centre, motion, settings) for cine, centre, motion in cines])


def shares(found: pd.DataFrame) -> dict[str, float]:
    """Return the share of subjects that pass each target; a heart that was not found passes none."""
    return {
        "heart found": float(found["found"].mean()),
        f"centre within {CENTRE_MM:g} mm": float((found["centre_mm"] <= CENTRE_MM).mean()),
        "whole left ventricle inside the crop": float((found["left_mm"] >= 0).mean()),
        "whole right ventricle inside the crop": float((found["right_mm"] >= 0).mean()),
        f"both at least {MARGIN_MM:g} mm from its edge": float(
            (found[["left_mm", "right_mm"]].min(axis=1) >= MARGIN_MM).mean()
        ),
        f"end-systole within {FRAMES_OFF} frame": float((found["es_off"] <= FRAMES_OFF).mean()),
    }


def _cines(
    subjects: int, settings: SimulateCohort, place: float, right_mm: float | None, fat: float
) -> Iterator[tuple[Cine, np.ndarray, Motion]]:
    """Yield one slice of each subject, the true centre (row, column) and the true motion."""
    for subject in range(subjects):
        person = draw_person(settings, subject)
        rng = np.random.default_rng([settings.seed, subject])
        slices = max(settings.slices + int(rng.choice([-1, 0, 0, 1])), 3)
        motion = move(person.heart_image, slices, settings.frames, rng)
        index, size = min(int(place * slices), slices - 1), (settings.matrix, float(settings.field_of_view_mm))
        if right_mm is not None:
            depth = motion.rv - motion.outer
            motion = replace(motion, rv=motion.outer + depth * (right_mm / depth[index, 0].max()))
        shift = float(settings.heart_shift_mm)
        drawn = render(motion, person.heart_image, *size, rng, only=index, fat_signal=fat, shift_mm=shift)
        spacing = (drawn.pixel_spacing_mm, drawn.pixel_spacing_mm)
        yield Cine(drawn.volume[0], spacing, index, slices, 0), drawn.centres[index], motion


def _row(cine: Cine, centre: np.ndarray, motion: Motion, settings: dict[str, Any]) -> dict[str, Any]:
    try:
        image = crop_heart(
            cine,
            **{
                name: value for name, value in settings["crop_cmr"].items() if not name.startswith(("minimum_", "max_"))
            },
        )
    except Rejection:
        nothing = {"left_mm": -np.inf, "right_mm": -np.inf, "blood": np.nan}
        return {"found": False, "centre_mm": np.inf, "es_off": np.inf, **nothing}
    frames, step, index = len(cine.pixels), cine.spacing_mm[0], cine.slice_index
    outer, right = motion.outer[index].max(0), motion.rv[index].max(0)
    crescent = (motion.rv - motion.outer)[index].max(0) >= CRESCENT_MM
    off = abs(image.frames[0] - motion.es_frame)
    return {
        "found": True,
        "centre_mm": float(np.hypot(*(image.centre - centre))) * step,
        "es_off": min(off, frames - off),
        "left_mm": _margin(image.box, centre, outer / step, THETA) * step,
        "right_mm": _margin(image.box, centre, right[crescent] / step, THETA[crescent]) * step,
        "blood": _blood(image, centre, float(motion.inner[index].min()) / step / 2),
    }


def _margin(box: Box, centre: np.ndarray, radius: np.ndarray, angle: np.ndarray) -> float:
    """Return how far the outermost point of a polar contour around `centre` lies within the box, all in pixels."""
    down, across = centre[0] + 0.5 - radius * np.sin(angle), centre[1] + 0.5 + radius * np.cos(angle)
    row, column, height, width = box
    sides = np.stack([down - row, row + height - down, across - column, column + width - across])
    return float(sides.min(initial=np.inf))


def _blood(image: HeartImage, centre: np.ndarray, radius: float) -> float:
    """Return the median brightness of the image within `radius` pixels of the raw frame around the true centre."""
    box, size = np.array(image.box), image.pixels.shape[-1]
    places = ((np.arange(size) + 0.5) * length / size for length in box[2:])
    down, across = (start + place - 0.5 - at for start, place, at in zip(box[:2], places, centre, strict=True))
    seen = image.pixels[:, np.hypot(down[:, None], across[None, :]) <= radius]
    return float(np.median(seen)) if seen.size else np.nan


if __name__ == "__main__":
    main()
