"""Draw the pictures of docs/images from the real recordings in ../shared/data (python docs/make_images.py)."""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]

from cohort.raw_files import CLEAN, CROP  # noqa: E402
from ecg.real_files import SAX_SPACING_MM, real_cine, real_records  # noqa: E402

from cmr2ecg.cmr.crop import crop_heart  # noqa: E402
from cmr2ecg.cmr.short_axis import Cine  # noqa: E402
from cmr2ecg.ecg.clean import baseline, clean_ecg  # noqa: E402
from cmr2ecg.ecg.recording import LEADS  # noqa: E402
from cmr2ecg.ecg.wfdb_record import read_wfdb  # noqa: E402

SHOWN = ("II", "aVF", "V2", "V5")


def draw_ecg(path: Path) -> None:
    """Four leads of the real record with the largest share of slow wander, raw with its baseline and cleaned."""
    options = CLEAN["baseline"]
    signals = {path: read_wfdb(path.with_suffix(".hea")).signal for path in real_records()}
    record = max(signals, key=lambda name: slow_share(signals[name]))
    raw = signals[record]
    clean = clean_ecg(raw, clip_std=CLEAN["clip_std"], **options)
    time = np.arange(raw.shape[1]) / 500
    figure, axes = plt.subplots(len(SHOWN), 2, figsize=(11, 6.2), sharex=True, layout="constrained")
    for (left, right), name in zip(axes, SHOWN, strict=True):
        lead = LEADS.index(name)
        left.plot(time, raw[lead], color="0.35", lw=0.6)
        left.plot(time, baseline(raw[lead], **options), color="tab:red", lw=1.2, label="baseline (ALS)")
        right.plot(time, clean[lead], color="tab:blue", lw=0.6)
        right.axhline(0, color="0.7", lw=0.5, zorder=0)
        left.set_ylabel(f"{name}  [mV]")
        right.set_ylabel("[std]")
        for axis in (left, right):
            axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_title("as recorded", fontsize=10)
    axes[0, 1].set_title("cleaned: wander removed, scaled per lead group", fontsize=10)
    axes[0, 0].legend(frameon=False, fontsize=8, loc="upper right")
    for axis in axes[-1]:
        axis.set_xlabel("time [s]")
    credit(figure, f"Record {record.name} of PhysioNet/CinC Challenge 2021 ({source(record.name)}), CC BY 4.0")
    figure.savefig(path, dpi=70)


def slow_share(signal: np.ndarray) -> float:
    """Share of the power of `signal` (leads, 5000 samples at 500 Hz) at 0.1 to 0.3 Hz."""
    power = np.abs(np.fft.rfft(signal, axis=1)[:, 1:]) ** 2
    return float(power[:, :3].sum() / power.sum())


def draw_crop(path: Path) -> None:
    """The middle slice of a real stack with the box that is cut out, and the three channels."""
    cine = Cine(real_cine(7), (SAX_SPACING_MM, SAX_SPACING_MM), 7, 14, 0)
    image = crop_heart(cine, size=CROP["size"], box_mm=CROP["box_mm"])
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
    axes[0].imshow(cine.pixels[0], cmap="gray", vmax=np.quantile(cine.pixels, 0.98))
    row, column, height, width = image.box
    axes[0].add_patch(plt.Rectangle((column - 0.5, row - 0.5), width, height, fill=False, ec="tab:orange"))
    axes[0].plot(image.centre[1], image.centre[0], "+", color="tab:orange")
    axes[0].set_title("middle slice, box of 142 mm", fontsize=9)
    bright = np.quantile(image.pixels, 0.99)
    for axis, channel, name, frame in zip(
        axes[1:], image.pixels, ("end-systole", "end-diastole", "mid-phase"), image.frames, strict=True
    ):
        axis.imshow(channel, cmap="gray", vmax=bright)
        axis.set_title(f"{name} (frame {frame})", fontsize=9)
    for axis in axes:
        axis.axis("off")
    credit(
        figure,
        "Patient SC-HF-I-09 of the Sunnybrook Cardiac Data, CC0; frames between the two phases are blended",
    )
    figure.savefig(path, dpi=70)


def source(name: str) -> str:
    """The collection a record of the challenge comes from."""
    return "PTB-XL" if name.startswith("HR") else "Ningbo"


def credit(figure: plt.Figure, text: str) -> None:
    """Name the data's source under the picture."""
    figure.supxlabel(text, fontsize=7, color="0.4", x=0.01, ha="left")


if __name__ == "__main__":
    folder = ROOT / "docs" / "images"
    folder.mkdir(parents=True, exist_ok=True)
    draw_ecg(folder / "real_ecg_cleaned.png")
    draw_crop(folder / "real_cmr_cropped.png")
