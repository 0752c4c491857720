"""Raw files for tests of the data stages: small, in UK Biobank's formats, and with a known answer."""

from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml
from cmr2ecg.simulate.ecg import with_derived_leads
from cmr2ecg.simulate.sax_zip import write_sax_zip
from cmr2ecg.study.settings.cohort import ReadTabular
from cmr2ecg.study.settings.recordings import CleanEcg, CropCmr

SHARED = Path(__file__).resolve().parents[3] / "shared"
FIRST = 9_000_001
CLEAN, CROP, TABULAR = CleanEcg(), CropCmr(), ReadTabular()


def counts(seed: int = 0, samples: int = 5000) -> np.ndarray:
    """ADC counts (12, samples) of spikes on slow wander with noise; limb leads obey Einthoven's law."""
    rng = np.random.default_rng(seed)
    time = np.arange(samples) / 500
    beat = np.exp(-(((time % 0.85) - 0.4) ** 2) / (2 * 0.012**2))
    size = rng.uniform(60, 300, (12, 1))
    wander = rng.uniform(20, 80, (12, 1)) * np.sin(2 * np.pi * rng.uniform(0.1, 0.3, (12, 1)) * time)
    signal = np.rint(size * beat + wander + rng.normal(0, 3, (12, samples))).astype(int)
    return with_derived_leads(signal[[0, 1, *range(6, 12)]])


def cine(
    frames: int = 20,
    side: int = 96,
    *,
    es: int | None = None,
    centre: tuple[float, float] = (44.0, 52.0),
    seed: int = 0,
) -> np.ndarray:
    """A slice (frames, side, side) uint16 with 4 mm pixels: bright blood in a dark wall, a crescent, a chest wall."""
    es = frames * 7 // 20 if es is None else es
    phase = np.where(np.arange(frames) <= es, np.arange(frames) / es, (frames - np.arange(frames)) / (frames - es))
    inner = (26 - 8 * (1 - np.cos(np.pi * phase)) / 2)[:, None, None]
    outer = np.sqrt(inner**2 + 36**2 - 26**2)
    y, x = ((np.mgrid[:side, :side] - np.reshape(centre, (2, 1, 1))) * 4.0)[:, None]
    left, right = np.hypot(y, x), np.hypot(y, (x + 34) / 1.1)
    chest = np.hypot(y / 110, x / 140)
    image = np.where(chest < 1, 60.0, 5.0) + np.where((chest > 0.9) & (chest < 1), 700.0, 0.0)
    image = image + 500 * _disc(right, outer - 2) * (1 - _disc(left, outer))
    image = image + 140 * _disc(left, outer) + 420 * _disc(left, inner)
    noise = np.random.default_rng(seed).normal(0, 8, image.shape)
    return np.clip(image + noise, 0, 4095).astype(np.uint16)


def stack(slices: int = 8, frames: int = 20, side: int = 96, **options) -> np.ndarray:
    """A stack (slices, frames, side, side) whose middle slice is `cine` and whose others are darker copies."""
    middle = cine(frames, side, **options)
    volume = np.stack([middle // 2] * slices)
    volume[slices // 2] = middle
    return volume


def write_ecg(folder: Path, eid: int, *, instance: int = 2, content: bytes | None = None, **options) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{eid}_20205_{instance}_0.xml"
    path.write_bytes(cardiosoft_xml(counts(eid), **options) if content is None else content)
    return path


def write_cmr(folder: Path, eid: int, volume: np.ndarray | None = None, *, instance: int = 2, **options) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{eid}_20209_{instance}_0.zip"
    options = {"pixel_spacing_mm": 4.0, "seed": eid, **options}
    write_sax_zip(path, stack(seed=eid) if volume is None else volume, **options)
    return path


def visits(path: Path, files: dict[str, list[Path]]) -> Path:
    """Write visits.parquet with one subject for each file, eids from FIRST on."""
    size = max(map(len, files.values()))
    columns = {name: [str(p) for p in paths] for name, paths in files.items()}
    pd.DataFrame({"eid": np.arange(FIRST, FIRST + size), "instance": 2, "segmentation": "", **columns}).to_parquet(path)
    return path


def _disc(distance: np.ndarray, radius: np.ndarray, pixel: float = 4.0) -> np.ndarray:
    return np.clip((radius - distance) / pixel + 0.5, 0, 1)
