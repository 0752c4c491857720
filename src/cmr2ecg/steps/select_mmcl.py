"""Take, of multimodal pre-trainings at several base learning rates, the one with the lowest validation loss (§IV-C.2).

Its files are copied; result.json gains `candidates`, best first.
"""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic, write_json
from cmr2ecg.training.pretrain.candidates import candidate_row, ranked

log = logging.getLogger(__name__)
RESULT = "result.json"


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--candidates", nargs="+", required=True, help="names of the folders in OUTPUT/candidates")
    parser.add_argument("--output", type=Path, required=True, help="folder for the best candidate's files")
    args = parser.parse_args(argv)
    start(args)
    folders = [args.output / "candidates" / name for name in args.candidates]
    results = [json.loads((folder / RESULT).read_text()) for folder in folders]
    order = ranked(results)
    best = folders[order[0]]
    for path in sorted(best.iterdir()):
        if path.suffix in (".safetensors", ".jsonl"):
            with atomic(args.output / path.name) as partial:
                shutil.copyfile(path, partial)
    rows = [candidate_row(results[index], best=index == order[0]) for index in order]
    for row in rows:
        log.info("base_lr %g: validation loss %.5g%s", row["base_lr"], row["val_loss"], ", taken" * row["selected"])
    write_json(args.output / RESULT, {**results[order[0]], "name": args.output.name, "candidates": rows})


if __name__ == "__main__":
    run(main)
