"""Try every setting of XGBoost's grid on one target's whole training set, scored on validation (paper §IV-D.1).

All trials share this process and one copy of the covariates. Test subjects are in none of its inputs.
"""

from collections.abc import Iterable, Sequence

from cmr2ecg.runtime.command import InputError, run, start
from cmr2ecg.runtime.files import sha256, write_json
from cmr2ecg.runtime.fingerprint import fingerprint
from cmr2ecg.study.sweep_grid import combinations
from cmr2ecg.sweeps.run import Fit, Pack, failed, run_job, sweep_parser, write_pack
from cmr2ecg.sweeps.store import Outcome, Store
from cmr2ecg.sweeps.trees import tree_outcomes
from cmr2ecg.training.fit.tabular import Tables, problems_of, read_folds, tabular_parser
from cmr2ecg.training.result import digest

MODULE = "cmr2ecg.steps.sweep_tabular"


def main(argv: Sequence[str] | None = None) -> None:
    args = sweep_parser(tabular_parser(__doc__)).parse_args(argv)
    start(args)
    fixed = args.settings["method"]
    tables = Tables(args.covariates, args.split, args.values, args.subset)
    cache_key = digest([fixed, args.threads, fingerprint(MODULE), [sha256(path) for path in tables.paths()]])

    def train(fits: Sequence[Fit], _epochs: int | None) -> Iterable[Outcome]:
        try:
            problems, _ = problems_of(read_folds(tables, args.target, ("val",)), args.target, threads=args.threads)
        except InputError as error:
            return failed(fits, error)
        return tree_outcomes(list(problems.values()), fits, fixed)

    trials = combinations(args.settings["grid"])
    pack = Pack(0, 0, 1, args.settings["seeds"], trials, len(trials), 0, len(trials))
    store = Store(args.finished, pack.name, cache_key)
    results, cost = run_job(pack, args.previous, store, train, f"sweep tabular/{args.target}")
    write_pack(args.output, results)
    write_json(args.cost, cost)


if __name__ == "__main__":
    run(main)
