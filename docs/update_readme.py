"""Put the finished demo's tables and figure into README.md: `make readme`."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "results/demo"
START, END = "<!-- demo: written by `make readme` from results/demo -->", "<!-- end of demo -->"


def section() -> str:
    """Return the Markdown of three tables and a figure."""
    tables = [(DEMO / f"make_table/table_{number}.md").read_text().strip() for number in (1, 3, 4)]
    figure = "![AUROC against the number of fine-tuning subjects](docs/images/demo_figure_5.png)"
    return "\n\n".join([*tables, figure, *prediction()])


def prediction() -> list[str]:
    """Return what the demo's release says of one of its ECGs: the command, what it prints, the page."""
    model, ecg = DEMO / "release/mmcl", sorted((DEMO / "simulate_cohort/raw/ecg").glob("*.xml"))[0]
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copyfile(ecg, Path(scratch, "my_ecg.xml"))
        command = "predict my_ecg.xml --model {} --out predictions --pages png"
        done = subprocess.run(
            [sys.executable, "-m", "cmr2ecg", *command.format(model).split()],
            cwd=scratch,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=True,
        )
        shutil.copyfile(Path(scratch, "predictions/pages/my_ecg.png"), ROOT / "docs/images/prediction.png")
        said = json.loads(Path(scratch, "predictions/predictions.json").read_text())["ecgs"][0]
    lines = [f"$ cmr2ecg {command.format(model.relative_to(ROOT))}", done.stderr.strip(), ""]
    for name, risk in said["risks"].items():
        lines.append(
            f"{name:6}{risk['risk']:7.1%} +- {risk['std']:.1%} over the seeds (prevalence {risk['prevalence']:.1%})"
        )
    for name in ("LVEDV", "LVEF", "RVEDV", "WT_Global"):
        value = said["phenotypes"][name]
        lines.append(f"{name:10}{value['value']:6.1f} [{value['low']:.1f}, {value['high']:.1f}] {value['unit']}")
    text = "The demo's release on one of its ECGs (a selection of what stands in predictions.json):"
    return [text, "```\n" + "\n".join(lines) + "\n```", "![The page of a prediction](docs/images/prediction.png)"]


def main() -> None:
    """Replace what stands between the two comments of README.md."""
    shutil.copyfile(DEMO / "make_figure/figure_5.png", ROOT / "docs/images/demo_figure_5.png")
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(START)
    readme.write_text(f"{before}{START}\n\n{section()}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
