"""Data sets as downloaded, from their own tables to the headline: no csv by hand, no code for what differs."""

import json
import re

import h5py
import pandas as pd
import pytest
from drive_snakemake import copy_repository, snakemake
from raw.data_sets_written import ecg, write_code15, write_mimic, write_ptbxl, write_record

pytestmark = [pytest.mark.slow, pytest.mark.long]
TINY = """
cohort: {name}
shards: {shards}
device: cpu
raw: {{ecg: [sets/{name}], unlabelled: [{further}]}}
balance_subset: {{fractions: [100, 50]}}
models:
  ecg_encoder: {{dim: 16, depth: 1, heads: 2}}
  mae_decoder: {{dim: 16, depth: 1, heads: 2}}
pretrain: {{mae: {{epochs: 1, batch_size: 16}}}}
finetune:
  {{encoders: [supervised, mae], targets: [{targets}], seeds: [0, 101], epochs: 1, minimum_steps: 4,
   overrides: {{supervised: {{epochs: 1, minimum_steps: 4}}}}}}
probe: {{encoders: [random, mae], targets: [{probed}], random_seeds: [0], penalties: [1.0]}}
train_tabular: {{targets: [{tabular}], seeds: [0], rounds: 3}}
evaluate: {{macro: {{{group}: [{targets}]}}}}
make_table: {{supplements: [headline, controls, label_efficiency]}}
make_figure: {{figures: [], quality_figures: []}}
"""


def run(folder, name: str, *options: str, **told: str) -> str:
    """Run the shipped declaration of a set with tiny trainings; return what Snakemake printed."""
    (folder / "tiny.yaml").write_text(TINY.format(**{"name": name, "further": "", "shards": 1, **told}))
    done = snakemake(folder, "--show-failed-logs", *options, "--configfile", f"config/{name}.yaml", "tiny.yaml")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout + done.stderr


def test_ptbxl_from_its_own_table_to_the_headline(tmp_path):
    copy_repository(tmp_path)
    write_ptbxl(tmp_path / "sets/ptbxl")
    table = tmp_path / "sets/ptbxl/ptbxl_database.csv"
    table.write_text(table.read_text().replace("'NORM': 80.0, ", "", 1))  # the first, of fold 1, has no label then
    for number in range(3):  # of another origin
        write_record(tmp_path / f"sets/further/{number}.hea", ecg(100 + number, seconds=12), rate=500)
    (tmp_path / "sets/further/3.hea").write_text("3 12 500 5000\n")  # without a signal
    until = ["--until", "make_table"]
    wanted = {"targets": "norm, cd", "tabular": "cd", "probed": "cd", "group": "superclasses"}
    told = run(tmp_path, "ptbxl", *until, **wanted, further="sets/further", shards="6")
    assert "warning: 1 of 60 recordings are for pre-trainings alone" in told
    assert "warning: every labelled recording has the same value of mi; it cannot be learnt" in told
    results = tmp_path / "results/ptbxl"
    listed = pd.read_csv(results / "index_shard/recordings.csv")
    assert len(listed) == 60 and listed["subject"].nunique() == 30
    split = pd.read_csv(results / "split_subjects/split.csv").merge(listed, on="eid")
    assert (split["split_x"] == split["split_y"]).all() and len(split) >= 55
    assert split["split_x"].value_counts(normalize=True)["train"] == pytest.approx(0.8, abs=0.03)
    covariates = pd.read_parquet(results / "read_tabular/covariates.parquet").merge(listed, on="eid")
    assert ((covariates["sex_x"] == 1) == (covariates["sex_y"] == "Male")).all()
    whole, half = (pd.read_csv(results / f"balance_subset/cd_{percent}.csv") for percent in (100, 50))
    assert set(half["eid"]) < set(whole["eid"]) and len(whole) == (split["split_x"] == "train").sum()
    assert half["label"].mean() == pytest.approx(whole["label"].mean(), abs=0.05)
    fit = json.loads((results / "finetune/mae/cd/100/result.json").read_text())
    assert "skipped" not in fit and fit["n_train"] == len(whole)
    further = pd.read_csv(results / "index_shard/unlabelled.csv")
    with h5py.File(results / "assemble_dataset/unpaired.h5") as file:
        assert set(file["eid"][:]) == {*further["eid"][:3], listed["eid"][listed["split"] == "pretrain"].item()}
    pretrained = json.loads((results / "pretrain_mae/mae/result.json").read_text())
    assert pretrained["n_unpaired"] == 4 and pretrained["n_train"] == len(whole) + 4
    tables = [pd.read_csv(path) for path in sorted((results / "clean_ecg").glob("*.unpaired.qc.csv"))]
    assert len(tables) == 6 and min(map(len, tables)) == 0  # five ECGs, so a shard is without any
    rejected = pd.concat(tables).query("status == 'rejected'")
    assert rejected["eid"].tolist() == further["eid"][3:].tolist()

    metrics = pd.read_csv(results / "evaluate/metrics.csv").query("encoder == 'mae' and split == 'test'")
    for seed in (0, 101):
        rows = metrics.query(f"fraction == 100 and seed == {seed} and fit == 'finetune'").set_index(
            ["target", "output"]
        )
        single = [rows.loc[(name, name), "value"] for name in ("norm", "cd")]
        assert rows.loc[("superclasses", "mean"), "value"] == pytest.approx(sum(single) / 2)
    intervals = pd.read_csv(results / "evaluate/intervals.csv")
    assert {"superclasses", "norm", "cd"} <= set(intervals["target"])
    for name in ("headline", "controls", "label_efficiency"):
        text = (results / f"make_table/table_{name}.md").read_text()
        assert text.count("|") > 20 and not re.search(r"\b(15|9)0\d{3}\b", text)
    again = snakemake(tmp_path, "-n", *until, "--configfile", "config/ptbxl.yaml", "tiny.yaml")
    assert re.search(r"^total +0$", again.stdout, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "write", "kept", "samples"), [("code15", write_code15, 40, 700), ("mimic_iv_ecg", write_mimic, 24, 1000)]
)
def test_sets_that_are_not_here_are_read_in_their_form(tmp_path, name, write, kept, samples):
    copy_repository(tmp_path)
    write(tmp_path / f"sets/{name}")
    tabular = "lbbb" if name == "code15" else ""  # of whom age and sex are known
    until = ["--until", "audit_leakage", "audit_subsets"]
    run(tmp_path, name, *until, targets="lbbb", tabular=tabular, probed="lbbb", group="blocks")
    results = tmp_path / f"results/{name}"
    with h5py.File(results / "assemble_dataset/dataset.h5") as file:
        assert file["ecg"].shape == (kept, 12, samples)
    split = pd.read_csv(results / "split_subjects/split.csv").merge(
        pd.read_csv(results / "index_shard/recordings.csv")[["eid", "subject"]], on="eid"
    )
    assert split.groupby("subject")["split"].agg(set).map(len).max() == 1 and split["split"].nunique() == 3
    assert 0 < pd.read_csv(results / "balance_subset/lbbb_100.csv")["label"].mean() < 1
