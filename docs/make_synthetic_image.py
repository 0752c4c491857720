"""Draw docs/images/synthetic_cohort.png: ECG leads and short-axis frames of three simulated subjects."""

from pathlib import Path

import matplotlib
import numpy as np
import yaml

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from cmr2ecg.simulate.subject import Subject, draw_subject

ROOT = Path(__file__).resolve().parent.parent
LEADS = {"II": 1, "V1": 6, "V5": 10}


def draw(subjects: list[Subject]) -> plt.Figure:
    """Return one row a subject: three leads, then end-diastole and mid-beat of the middle slice."""
    figure, axes = plt.subplots(
        len(subjects), 3, figsize=(10, 6), width_ratios=[2.2, 1, 1], constrained_layout=True, squeeze=False
    )
    time = np.arange(2500) / 500
    for row, subject in zip(axes, subjects, strict=True):
        for offset, (name, lead) in enumerate(LEADS.items()):
            row[0].plot(time, subject.ecg_counts[lead, :2500] * 0.005 - 2 * offset, lw=0.7, color="0.1")
            row[0].text(-0.05, -2 * offset, name, ha="right", va="center")
        row[0].set(yticks=[], xlim=(0, 5))
        row[0].spines[["left", "top", "right"]].set_visible(False)
        slices, frames = subject.cine.volume.shape[:2]
        for panel, frame in zip(row[1:], (0, round(0.37 * frames)), strict=True):
            panel.imshow(
                subject.cine.volume[slices // 2, frame], cmap="gray", vmax=np.percentile(subject.cine.volume, 99.7)
            )
            panel.axis("off")
    axes[-1][0].set_xlabel("time [s]; leads 2 mV apart")
    axes[0][1].set_title("end-diastole", fontsize=9)
    axes[0][2].set_title("near end-systole", fontsize=9)
    return figure


if __name__ == "__main__":
    settings = yaml.safe_load((ROOT / "config/paper.yaml").read_text())["simulate_cohort"]
    settings |= {"matrix": 128, "frames": 25, "slices": 9}
    chosen = [draw_subject(settings, index) for index in (1, 2, 14)]  # the third has an infarct
    draw(chosen).savefig(ROOT / "docs/images/synthetic_cohort.png", dpi=90)
