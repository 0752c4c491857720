"""Draw one of the paper's figures as png and pdf; the same inputs give the same bytes.

Each figure is a module of its own, found by its number, so that an edit of one figure draws that one again only.
"""

import importlib
import logging
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context

from cmr2ecg.command import run, start, step_parser
from cmr2ecg.evaluate.figures.style import RC
from cmr2ecg.files import atomic


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--figure", type=int, choices=[5], required=True, help="the paper's number")
    parser.add_argument("--intervals", type=Path, required=True, help="intervals.csv of the step evaluate")
    parser.add_argument("--png", type=Path, required=True)
    parser.add_argument("--pdf", type=Path, required=True)
    args = parser.parse_args(argv)
    start(args)

    module = importlib.import_module(f"cmr2ecg.evaluate.figures.figure_{args.figure}")
    figure = module.draw(args.settings, {"intervals": args.intervals})
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every glyph it embeds
    with rc_context(RC), atomic(args.png) as png, atomic(args.pdf) as pdf:
        figure.savefig(png, format="png", dpi=args.settings["dpi"], metadata={"Software": None})
        # A date in the file would make every run look like a change.
        figure.savefig(pdf, format="pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})
    logging.info("drew figure %d", args.figure)


if __name__ == "__main__":
    run(main)
