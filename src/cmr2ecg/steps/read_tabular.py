"""Read covariates, disease labels with dates, and CMR phenotypes from UK Biobank's tables (paper §IV-B).

Outputs, parquet, one row for each indexed subject in the tables: covariates (eid, sex, age, weight, height), labels
(eid, cad, af, dm; 0 or 1), dates (eid, visit_date, cad_date, ... of the first record), phenotypes (eid and 61 columns).
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cmr2ecg.cohort.visits import named_tables
from cmr2ecg.runtime.command import run, start, step_parser
from cmr2ecg.runtime.files import atomic
from cmr2ecg.study.settings.cohort import ReadTabular
from cmr2ecg.study.settings.validated import step_settings
from cmr2ecg.tables.named_columns import read_named
from cmr2ecg.tables.tabular import Tabular, read_tabular

TABLES = ("covariates", "labels", "dates", "phenotypes")


def main(argv: Sequence[str] | None = None) -> None:
    parser = step_parser(__doc__)
    parser.add_argument("--tabular", type=Path, nargs="*", default=[], help="tables with an eid column")
    parser.add_argument("--raw", type=Path, help="the run's list of raw files, which may name further tables")
    parser.add_argument("--visits", type=Path, required=True, help="visits.parquet of index_cohort")
    for name in TABLES:
        parser.add_argument(f"--{name}", type=Path, required=True, help="parquet file to write")
    args = parser.parse_args(argv)
    start(args)
    visits = pd.read_parquet(args.visits, columns=["eid", "instance"])
    files = [*args.tabular, *named_tables(args.raw, "tabular")]
    settings = step_settings(ReadTabular, args.settings)
    if settings.layout == "named":
        covariates, diseases = sorted(dict(settings.fields)), [*settings.diseases]
        tabular = read_named(files, visits, covariates, diseases, dict(settings.ranges))
    else:
        tabular = read_tabular(files, visits, settings)
    for name in TABLES:
        with atomic(getattr(args, name)) as partial:
            getattr(tabular, name).to_parquet(partial, index=False)
    report(tabular, len(visits))


def report(tabular: Tabular, indexed: int) -> None:
    """Log how many subjects have each disease, and whether before or after the visit."""
    labels, dates = tabular.labels, tabular.dates
    logging.info("%d of %d indexed subjects are in the tables", len(labels), indexed)
    for name in labels.columns.drop("eid"):
        first = dates[f"{name}_date"]
        before, after = (first <= dates["visit_date"]).sum(), (first > dates["visit_date"]).sum()
        counts = (labels[name].sum(), 100 * labels[name].mean(), before, after, labels[name].sum() - before - after)
        logging.info("%s: %d (%.2f %%), of these %d by the visit, %d after it, %d undated", name, *counts)


if __name__ == "__main__":
    run(main)
