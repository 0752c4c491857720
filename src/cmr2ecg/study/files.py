"""Where the results that several jobs share lie; `<results>` is results/COHORT, as Snakemake's rules write it."""

from collections.abc import Iterable

TRUTH = "<results>/simulate_cohort/truth.parquet"
VISITS = "<results>/index_cohort/visits.parquet"
COVARIATES, LABELS, DATES, PHENOTYPES = (
    f"<results>/read_tabular/{name}.parquet" for name in ("covariates", "labels", "dates", "phenotypes")
)
DATASET = "<results>/assemble_dataset/dataset.h5"
FLOW = "<results>/assemble_dataset/flow.csv"
SPLIT = "<results>/split_subjects/split.csv"
AUDIT = "<results>/audit_leakage/audit.json"
HIDDEN = "<results>/hide_test"  # split and tables without the test subjects
UNPAIRED = ".unpaired"  # ends the name of a shard of ECGs without an image
EVALUATED = {
    name: f"<results>/evaluate/{name}.csv"
    for name in (
        "metrics",
        "intervals",
        "comparisons",
        "adjusted_comparisons",
        "analyses",
        "calibration",
        "calibration_curve",
        "skipped",
        "models",
        "untrained",
    )
}


def shard_files(step: str, shards: Iterable[int], ending: str) -> list[str]:
    """Return one file of every shard."""
    return [f"<results>/{step}/{shard}{ending}" for shard in shards]


def fit_files(folder: str, fits: Iterable[str], name: str) -> list[str]:
    """Return one file of every fit TARGET/FRACTION in a folder of the results; wildcards in them stay as they are."""
    return [f"<results>/{folder}/{fit}/{name}" for fit in fits]


def network_file(step: str, name: str, part: str = "encoder") -> str:
    """Return the weights of one network of a pre-training."""
    return f"<results>/{step}/{name}/{part}.safetensors"
