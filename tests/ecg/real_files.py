"""Real public recordings wrapped in UK Biobank's formats; they lie beside the repository and are never committed."""

from pathlib import Path

import numpy as np
import wfdb
from cohort.raw_files import SHARED
from PIL import Image

from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml

ECG_FOLDER = SHARED / "data" / "ecg_wfdb"
SAX_FOLDER = SHARED / "data" / "sax_png" / "SC-HF-I-09"
SAX_SPACING_MM = 1.25  # 320 mm on 256 pixels, usual in this collection


def real_records() -> list[Path]:
    """The ten PTB-XL and ten Ningbo records (CC BY 4.0), without ending."""
    return sorted(path.with_suffix("") for path in ECG_FOLDER.glob("*.hea"))


def as_cardiosoft(record: Path) -> bytes:
    """A WFDB record as CardioSoft XML in counts of 5 uV."""
    data = wfdb.rdrecord(str(record))
    names = [name.lower() for name in data.sig_name]
    order = [names.index(lead.lower()) for lead in LEADS]
    return cardiosoft_xml(np.rint(data.p_signal.T[order] / 0.005).astype(int), sampling_rate_hz=data.fs)


def real_slice(index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """End-systolic frame, end-diastolic frame (256, 256) and the union of their LV masks (Sunnybrook, CC0)."""
    names = [f"SC-HF-I-09-IM-0001-{20 * index + number:04d}.dcm.png" for number in (7, 18)]
    es, ed = (np.asarray(Image.open(SAX_FOLDER / "Images" / name))[..., 0] for name in names)
    masks = [np.asarray(Image.open(SAX_FOLDER / "Labels" / name))[..., 0] > 127 for name in names]
    return es, ed, masks[0] | masks[1]


def real_cine(index: int, frames: int = 25) -> np.ndarray:
    """A cine (frames, 256, 256) uint16 that goes smoothly from end-diastole to end-systole and back."""
    es, ed, _ = (frame.astype(float) for frame in real_slice(index))
    weight = (1 + np.cos(2 * np.pi * np.arange(frames) / frames))[:, None, None] / 2
    return np.rint(4 * (weight * ed + (1 - weight) * es)).astype(np.uint16)
