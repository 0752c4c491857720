"""A sweep's start-up in packed jobs against one job a trial, and XGBoost's grid against one training a trial."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from xgboost import XGBClassifier

from cmr2ecg.benchmarks.rows import alone, compared
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.study.sweep_grid import combinations
from cmr2ecg.sweeps.cost import startup_share
from cmr2ecg.sweeps.run import fits_of
from cmr2ecg.sweeps.trees import tree_outcomes
from cmr2ecg.training.fit.boosting import Problem

SUBJECTS, VAL, EPOCHS = 96, 32, 4  # of the packed job; the networks have the paper's size
TREES = {"rounds": [50, 75, 100, 125, 150], "max_depth": [3, 8], "learning_rate": [0.1, 0.3], "subsample": [0.5]}
CAD_TRAIN, CAD_VAL = 4030, 6007  # the paper's cohort


def run() -> list[dict]:
    """Return sweep_startup_share, xgboost_grid_vs_one_by_one and its share of the longest trainings alone."""
    return [startup(), *grid()]


def startup() -> dict:
    """Return the share of start-up in a job of trials_per_job trials, and in one with a single trial.

    The trials are short ones, so both shares are far above those of a real sweep; docs/sweeps.md gives the formula.
    """
    settings = paper_settings()
    count = settings["sweep"]["trials_per_job"]
    trials = combinations(settings["sweep"]["grid"])[:count]
    with tempfile.TemporaryDirectory() as folder:
        write_study(Path(folder))
        packed, single = (job_cost(Path(folder), trials[:size], settings) for size in (count, 1))
    ours, plain = startup_share([packed]), startup_share([single])
    seconds = packed["training_seconds"] / count
    enough = int(np.ceil(9 * packed["startup_seconds"] / seconds))
    note = (
        f"{count} trials a job against one, {seconds:.1f} s a trial ({SUBJECTS} subjects, {EPOCHS} epochs, paper's "
        f"network), start-up {packed['startup_seconds']:.1f} s; {enough} such trials bring it under 10 %"
    )
    row = {"name": "sweep_startup_share", "ours": ours, "plain": plain, "unit": "share of the job"}
    return {**row, "ratio": plain / ours, "note": note}


def write_study(folder: Path) -> None:
    """Write a made-up data set with the tables a sweep reads."""
    rng = np.random.default_rng(0)
    eids = 9000001 + np.arange(SUBJECTS + VAL)
    with h5py.File(folder / "dataset.h5", "w") as file:
        file["eid"] = eids
        file["ecg"] = rng.standard_normal((len(eids), 12, 5000), dtype=np.float32)
    split = np.repeat(["train", "val"], [SUBJECTS, VAL])
    pd.DataFrame({"eid": eids, "split": split}).to_csv(folder / "split.csv", index=False)
    labels = pd.DataFrame({"eid": eids, "cad": np.arange(len(eids)) % 2})
    labels.to_parquet(folder / "labels.parquet")
    labels[:SUBJECTS].rename(columns={"cad": "label"}).to_csv(folder / "cad_100.csv", index=False)


def job_cost(folder: Path, trials: list[dict], settings: dict) -> dict:
    """Run the sweep step as a process and return what it cost."""
    left_out = (*settings["sweep"]["grid"], "encoders", "targets", "overrides", "seeds", "keep_checkpoints")
    method = {key: value for key, value in settings["finetune"].items() if key not in left_out}
    method |= {"minimum_steps": 1, "validation_interval": 1}
    plan = {"rung": 0, "pack": len(trials), "epochs": EPOCHS, "seeds": [0], "trials": trials}
    plan |= {"promoted": len(trials), "first": 0, "last": len(trials)}
    job = {"method": method, "sweep": plan, "device": "auto", "precision": "auto"}
    job["models"] = {"ecg_encoder": settings["models"]["ecg_encoder"]}
    own = folder / str(len(trials))
    files = {"dataset": folder / "dataset.h5", "split": folder / "split.csv", "subsets": folder}
    files |= {"labels": folder / "labels.parquet", "phenotypes": folder / "labels.parquet"}
    files |= {"finished": own / "finished", "output": own / "pack.json", "cost": own / "cost.json"}
    arguments = [text for name, path in files.items() for text in (f"--{name}", str(path))]
    command = [sys.executable, "-m", "cmr2ecg.steps.sweep", "--settings", json.dumps(job), *arguments]
    command += ["--encoder", "supervised", "--target", "cad", "--threads", "2", "--log", str(own / "sweep.log")]
    subprocess.run(command, check=True)
    return json.loads((own / "cost.json").read_text())


def grid() -> list[dict]:
    """Return the trials a second of XGBoost's grid with shared trees, and with a training of its own for each.

    The limit is to train only those with the most rounds, whose first trees are the other trials.
    """
    rng = np.random.default_rng(0)
    train, val = (pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd")) for n in (CAD_TRAIN, CAD_VAL))
    labels = [(table["a"] + 2 * rng.normal(size=len(table)) > 0).astype(float).to_numpy() for table in (train, val)]
    trials = combinations(TREES)
    begun = time.perf_counter()
    problem = Problem.of(train, labels[0], val, labels[1], regression=False, threads=1)
    list(tree_outcomes([problem], fits_of(trials, [0]), {}))
    shared = time.perf_counter() - begun
    each, longest = (
        seconds_of(chosen, train, labels[0], val)
        for chosen in (trials, [trial for trial in trials if trial["rounds"] == max(TREES["rounds"])])
    )
    note = f"{len(trials)} trials, {CAD_TRAIN} subjects to train on and {CAD_VAL} to score, 1 thread"
    ours, plain, limit = (len(trials) / seconds for seconds in (shared, each, longest))
    return [
        compared("xgboost_grid_vs_one_by_one", ours, plain, "trials/s", note),
        compared("xgboost_grid_of_longest", ours, limit, "trials/s", f"of training the longest alone; {note}"),
    ]


def seconds_of(trials: list[dict], train: pd.DataFrame, labels: np.ndarray, val: pd.DataFrame) -> float:
    """Return the seconds in which XGBoost itself trains and scores trials one after the other."""
    begun = time.perf_counter()
    for trial in trials:
        renamed = {"n_estimators" if name == "rounds" else name: value for name, value in trial.items()}
        XGBClassifier(**renamed, random_state=0, n_jobs=1).fit(train, labels).predict_proba(val)
    return time.perf_counter() - begun


if __name__ == "__main__":
    alone(run, __doc__)
