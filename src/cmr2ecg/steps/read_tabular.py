"""Read covariates, disease labels and CMR phenotypes from UK Biobank's tables (paper §IV-B).

Outputs, parquet, one row a subject: covariates (eid, sex, age, weight, height), labels (eid, cad, af, dm; 0 or 1) and
phenotypes (eid and 61 columns, NaN where absent).
"""

import logging
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.command import run, start, step_parser
from cmr2ecg.files import atomic
from cmr2ecg.ukb.tabular import read_tabular
from cmr2ecg.ukb.withdrawn import read_withdrawn


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--tabular", type=Path, nargs="*", default=[], help="tables with an eid column")
    parser.add_argument("--withdrawn", type=Path, nargs="*", default=[], help="withdrawal lists")
    parser.add_argument("--covariates", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--labels", type=Path, required=True, help="parquet file to write")
    parser.add_argument("--phenotypes", type=Path, required=True, help="parquet file to write")
    args = parser.parse_args(argv)
    start(args)
    tabular = read_tabular(args.tabular, withdrawn=read_withdrawn(args.withdrawn), **args.settings)
    outputs = {
        args.covariates: tabular.covariates,
        args.labels: tabular.labels,
        args.phenotypes: tabular.phenotypes,
    }
    for path, table in outputs.items():
        with atomic(path) as partial:
            table.to_parquet(partial, index=False)
    labels = tabular.labels.drop(columns="eid")
    logging.info("%d subjects; %s", len(labels), ", ".join(f"{name} {labels[name].mean():.2%}" for name in labels))


if __name__ == "__main__":
    run(main)
