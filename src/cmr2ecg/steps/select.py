"""Choose the best trial of a sweep by its validation score and write it with its runner-ups (paper §IV-C.2).

Outputs: the choice (json), all trials best first (csv), their scores by epoch (csv), and result.json with what each
trial cost. Only the last one tells of time and machine; the others are the same bytes whenever the scores are.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic, write_json
from cmr2ecg.study.targets import is_regression
from cmr2ecg.sweeps.cost import startup_share
from cmr2ecg.sweeps.ranking import choice_of, curve_table, entry_of, rank_rungs, total_seconds, trial_table
from cmr2ecg.sweeps.run import read_packs
from cmr2ecg.sweeps.store import clean_store
from cmr2ecg.training.result import provenance

MODULE = "cmr2ecg.steps.select"


def main(argv: Sequence[str] | None = None) -> None:
    started = time.monotonic()
    parser = step_parser(__doc__)
    parser.add_argument("--packs", type=Path, nargs="+", required=True, help="rung_R/pack_P.json of all rounds")
    parser.add_argument("--costs", type=Path, nargs="+", required=True, help="their pack_P.cost.json")
    parser.add_argument("--encoder", required=True, help="its name")
    parser.add_argument("--target", required=True, help="disease or group of phenotypes")
    parser.add_argument("--choice", type=Path, required=True, help="json file to write")
    parser.add_argument("--output", type=Path, required=True, help="folder for trials.csv, curves.csv and result.json")
    args = parser.parse_args(argv)
    start(args)
    rounds: dict[str, list[Path]] = {}
    for path in args.packs:
        rounds.setdefault(path.parent.name, []).append(path)
    results = [read_packs(paths) for _, paths in sorted(rounds.items(), key=lambda item: int(item[0].split("_")[1]))]
    ranking = rank_rungs(results)
    about = {
        "encoder": args.encoder,
        "target": args.target,
        "metric": "r" if is_regression(args.target) else "auroc",
        "split": "val",
        "strategy": args.settings["strategy"],
        "trials": len(ranking),
        "rounds": [len({result.outcome.trial for result in rung}) for rung in results],
    }
    choice = {**about, **choice_of(ranking, args.settings["runner_ups"])}
    for name, table in (("trials", trial_table(ranking)), ("curves", curve_table(results))):
        with atomic(args.output / f"{name}.csv") as partial:
            table.to_csv(partial, index=False, lineterminator="\n")
    costs = [json.loads(path.read_text()) for path in args.costs]
    jobs = [{key: value for key, value in cost.items() if key != "seconds"} for cost in costs]
    described = {
        "step": "sweep",
        "name": f"{args.encoder}/{args.target}",
        **choice,
        "settings": args.settings,
        "all_trials": [entry_of(entry) for entry in ranking],
        "seconds": total_seconds(costs),
        "jobs": jobs,
        "startup_share": startup_share(jobs),
        "provenance": provenance(MODULE, args.packs, started, threads=args.threads),
    }
    write_json(args.output / "result.json", described)
    write_json(args.choice, choice)
    clean_store(args.output, {f"{path.parent.name}_{path.stem}" for path in args.packs})


if __name__ == "__main__":
    run(main)
