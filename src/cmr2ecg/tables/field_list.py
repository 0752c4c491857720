"""List the fields of a Research Analysis Platform dataset that a study reads, for dx extract_dataset or Table Exporter.

Reads the dataset's fields from standard input, as printed by `dx extract_dataset DATASET --list-fields`, and prints
those required by config/paper.yaml with the given config files, one per line, `participant.eid` first:

  python -m cmr2ecg.tables.field_list --configfile rap.yaml < all_fields.txt > fields.txt
"""

import argparse
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cmr2ecg.runtime.command import InputError, run
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.study.config_file import read_config
from cmr2ecg.study.settings.cohort import IndexCohort, ReadTabular
from cmr2ecg.study.settings.validated import validated
from cmr2ecg.tables.columns import parse_column
from cmr2ecg.tables.phenotypes import phenotype_fields

ENTITY = "participant."


def main(argv: Sequence[str] | None = None) -> None:
    """Print the fields."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], help="the study's config files")
    parser.add_argument("--bare", action="store_true", help="without `participant.`, as Table Exporter expects")
    args = parser.parse_args(argv)
    config = merged([SOURCE.parent / "config/paper.yaml", *args.configfile])
    tabular = validated(ReadTabular, config["read_tabular"], "read_tabular")
    index = validated(IndexCohort, config["index_cohort"], "index_cohort")
    names = chosen(sys.stdin, tabular, index.instances)
    print("\n".join(name.removeprefix(ENTITY) if args.bare else name for name in names))


def merged(files: Sequence[Path]) -> dict[str, Any]:
    """Merge the settings of several config files as Snakemake does, later ones overriding earlier ones."""
    whole: dict[str, Any] = {}
    for file in files:
        overlay(whole, read_config(file))
    return whole


def overlay(settings: dict[str, Any], others: Mapping[str, Any]) -> None:
    """Override settings by others; maps merge, lists are replaced."""
    for key, value in others.items():
        if isinstance(value, Mapping) and isinstance(settings.get(key), dict):
            overlay(settings[key], value)
        else:
            settings[key] = value


def chosen(lines: Iterable[str], settings: ReadTabular, instances: Sequence[int]) -> list[str]:
    """Return the required fields of a dataset, in its order.

    Args:
        lines: `participant.p31` and a title after a tab; fields of other entities are skipped.
        settings: of read_tabular.
        instances: imaging visits; of fields measured at visits only these instances are returned.

    Raises:
        InputError: if a field with codes or a covariate is not in the dataset; names the setting.
    """
    measured, recorded = wanted_fields(settings)
    names, found = [f"{ENTITY}eid"], set()
    for line in lines:
        name = line.split("\t")[0].strip()
        column = parse_column(name) if name.startswith(ENTITY) else None
        if column is None:
            continue
        at_a_visit = column.field in measured and (column.instance is None or column.instance in instances)
        if at_a_visit or column.field in recorded:
            names.append(name)
            found.add(column.field)
    report_missing({**measured, **recorded}, found)
    return names


def wanted_fields(settings: ReadTabular) -> tuple[dict[int, str], dict[int, str]]:
    """Return field id -> setting of what is measured at visits, and of what comes from records."""
    measured = {field: f"read_tabular.fields.{name}" for name, field in settings.fields}
    if settings.visit_date:
        measured[settings.visit_date] = "read_tabular.visit_date"
    measured |= {field: f"the phenotype {name}" for name, field in phenotype_fields().items()}
    recorded = {}
    for name, source in settings.diagnoses:
        for key, field in (("codes", source.codes), ("dates", source.dates)):
            if source.use and field:
                recorded[field] = f"read_tabular.diagnoses.{name}.{key}"
    return measured, recorded


def report_missing(wanted: Mapping[int, str], found: set[int]) -> None:
    """Warn of phenotypes missing from the dataset; raise for any other missing field."""
    missing = {field: what for field, what in wanted.items() if field not in found}
    phenotypes = [field for field, what in missing.items() if what.startswith("the phenotype")]
    if phenotypes:
        logging.warning("%d of the 61 phenotypes are not in this dataset", len(phenotypes))
    others = [f"{field} ({what})" for field, what in missing.items() if field not in phenotypes]
    if others:
        raise InputError(
            f"the dataset has no field {', '.join(others)}: request them in the application, or change the settings"
        )


if __name__ == "__main__":
    run(main)
