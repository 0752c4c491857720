"""Train one job's share of a sweep over fine-tune settings, scored on the validation split (paper §IV-C.2).

The trials share this process, one copy of the recordings and one warm start. Finished trials are kept in `finished/`
beside the output and never trained again under the same data, weights, code and fixed settings. Test subjects are in
none of the tables this step is given, and their recordings are never read.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from cmr2ecg.models.classifier import is_cmr
from cmr2ecg.runtime.command import InputError, run, start, step_parser
from cmr2ecg.runtime.files import sha256, write_json
from cmr2ecg.runtime.fingerprint import fingerprint
from cmr2ecg.sweeps.networks import network_outcomes
from cmr2ecg.sweeps.run import Fit, Pack, failed, run_job, sweep_parser, write_pack
from cmr2ecg.sweeps.store import Outcome, Store
from cmr2ecg.training.checkpoint import read_weights
from cmr2ecg.training.device import pick_machine
from cmr2ecg.training.fit.finetune import Setup, cut_to_learnable
from cmr2ecg.training.fit.subjects import Subjects, Tables
from cmr2ecg.training.fit.targets import task_of
from cmr2ecg.training.result import digest

MODULE = "cmr2ecg.steps.sweep"


def main(argv: Sequence[str] | None = None) -> None:
    parser = sweep_parser(step_parser(__doc__))
    parser.add_argument("--dataset", type=Path, required=True, help="dataset.h5")
    parser.add_argument("--split", type=Path, required=True, help="split.csv without the test subjects")
    parser.add_argument("--subsets", type=Path, required=True, help="folder of TARGET_FRACTION.csv")
    parser.add_argument("--labels", type=Path, required=True, help="labels.parquet without the test subjects")
    parser.add_argument("--phenotypes", type=Path, required=True, help="phenotypes.parquet without the test subjects")
    parser.add_argument("--weights", type=Path, help="pre-trained encoder; left out: random")
    parser.add_argument("--encoder", required=True, help="its name")
    parser.add_argument("--target", required=True, help="disease or group of phenotypes")
    parser.add_argument("--memory-mb", type=float, default=8000, help="hold the data in memory up to this size")
    args = parser.parse_args(argv)
    start(args)
    fixed, models = args.settings["method"], args.settings["models"]
    machine = pick_machine(args.settings)
    task, tables = task_of(args.target), Tables(args.split, args.subsets, args.labels, args.phenotypes)
    subset = [] if task.is_regression else [args.subsets / f"{args.target}_100.csv"]
    files = [args.dataset, args.split, args.phenotypes if task.is_regression else args.labels, *subset]
    files += [args.weights] if args.weights else []
    contents = [sha256(path) for path in files]
    cache_key = digest([fixed, models, machine.precision, args.encoder, fingerprint(MODULE), contents])

    def train(fits: Sequence[Fit], epochs: int | None) -> Iterable[Outcome]:
        field = "cmr" if is_cmr(args.encoder) else "ecg"
        size = models.get("cmr_encoder", {}).get("image_size")
        read = {"splits": ("val",), "memory_mb": args.memory_mb, "image_size": size}
        subjects = Subjects(args.dataset, tables, [(args.target, 100)], field, **read)
        start = read_weights(args.weights) if args.weights else None
        try:
            folds = {name: subjects.fold(task, name, 100) for name in ("train", "val")}
            cut, folds, _ = cut_to_learnable(task, folds)
        except InputError as error:
            return failed(fits, error)
        setup = Setup(args.encoder, models, start, cut, folds["train"], folds["val"], machine.device, machine.precision)
        states = args.finished.parent / "states"
        return network_outcomes(setup, fixed, fits, epochs, states=states, cache_key=cache_key)

    pack = Pack(**args.settings["sweep"])
    store = Store(args.finished, pack.name, cache_key)
    results, cost = run_job(pack, args.previous, store, train, f"sweep {args.encoder}/{args.target}")
    write_pack(args.output, results)
    write_json(args.cost, cost)


if __name__ == "__main__":
    run(main)
