"""How the data steps are called on the files of one folder; the files of one step are there for the next."""

from pathlib import Path

from cmr2ecg.study.settings.cohort import SubsetDraw
from cmr2ecg.study.settings.study import Settings

# @NAME is a file of the folder, or, with a star, several; they lie as in a study of `shards` shards.
FILES = {
    "index_shard": "--shard 0 --shards {shards} --ecg @ecg --cmr @cmr --visits @shard.parquet --flow @shard.csv",
    "index_cohort": "--shard-visits @shard.parquet --shard-flow @shard.csv --visits @visits.parquet --flow @index.csv",
    "clean_ecg": "--visits @shard.parquet --output @ecg_0.h5 --qc @ecg_0.csv",
    "crop_cmr": "--visits @shard.parquet --output @cmr_0.h5 --qc @cmr_0.csv",
    "read_tabular": "--tabular @tabular.csv --visits @visits.parquet --covariates @covariates.parquet "
    "--labels @labels.parquet --dates @dates.parquet --phenotypes @phenotypes.parquet",
    "assemble_dataset": "--index-flow @index.csv --ecg @ecg_*.h5 --ecg-qc @ecg_*.csv --cmr @cmr_*.h5 "
    "--cmr-qc @cmr_*.csv --labels @labels.parquet --output @dataset.h5 --flow @flow.csv",
    "split_subjects": "--dataset @dataset.h5 --labels @labels.parquet --visits @visits.parquet --output @split.csv",
    "balance_subset": "--values @labels.parquet --split @split.csv --target {target} --fraction {fraction} "
    "--output @{target}_{fraction}.csv",
    "audit_leakage": "--dataset @dataset.h5 --split {split} --labels @labels.parquet --visits @visits.parquet "
    "--output @audit.json --duplicates @duplicates.csv",
    "audit_subsets": "--target cad --split @split.csv --values @labels.parquet --subsets @cad_100.csv "
    "--output @subsets.json",
    "audit_withdrawn": "--results @. --withdrawn @withdrawn.csv --output @withdrawn.json",
}
USUAL = {"shards": 1, "target": "cad", "fraction": 100, "split": "@split.csv"}


def arguments(step: str, folder: Path, **values: object) -> list[str]:
    """Return a data step's command line at the paper's settings."""
    sections = {"index_shard": Settings().index_cohort, "balance_subset": SubsetDraw()}
    section = sections.get(step) or getattr(Settings(), step, None)
    found = ["--settings", section.model_dump_json() if section else "{}"]
    for word in FILES[step].format(**USUAL | values).split():
        name = word.removeprefix("@")
        if "*" in word:
            found += sorted(map(str, folder.glob(name)))
        else:
            found.append(word if word == name else str(folder / name))
    return found


def command(step: str, folder: Path, **values: object) -> list[str]:
    """Return what Python needs to run a data step."""
    return ["-m", f"cmr2ecg.steps.{step}", *arguments(step, folder, **values)]
