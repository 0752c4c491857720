"""Fine-tune one encoder for one or many targets and training subsets, once per seed (paper §IV-C.2).

All fits share one process, one copy of the recordings and one warm start. A fit that cannot be had (too few positives,
a constant phenotype, an encoder of another size) is written as skipped, with the reason, and the others go on.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.runtime.command import run, start
from cmr2ecg.training.checkpoint import read_weights
from cmr2ecg.training.fit.arguments import begin, encoder_parser
from cmr2ecg.training.fit.choice import apply_choice, tuned_trials
from cmr2ecg.training.fit.fits import Encoder, fit_target
from cmr2ecg.training.fit.runs import planned_runs

MODULE = "cmr2ecg.steps.finetune"


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    parser = encoder_parser(__doc__)
    parser.add_argument("--selected", type=Path, nargs="*", default=[], help="choices of sweeps, ENCODER_TARGET.json")
    parser.add_argument("--keep-every-seed", type=int, nargs="*", default=[], help="fractions whose seeds all stay")
    args = parser.parse_args(argv)
    start(args)
    job = begin(args, MODULE, started, also=args.selected)
    inputs: dict[int | None, object] = {None: job.origin.depends_on(args.dataset)}
    inputs |= {number: job.origin.depends_on(args.dataset, path) for number, path in enumerate(args.weights)}
    starts = [read_weights(path) for path in args.weights]
    encoder = Encoder(job.encoder, job.settings["models"], starts, inputs, job.machine)
    selected = {path.stem.removeprefix(f"{job.encoder}_"): path for path in args.selected}
    for folder in job.folders():
        keep = {"keep_checkpoints": "all"} if folder.fraction in args.keep_every_seed else {}
        choice = selected.get(folder.target)
        settings = apply_choice(job.settings["method"] | keep, choice, job.encoder, folder.target)
        runs = planned_runs(job.settings["method"]["seeds"], job.settings, folder.fraction)
        fit_target(encoder, folder, settings, runs, tuned_trials=tuned_trials(choice))


if __name__ == "__main__":
    run(main)
