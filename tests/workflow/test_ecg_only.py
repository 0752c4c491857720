"""The workflow without CMR on 20 real WFDB records: pre-training, fine-tuning, evaluation, release, prediction."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import pandas as pd
import pytest
from drive_snakemake import copy_repository, snakemake

pytestmark = [pytest.mark.slow, pytest.mark.long]
RECORDS = Path(__file__).resolve().parents[3] / "shared/data/ecg_wfdb"
TACHYCARDIA = "427084000"  # SNOMED code of found_code tachycardia in the headers; 8 of the 20 records have it
OVERLAY = """
cohort: real
shards: 2
device: cpu
precision: fp32
raw: {ecg: [own/records.csv], tabular: [own/records.csv], withdrawn: [own/withdrawn.csv]}
read_tabular: {diseases: {tachycardia: [R00]}}
split_subjects: {train: 0.5, val: 0.25, test: 0.25}
balance_subset: {fractions: [100]}
models:
  ecg_encoder: {patch: 500, dim: 16, depth: 1, heads: 2}
  mae_decoder: {dim: 16, depth: 1, heads: 2}
pretrain: {mae: {epochs: 2, batch_size: 4, base_lr: 1.0e-3}}
finetune: {encoders: [mae], targets: [tachycardia], seeds: [0, 101], epochs: 2, minimum_steps: 4, job: encoder}
probe: {encoders: [mae], targets: [tachycardia], penalties: [1.0]}
train_tabular: {targets: [tachycardia], seeds: [0], rounds: 3}
make_table: {tables: [3]}
make_figure: {figures: [2, 5]}
"""


def write_table(folder: Path) -> None:
    """Write records.csv from the headers' own comments; the last record is also a subject's second one."""
    folder.mkdir()
    rows = []
    for number, header in enumerate(sorted(RECORDS.glob("*.hea")), start=9000001):
        shutil.copy(header, folder)
        shutil.copy(header.with_suffix(".mat"), folder)
        found = dict(re.findall(r"# (\w+): (.*)", header.read_text()))
        fast = int(TACHYCARDIA in found["Dx"].split(","))
        rows.append([number, 0, header.stem, fast, found["Sex"], found["Age"]])
    rows.append([9000001, 1, rows[-1][2] + ".hea", 1 - rows[0][3], *rows[0][4:]])  # it is not used
    with open(folder / "records.csv", "w", newline="") as handle:
        csv.writer(handle).writerows([["eid", "instance", "path", "tachycardia", "sex", "age"], *rows])
    (folder / "withdrawn.csv").write_text("9000020\n")


@pytest.mark.skipif(not RECORDS.is_dir(), reason="shared/data/ecg_wfdb is not on this machine")
def test_real_records_are_trained_on_and_predicted_without_any_image(tmp_path):
    copy_repository(tmp_path)
    write_table(tmp_path / "own")
    (tmp_path / "real.yaml").write_text(OVERLAY)
    done = snakemake(tmp_path, "--show-failed-logs", "--configfile", "config/ecg_only.yaml", "real.yaml")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    results = tmp_path / "results/real"
    with h5py.File(results / "assemble_dataset/dataset.h5") as file:
        assert set(file) == {"eid", "ecg"} and 15 <= len(file["eid"]) <= 19 and 9000020 not in file["eid"][:]
    labels = pd.read_parquet(results / "read_tabular/labels.parquet")
    assert labels["tachycardia"].sum() in (7, 8) and [*labels] == ["eid", "tachycardia"]
    assert pd.read_parquet(results / "read_tabular/covariates.parquet")["age"].notna().all()
    fit = json.loads((results / "finetune/mae/tachycardia/100/result.json").read_text())
    assert "skipped" not in fit and fit["n_val"] >= 3
    assert not (results / "crop_cmr").exists() and not (results / "pretrain_cmr").exists()
    card = (results / "release/mae/README.md").read_text()
    assert "`tachycardia`, Tachycardia: 1 output" in card and "synthetic" not in card
    table_3 = (results / "make_table/table_3.md").read_text()
    assert "| DM | DM, paper | Tachycardia |" in table_3 and "with Tachycardia" in table_3
    assert (results / "make_figure/figure_5.png").stat().st_size > 10_000

    command = [sys.executable, "-m", "cmr2ecg", "predict", "own", "--rate", "500", "--no-pages", "--threads", "1"]
    command += ["--model", str(results / "release/mae"), "--out", "said"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    said = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert said.returncode == 0, said.stderr
    table = pd.read_csv(tmp_path / "said/predictions.csv")
    assert (table["status"] == "predicted").sum() >= 15 and table["tachycardia_risk"].dropna().between(0, 1).all()
