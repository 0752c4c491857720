"""Draw pictures of docs/images: python docs/make_images.py [augment] [real] [synthetic], all of them without a word.

augment: one synthetic subject, augmented at the paper's settings; real: recordings in ../shared/data, cleaned and
cropped; synthetic: ECG leads and short-axis frames of three simulated subjects.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib
import numpy as np
import torch
import yaml

from cmr2ecg.augment.cmr import augment_cmr
from cmr2ecg.augment.ecg import augment_ecg, fourier_surrogate
from cmr2ecg.augment.ecg_views import augment_view, mask_spectrogram, sign_flip, time_flip
from cmr2ecg.cmr.crop import crop_heart
from cmr2ecg.cmr.short_axis import Cine, read_middle_slice
from cmr2ecg.ecg.clean import baseline, clean_ecg
from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.ecg.wfdb_record import read_wfdb
from cmr2ecg.simulate.cohort import simulate
from cmr2ecg.simulate.subject import draw_subject
from cmr2ecg.steps.clean_ecg import clean_file

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs/images"
SETTINGS = yaml.safe_load((ROOT / "config/paper.yaml").read_text(encoding="utf-8"))
CLEAN, CROP = SETTINGS["clean_ecg"], SETTINGS["crop_cmr"]
CROP_AT = {"size": CROP["size"], "box_mm": CROP["box_mm"]}


def augment() -> None:
    """Draw V2 through the augmentations of MMCL and of a contrastive baseline, and one image through those of MMCL."""
    ecg, cmr = one_subject()
    x, pretrain = ecg[None, :, :2500], SETTINGS["pretrain"]
    mmcl, views = pretrain["mmcl"]["ecg_augment"], pretrain["contrastive"]["simclr"]["augment"]
    quiet = mmcl | {"surrogate": 0.0, "noise": 0.0, "rescale": 0.0}
    mask = (views["spectrogram_mask"], views["spectrogram_window"])
    chains = {
        "Fourier surrogate": fourier_surrogate(x, mmcl["surrogate"], 1.0, seeded(1)),
        "Gaussian noise": augment_ecg(x, quiet | {"noise": mmcl["noise"]}, seeded(2)),
        "whole chain": augment_ecg(x, mmcl, seeded(3)),
        "whole chain, again": augment_ecg(x, mmcl, seeded(4)),
    }
    draw_rows({"V2, cleaned": x} | chains, IMAGES / "augment_ecg.png")
    chains = {
        "time flip": time_flip(x, 1.0, seeded(1)),
        "sign flip": sign_flip(x, 1.0, seeded(1)),
        "masked frequencies": mask_spectrogram(x, *mask, seeded(mask_seed(in_time=False))),
        "masked time": mask_spectrogram(x, *mask, seeded(mask_seed(in_time=True))),
        "whole chain, first view": augment_view(x, views, seeded(3)),
        "whole chain, second view": augment_view(x, views, seeded(4)),
    }
    draw_rows({"V2, cleaned": x} | chains, IMAGES / "augment_views.png")
    draw_cmr(cmr[None], pretrain["mmcl"]["cmr_augment"])


def one_subject() -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ECG (12, 5000) and the image (3, 210, 210) of a synthetic subject, read back from its files."""
    alone = {"subjects": 1, "broken": 0, "missing_modality": 0, "repeat_visits": 0, "withdrawn": 0}
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        simulate(SETTINGS["simulate_cohort"] | alone, folder, workers=1)
        ecg = clean_file(next(folder.rglob("*.xml")), **CLEAN)[0]["ecg"]
        image = crop_heart(read_middle_slice(next(folder.rglob("*.zip")), CROP["minimum_slices"]), **CROP_AT).pixels
    return torch.from_numpy(np.asarray(ecg, np.float32)), torch.from_numpy(np.asarray(image, np.float32))


def seeded(seed: int) -> torch.Generator:
    """Return a generator of random numbers."""
    return torch.Generator().manual_seed(seed)


def mask_seed(*, in_time: bool) -> int:
    """Return a seed with which the spectrogram of one record is masked in time, or in its low frequencies."""
    for seed in range(1000):
        kind, place = torch.rand(2, generator=seeded(seed)).tolist()
        if (kind >= 0.5) == in_time and (0.4 < place < 0.5 if in_time else place < 0.05):
            return seed
    raise RuntimeError("no seed found")


def draw_rows(rows: Mapping[str, torch.Tensor], path: Path) -> None:
    """Draw V2 of each (1, 12, samples) at 500 Hz, one above the other with its title."""
    height = 0.3 + 0.98 * len(rows)
    figure, axes = plt.subplots(len(rows), 1, figsize=(7, height), sharex=True, sharey=True, layout="constrained")
    for axis, (title, y) in zip(axes, rows.items(), strict=True):
        ink = "#222222" if axis is axes[0] else "#b3202a"
        axis.plot(np.arange(y.shape[-1]) / 500, y[0, LEADS.index("V2")], color=ink, lw=0.7)
        axis.set_title(title, loc="left", fontsize=9, pad=2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    axes[-1].set_xlabel("time (s)", fontsize=9)
    figure.supylabel("amplitude (z-score)", fontsize=9)
    figure.savefig(path, dpi=100)


def draw_cmr(cmr: torch.Tensor, settings: dict) -> None:
    """Draw end-diastole of one image, each augmentation alone at the paper's strength, and the whole chain below."""
    off = {**dict.fromkeys(settings, 0), "crop_scale": 1.0}
    alone = {
        "flip": {"flip": 1.0},
        "rotation": {"rotate_degrees": settings["rotate_degrees"], "rotate_probability": 1.0},
        "crop": {"crop_scale": settings["crop_scale"]},
        **{name: {name: settings[name]} for name in ("brightness", "contrast", "saturation")},
    }
    pictures = [("as it is", cmr), *((name, augment_cmr(cmr, off | own, seeded(5))) for name, own in alone.items())]
    whole = augment_cmr(cmr.expand(len(pictures), -1, -1, -1), settings, seeded(5))
    figure, axes = plt.subplots(2, len(pictures), figsize=(9, 3), layout="constrained")
    pictures += [("all together", image[None]) for image in whole]
    for axis, (name, image) in zip(axes.flat, pictures, strict=True):
        axis.imshow(image[0, 1], cmap="gray", vmin=0, vmax=1)
        axis.set_title(name, fontsize=8)
        axis.set_axis_off()
    figure.savefig(IMAGES / "augment_cmr.png", dpi=100)


def real() -> None:
    """Draw the real record with the largest share of slow wander and a real stack, as they are and prepared."""
    sys.path.append(str(ROOT / "tests"))
    from ecg.real_files import SAX_SPACING_MM, real_cine, real_records

    signals = {path.name: read_wfdb(path.with_suffix(".hea")).signal for path in real_records()}
    name = max(signals, key=lambda name: slow_share(signals[name]))
    draw_cleaned(signals[name], f"Record {name} of PhysioNet/CinC Challenge 2021 ({source(name)}), CC BY 4.0")
    draw_cropped(Cine(real_cine(7), (SAX_SPACING_MM, SAX_SPACING_MM), 7, 14, 0))


def slow_share(signal: np.ndarray) -> float:
    """Return the share of the power of `signal` (leads, 5000 samples at 500 Hz) at 0.1 to 0.3 Hz."""
    power = np.abs(np.fft.rfft(signal, axis=1)[:, 1:]) ** 2
    return float(power[:, :3].sum() / power.sum())


def source(name: str) -> str:
    """Return the collection a record of the challenge comes from."""
    return "PTB-XL" if name.startswith("HR") else "Ningbo"


def draw_cleaned(raw: np.ndarray, credit: str) -> None:
    """Draw four leads of a record (12, samples) in mV at 500 Hz with their baseline, and cleaned."""
    clean = clean_ecg(raw, clip_std=CLEAN["clip_std"], **CLEAN["baseline"])
    time = np.arange(raw.shape[1]) / 500
    figure, axes = plt.subplots(4, 2, figsize=(11, 6.2), sharex=True, layout="constrained")
    for (left, right), name in zip(axes, ("II", "aVF", "V2", "V5"), strict=True):
        lead = LEADS.index(name)
        left.plot(time, raw[lead], color="0.35", lw=0.6)
        left.plot(time, baseline(raw[lead], **CLEAN["baseline"]), color="tab:red", lw=1.2, label="baseline (ALS)")
        right.plot(time, clean[lead], color="tab:blue", lw=0.6)
        right.axhline(0, color="0.7", lw=0.5, zorder=0)
        left.set_ylabel(f"{name}  [mV]")
        right.set_ylabel("[std]")
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
    axes[0, 0].set_title("as recorded", fontsize=10)
    axes[0, 1].set_title("cleaned: wander removed, scaled per lead group", fontsize=10)
    axes[0, 0].legend(frameon=False, fontsize=8, loc="upper right")
    for axis in axes[-1]:
        axis.set_xlabel("time [s]")
    figure.supxlabel(credit, fontsize=7, color="0.4", x=0.01, ha="left")
    figure.savefig(IMAGES / "real_ecg_cleaned.png", dpi=70)


def draw_cropped(cine: Cine) -> None:
    """Draw the middle slice of a stack with the box that is cut out, and the three channels."""
    image = crop_heart(cine, **CROP_AT)
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.2), layout="constrained")
    axes[0].imshow(cine.pixels[0], cmap="gray", vmax=np.quantile(cine.pixels, 0.98))
    row, column, height, width = image.box
    axes[0].add_patch(plt.Rectangle((column - 0.5, row - 0.5), width, height, fill=False, ec="tab:orange"))
    axes[0].plot(image.centre[1], image.centre[0], "+", color="tab:orange")
    axes[0].set_title("middle slice, box of 142 mm", fontsize=9)
    names = ("end-systole", "end-diastole", "mid-phase")
    for axis, channel, name, frame in zip(axes[1:], image.pixels, names, image.frames, strict=True):
        axis.imshow(channel, cmap="gray", vmax=np.quantile(image.pixels, 0.99))
        axis.set_title(f"{name} (frame {frame})", fontsize=9)
    for axis in axes:
        axis.axis("off")
    credit = "Patient SC-HF-I-09 of the Sunnybrook Cardiac Data, CC0; frames between the two phases are blended"
    figure.supxlabel(credit, fontsize=7, color="0.4", x=0.01, ha="left")
    figure.savefig(IMAGES / "real_cmr_cropped.png", dpi=70)


def synthetic() -> None:
    """Draw three leads, end-diastole and mid-beat of the middle slice of three subjects; the last has an infarct."""
    settings = SETTINGS["simulate_cohort"] | {"matrix": 128, "frames": 25, "slices": 9}
    figure, axes = plt.subplots(3, 3, figsize=(10, 6), width_ratios=[2.2, 1, 1], layout="constrained")
    for (trace, *panels), subject in zip(axes, (draw_subject(settings, index) for index in (1, 2, 14)), strict=True):
        for offset, name in enumerate(("II", "V1", "V5")):
            counts = subject.ecg_counts[LEADS.index(name), :2500]
            trace.plot(np.arange(2500) / 500, counts * 0.005 - 2 * offset, lw=0.7, color="0.1")
            trace.text(-0.05, -2 * offset, name, ha="right", va="center")
        trace.set(yticks=[], xlim=(0, 5))
        trace.spines[["left", "top", "right"]].set_visible(False)
        volume = subject.cine.volume
        for panel, frame in zip(panels, (0, round(0.37 * volume.shape[1])), strict=True):
            panel.imshow(volume[volume.shape[0] // 2, frame], cmap="gray", vmax=np.percentile(volume, 99.7))
            panel.axis("off")
    axes[-1][0].set_xlabel("time [s]; leads 2 mV apart")
    axes[0][1].set_title("end-diastole", fontsize=9)
    axes[0][2].set_title("near end-systole", fontsize=9)
    figure.savefig(IMAGES / "synthetic_cohort.png", dpi=90)


if __name__ == "__main__":
    drawing = {"augment": augment, "real": real, "synthetic": synthetic}
    for name in sys.argv[1:] or drawing:
        drawing[name]()
