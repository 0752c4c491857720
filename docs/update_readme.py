"""Put the finished demo's headline, tables, figures and a prediction of its release into README.md: `make readme`."""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parent))
from pages import ROOT, copy_figure, rewrite

DEMO = ROOT / "results/demo"
IMAGES = ROOT / "docs/images"
COMMAND = "predict my_ecg.xml --model {} --out predictions --pages png"


def table(number: int) -> str:
    """Return a table of the demo."""
    return (DEMO / f"make_table/table_{number}.md").read_text().strip()


def retrieved() -> dict[str, float]:
    """Return how often MMCL finds a test subject's image among the ten most similar to the ECG, and its controls."""
    with open(DEMO / "score_heatmap/retrieval.csv", encoding="utf-8", newline="") as handle:
        rows = {(row["model"], row["direction"], row["measure"]): row for row in csv.DictReader(handle)}
    row = rows["mmcl", "ecg_to_cmr", "r10"]
    numbers = {name: float(row[name]) for name in ("value", "chance", "null_low", "null_high")}
    return {**numbers, "n": int(row["n"])}


def prediction(page: Path) -> tuple[str, dict]:
    """Return what the release's command prints for one of the demo's ECGs, and its result; copy its page."""
    ecg, model = min((DEMO / "simulate_cohort/raw/ecg").glob("*.xml")), DEMO / "release/mmcl"
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copyfile(ecg, Path(scratch, "my_ecg.xml"))
        command = [sys.executable, "-m", "cmr2ecg", *COMMAND.format(model).split()]
        env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
        done = subprocess.run(command, cwd=scratch, env=env, capture_output=True, text=True, check=True)
        shutil.copyfile(Path(scratch, "predictions/pages/my_ecg.png"), page)
        return done.stderr.strip(), json.loads(Path(scratch, "predictions/predictions.json").read_text())["ecgs"][0]


if __name__ == "__main__":
    for number in (5, 6):
        copy_figure(DEMO / f"make_figure/figure_{number}.png", IMAGES / f"demo_figure_{number}.png")
    messages, said = prediction(IMAGES / "prediction.png")
    command = COMMAND.format((DEMO / "release/mmcl").relative_to(ROOT))
    headline = (DEMO / "describe_run/headline.txt").read_text().strip()
    said_by = {
        "headline": headline,
        "retrieval": retrieved(),
        "table": table,
        "command": command,
        "messages": messages,
        "said": said,
    }
    rewrite(ROOT / "README.md", said_by)
