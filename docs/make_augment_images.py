"""Draw docs/images/augment_{ecg,views,cmr}.png: one synthetic subject, augmented at the paper's settings.

Run from the repository's root: python docs/make_augment_images.py
"""

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
from cmr2ecg.cmr.short_axis import read_middle_slice
from cmr2ecg.simulate.cohort import simulate
from cmr2ecg.steps.clean_ecg import clean_file

matplotlib.use("Agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
LEAD, NAME = 7, "V2"
INK, ACCENT = "#222222", "#b3202a"


def main() -> None:
    """Write both pictures."""
    config = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text(encoding="utf-8"))
    with TemporaryDirectory() as folder:
        ecg, cmr = one_subject(config, Path(folder))
    IMAGES.mkdir(exist_ok=True)
    draw_ecg_picture(ecg[:, :2500], config["pretrain"]["mmcl"]["ecg_augment"])
    draw_views_picture(ecg[:, :2500], config["pretrain"]["contrastive"]["simclr"]["augment"])
    draw_cmr_picture(cmr, config["pretrain"]["mmcl"]["cmr_augment"])


def one_subject(config: dict, folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the ECG (12, 5000) and the image (3, 210, 210) of a synthetic subject, read back from its files."""
    alone = {"subjects": 1, "broken": 0, "missing_modality": 0, "repeat_visits": 0, "withdrawn": 0}
    simulate(config["simulate_cohort"] | alone, folder, workers=1)
    ecg = clean_file(next(folder.rglob("*.xml")), **config["clean_ecg"])[0]["ecg"]
    cropping = config["crop_cmr"]
    cine = read_middle_slice(next(folder.rglob("*.zip")), cropping["minimum_slices"])
    image = crop_heart(cine, size=cropping["size"], box_mm=cropping["box_mm"]).pixels
    return torch.from_numpy(np.asarray(ecg, np.float32)), torch.from_numpy(np.asarray(image, np.float32))


def draw_ecg_picture(ecg: torch.Tensor, settings: dict) -> None:
    """Draw one lead as it is, as surrogate, with noise, and through the whole chain twice."""
    quiet = settings | {"surrogate": 0.0, "noise": 0.0, "rescale": 0.0}
    x = ecg[None]
    rows = [
        (f"{NAME}, cleaned", x),
        ("Fourier surrogate", fourier_surrogate(x, settings["surrogate"], 1.0, _seed(1))),
        ("Gaussian noise", augment_ecg(x, quiet | {"noise": settings["noise"]}, _seed(2))),
        ("whole chain", augment_ecg(x, settings, _seed(3))),
        ("whole chain, again", augment_ecg(x, settings, _seed(4))),
    ]
    draw_rows(rows, IMAGES / "augment_ecg.png")


def draw_views_picture(ecg: torch.Tensor, settings: dict) -> None:
    """Draw one lead as it is, flipped, with a masked spectrogram, and as two views of a contrastive baseline."""
    x = ecg[None]
    mask = (settings["spectrogram_mask"], settings["spectrogram_window"])
    rows = [
        (f"{NAME}, cleaned", x),
        ("time flip", time_flip(x, 1.0, _seed(1))),
        ("sign flip", sign_flip(x, 1.0, _seed(1))),
        ("masked frequencies", mask_spectrogram(x, *mask, _seed(_mask_seed(in_time=False)))),
        ("masked time", mask_spectrogram(x, *mask, _seed(_mask_seed(in_time=True)))),
        ("whole chain, first view", augment_view(x, settings, _seed(3))),
        ("whole chain, second view", augment_view(x, settings, _seed(4))),
    ]
    draw_rows(rows, IMAGES / "augment_views.png")


def _mask_seed(*, in_time: bool) -> int:
    """Return a seed with which the spectrogram of one record is masked in time, or in its low frequencies."""
    for seed in range(1000):
        generator = _seed(seed)
        kind, place = (float(torch.rand(1, generator=generator)) for _ in range(2))
        if (kind >= 0.5) == in_time and (0.4 < place < 0.5 if in_time else place < 0.05):
            return seed
    raise RuntimeError("no seed found")


def draw_rows(rows: list[tuple[str, torch.Tensor]], path: Path) -> None:
    """Draw one lead of each (1, 12, samples), one above the other with its title."""
    height = 0.3 + 0.98 * len(rows)
    figure, axes = plt.subplots(len(rows), 1, figsize=(7, height), sharex=True, sharey=True, layout="constrained")
    for axis, (title, y) in zip(axes, rows, strict=True):
        axis.plot(np.arange(y.shape[-1]) / 500, y[0, LEAD], color=INK if axis is axes[0] else ACCENT, lw=0.7)
        axis.set_title(title, loc="left", fontsize=9, pad=2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=8)
    axes[-1].set_xlabel("time (s)", fontsize=9)
    figure.supylabel("amplitude (z-score)", fontsize=9)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def draw_cmr_picture(cmr: torch.Tensor, settings: dict) -> None:
    """Draw end-diastole of one image, each augmentation alone at the paper's strength, and the whole chain below."""
    off = {**dict.fromkeys(settings, 0), "crop_scale": 1.0}
    alone = {
        "flip": {"flip": 1.0},
        "rotation": {"rotate_degrees": settings["rotate_degrees"], "rotate_probability": 1.0},
        "crop": {"crop_scale": settings["crop_scale"]},
        **{name: {name: settings[name]} for name in ("brightness", "contrast", "saturation")},
    }
    cmr = cmr[None]
    first = [("as it is", cmr)]
    first += [(name, augment_cmr(cmr, {**off, **own}, _seed(5))) for name, own in alone.items()]
    whole = augment_cmr(cmr.expand(len(first), -1, -1, -1), settings, _seed(5))
    pictures = first + [("all together", image[None]) for image in whole]
    figure, axes = plt.subplots(2, len(first), figsize=(9, 3), layout="constrained")
    for axis, (name, image) in zip(axes.flat, pictures, strict=True):
        axis.imshow(image[0, 1], cmap="gray", vmin=0, vmax=1)
        axis.set_title(name, fontsize=8)
        axis.set_axis_off()
    figure.savefig(IMAGES / "augment_cmr.png", dpi=100)


def _seed(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


if __name__ == "__main__":
    main()
