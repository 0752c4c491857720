"""Draw one figure as png and pdf; the same inputs give the same bytes.

Each figure is a module of its own, cmr2ecg.report.figures.<name>, with draw(settings, inputs) -> Figure, so that an
edit of one figure draws that one again only.
"""

import importlib
import logging
from collections.abc import Sequence
from pathlib import Path

from matplotlib import rc_context

from cmr2ecg.report.figures.style import RC
from cmr2ecg.report.inputs import named_inputs
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic
from cmr2ecg.study.named_subjects import read_named


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--figure", required=True, help="name of its module, such as figure_5 or exclusion_flow")
    parser.add_argument("--inputs", nargs="*", default=[], metavar="NAME=PATH", help="the figure's files")
    parser.add_argument("--named", type=Path, help="file of the subjects that figure 6 shows beside those it draws")
    parser.add_argument("--png", type=Path, required=True)
    parser.add_argument("--pdf", type=Path, required=True)
    args = parser.parse_args(argv)
    start(args)

    module = importlib.import_module(f"cmr2ecg.report.figures.{args.figure}")
    settings = args.settings | {"eids": read_named(args.named)[1] if args.named else []}
    figure = module.draw(settings, named_inputs(args.inputs))
    logging.getLogger("fontTools").setLevel(logging.WARNING)  # it tells of every glyph it embeds
    with rc_context(RC), atomic(args.png) as png, atomic(args.pdf) as pdf:
        figure.savefig(png, format="png", dpi=args.settings["dpi"], metadata={"Software": None})
        # A date in the file would make every run look like a change.
        metadata = {"CreationDate": None, "Producer": None, "Creator": None}
        figure.savefig(pdf, format="pdf", dpi=args.settings["dpi"], metadata=metadata)
    logging.info("drew %s", args.figure)


if __name__ == "__main__":
    run(main)
