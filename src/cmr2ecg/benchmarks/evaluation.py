"""Time and memory of scoring a whole study: simulated predictions of every model, target and seed of the paper.

    python -m cmr2ecg.benchmarks.evaluation --subjects 40044

writes the predictions into a temporary folder and runs the steps evaluate and make_table on them, each in a process
of its own.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.report.tables.names import MODELS
from cmr2ecg.report.tables.supplements import SUPPLEMENTS
from cmr2ecg.report.tables.table_layouts import LAYOUTS
from cmr2ecg.study.claims import DISEASES
from cmr2ecg.study.encoders import DRAWN
from cmr2ecg.study.targets import PHENOTYPE_GROUPS, is_regression
from cmr2ecg.tables.phenotypes import phenotype_names

SEEDS = (0, 101, 202, 303, 404)
FRACTIONS = (100, 10, 1)
PREVALENCE = {"cad": 0.0722, "af": 0.0298, "dm": 0.0446}  # §IV-B
HELD_OUT = 0.15  # share of subjects in val, and in test
FIRST = 9_000_001
PEAK = "import sys; from cmr2ecg.steps.{step} import main; main(sys.argv[1:]); print(open('/proc/self/status').read())"


def main() -> None:
    """Print seconds and peak memory of every step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=40_044)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for row in measure(Path(folder), args.subjects):
            print(json.dumps(row), flush=True)


def measure(root: Path, subjects: int) -> Iterator[dict]:
    """Yield {step, seconds, peak_mb} of evaluate and of every table."""
    paths = write_study(root, subjects)
    results = [path.with_name("result.json") for path in paths]
    sides = write_sides(root, subjects)
    settings = json.dumps(paper_settings()["evaluate"])
    arguments = ["--settings", settings, "--threads", "2", "--output", root / "evaluate"]
    arguments += ["--predictions", *paths, "--results", *results]
    arguments += [word for name, path in sides.items() for word in (f"--{name}", path)]
    yield timed("evaluate", arguments)
    for table in (*LAYOUTS, *SUPPLEMENTS):
        outputs = [word for kind in ("csv", "md", "tex", "html") for word in (f"--{kind}", root / f"{table}.{kind}")]
        yield timed("make_table", ["--table", table, "--evaluated", root / "evaluate", *outputs])


def timed(step: str, arguments: list) -> dict:
    """Run a step in its own process and return its seconds and largest resident memory (Linux)."""
    begin = time.perf_counter()
    command = [sys.executable, "-c", PEAK.format(step=step), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    peak = int(re.search(r"VmHWM:\s+(\d+)", done.stdout)[1]) / 1024
    return {"step": step, "seconds": round(time.perf_counter() - begin, 1), "peak_mb": round(peak)}


def write_study(root: Path, subjects: int) -> list[Path]:
    """Write predictions.parquet and result.json of every model and target; return the predictions' paths."""
    held_out = round(HELD_OUT * subjects)
    rng = np.random.default_rng(0)
    paths = []
    for target in (*DISEASES, *PHENOTYPE_GROUPS):
        outputs = phenotype_names(target) if is_regression(target) else [target]
        truth = [_truth(target, 2 * held_out, rng) for _ in outputs]
        for encoder in (name for name in MODELS if name not in DRAWN):
            for fraction in FRACTIONS if target in DISEASES else FRACTIONS[:1]:
                stage = ("train_tabular",) if encoder == "tabular" else ("finetune", encoder)
                folder = root.joinpath(*stage, target, str(fraction))
                folder.mkdir(parents=True)
                _predictions(outputs, truth, rng).to_parquet(folder / "predictions.parquet", index=False)
                (folder / "result.json").write_text(json.dumps({"n_train": 2 * subjects // 100}))
                paths.append(folder / "predictions.parquet")
    return paths


def _truth(target: str, n: int, rng: np.random.Generator) -> np.ndarray:
    if target in DISEASES:
        return (rng.random(n) < PREVALENCE[target]).astype(float)
    values = rng.normal(100, 20, n)
    values[rng.random(n) < 0.5] = np.nan
    return values


def _predictions(outputs: list[str], truth: list[np.ndarray], rng: np.random.Generator) -> pd.DataFrame:
    n, blocks = len(truth[0]), len(outputs) * len(SEEDS)
    names = pd.Categorical.from_codes(np.repeat(np.arange(len(outputs)), n * len(SEEDS)), outputs)
    splits = pd.Categorical.from_codes(np.tile(np.repeat([0, 1], n // 2), blocks), ["val", "test"])
    known = np.concatenate([np.tile(values, len(SEEDS)) for values in truth])
    signal = np.nan_to_num((known - np.nanmean(known)) / np.nanstd(known)) + rng.normal(0, 2, known.size)
    return pd.DataFrame(
        {
            "seed": np.tile(np.repeat(SEEDS, n), len(outputs)),
            "eid": np.tile(FIRST + np.arange(n), blocks),
            "split": splits,
            "output": names,
            "y_true": known,
            "y_score": 1 / (1 + np.exp(-signal)),
        }
    )


def write_sides(root: Path, subjects: int) -> dict[str, Path]:
    """Write split, labels, covariates and dates."""
    rng = np.random.default_rng(1)
    held_out = round(HELD_OUT * subjects)
    n = subjects
    eid = FIRST + np.arange(n)
    paths = {name: root / f"{name}.parquet" for name in ("labels", "covariates", "dates")}
    paths |= {"split": root / "split.csv"}
    split = np.repeat(["val", "test", "train"], [held_out, held_out, n - 2 * held_out])
    pd.DataFrame({"eid": eid, "split": split}).to_csv(paths["split"], index=False)
    labels = {name: (rng.random(n) < share).astype(int) for name, share in PREVALENCE.items()}
    pd.DataFrame({"eid": eid, **labels}).to_parquet(paths["labels"])
    body = {"sex": rng.integers(0, 2, n) * 1.0, "age": rng.uniform(45, 82, n), "weight": rng.normal(76, 14, n)}
    pd.DataFrame({"eid": eid, **body, "height": rng.normal(170, 9, n)}).to_parquet(paths["covariates"])
    visit = np.datetime64("2016-05-04")
    dates = {f"{name}_date": visit + rng.integers(-3000, 2000, n) for name in PREVALENCE}
    pd.DataFrame({"eid": eid, "visit_date": visit, **dates}).to_parquet(paths["dates"])
    return paths


if __name__ == "__main__":
    main()
