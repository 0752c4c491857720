"""Put the finished demo's tables and figure into README.md: `make readme`."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "results/demo"
START, END = "<!-- demo: written by `make readme` from results/demo -->", "<!-- end of demo -->"


def section() -> str:
    """Return the Markdown of three tables and a figure."""
    tables = [(DEMO / f"make_table/table_{number}.md").read_text().strip() for number in (1, 3, 4)]
    figure = "![AUROC against the number of fine-tuning subjects](docs/images/demo_figure_5.png)"
    return "\n\n".join([*tables, figure])


def main() -> None:
    """Replace what stands between the two comments of README.md."""
    shutil.copyfile(DEMO / "make_figure/figure_5.png", ROOT / "docs/images/demo_figure_5.png")
    readme = ROOT / "README.md"
    before, rest = readme.read_text().split(START)
    readme.write_text(f"{before}{START}\n\n{section()}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
