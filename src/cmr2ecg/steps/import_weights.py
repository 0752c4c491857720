"""Take an encoder's weights from a file named in the config's section init, in place of a pre-training here.

Outputs: encoder.safetensors under our names, and result.json, which lists what was dropped, unexpected and missing.
"""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.models.classifier import build_encoder
from cmr2ecg.models.published import import_ecg, import_image, read_state
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import write_json
from cmr2ecg.training.checkpoint import save_weights
from cmr2ecg.training.result import provenance

MODULE = "cmr2ecg.steps.import_weights"


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    parser = step_parser(__doc__)
    parser.add_argument("--name", required=True, help="the encoder's name in the section init")
    parser.add_argument("--weights", type=Path, required=True, help=".pth or .safetensors file")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    args = parser.parse_args(argv)
    start(args)
    encoder = build_encoder(args.name, args.settings["models"])
    state, source = read_state(args.weights), f"init.{args.name}: {args.weights}"
    if isinstance(encoder, EcgEncoder):
        found = import_ecg(state, encoder, source)
    else:
        found = import_image(state, encoder, source)
    report = found.report()
    for what in ("dropped", "unexpected", "missing"):
        level = logging.INFO if what == "dropped" or not report[what] else logging.WARNING
        logging.log(level, "%s: %d %s: %s", args.name, len(report[what]), what, ", ".join(report[what]) or "none")
    if found.interpolated:
        logging.warning(
            "%s: position embedding interpolated from %d to %d patches in time", args.name, *found.interpolated
        )
    encoder.load_state_dict(found.state)
    save_weights(args.output / "encoder.safetensors", encoder)
    about = {"step": "import_weights", "name": args.name, "settings": args.settings, **report}
    write_json(args.output / "result.json", about | {"provenance": provenance(MODULE, [args.weights], started)})


if __name__ == "__main__":
    run(main)
