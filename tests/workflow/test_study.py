"""The tiny study: every promised file is there, and says what the steps after it count on."""

import json
import re

import h5py
import numpy as np
import pandas as pd
import pytest
from browser import check_report
from browser.chromium import missing_program
from drive_snakemake import snakemake

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def results(finished):
    return finished / "results/tiny"


def test_ecgs_and_images_are_paired(results):
    with h5py.File(results / "assemble_dataset/dataset.h5") as file:
        eids, ecg, cmr = file["eid"][:], file["ecg"], file["cmr"]
        assert eids.dtype == np.int64 and (np.diff(eids) > 0).all()
        assert ecg.shape == (len(eids), 12, 5000) and ecg.dtype == np.float32
        assert cmr.shape == (len(eids), 3, 210, 210) and cmr.dtype == np.float16
        assert np.isfinite(ecg[:]).all() and cmr[:].min() >= 0 and cmr[:].max() <= 1
    visits = pd.read_parquet(results / "index_cohort/visits.parquet")
    assert set(eids) <= set(visits["eid"]) and visits["eid"].is_unique


def test_flow_counts_every_exclusion(results):
    flow = pd.read_csv(results / "assemble_dataset/flow.csv")
    assert list(flow.columns) == ["step", "reason", "n_in", "n_out"]
    assert (flow["n_in"].iloc[1:].to_numpy() == flow["n_out"].iloc[:-1].to_numpy()).all()
    with h5py.File(results / "assemble_dataset/dataset.h5") as file:
        assert flow["n_out"].iloc[-1] == len(file["eid"])
    qc = pd.concat(pd.read_csv(path) for path in results.glob("c*_*/*.qc.csv"))
    rejected = qc[qc["status"] == "rejected"]
    assert len(rejected) > 0 and rejected["reason"].notna().all()


def test_withdrawn_subjects_are_nowhere_behind_the_index(results):
    withdrawn = {int(line) for line in (results / "simulate_cohort/withdrawn.csv").read_text().split()}
    assert withdrawn
    for path in [*results.rglob("*.parquet"), *results.rglob("*.csv")]:
        if "simulate_cohort" in path.parts:
            continue
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        if "eid" in table:
            assert not withdrawn & set(table["eid"]), path


def test_splits_do_not_overlap_and_subsets_are_nested(results):
    split = pd.read_csv(results / "split_subjects/split.csv")
    assert split["eid"].is_unique and set(split["split"]) == {"train", "val", "test"}
    train = set(split.loc[split["split"] == "train", "eid"])
    whole, tenth = (pd.read_csv(results / f"balance_subset/cad_{fraction}.csv") for fraction in (100, 10))
    assert set(tenth["eid"]) < set(whole["eid"]) <= train
    assert whole["label"].mean() == tenth["label"].mean() == 0.5


@pytest.mark.parametrize("fit", ["finetune/supervised/cad/100", "finetune/mmcl/cad/10", "train_tabular/cad/100"])
def test_predictions_cover_val_and_test_for_every_seed(results, fit):
    table = pd.read_parquet(results / fit / "predictions.parquet")
    assert list(table.columns) == ["seed", "eid", "split", "output", "y_true", "y_score"]
    split = pd.read_csv(results / "split_subjects/split.csv")
    for (seed, name), rows in table.groupby(["seed", "split"]):
        assert seed in (0, 101) and set(rows["eid"]) == set(split.loc[split["split"] == name, "eid"])
    assert set(table["split"]) == {"val", "test"} and table["y_score"].between(0, 1).all()


def test_results_can_be_traced(results):
    for path in results.rglob("result.json"):
        result = json.loads(path.read_text())
        origin = result["provenance"]
        assert result["settings"] and re.fullmatch(r"[0-9a-f]{64}", origin["code"])
        assert origin["wall_seconds"] > 0 and origin["peak_memory_mb"] > 0 and origin["packages"]["torch"]
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in origin["inputs"].values())
        if result["step"] == "sweep":
            assert len(pd.read_csv(path.parent / "curves.csv")) >= result["trials"] == len(result["all_trials"]) > 1
        else:
            assert (path.parent / "metrics.jsonl").read_text().count("\n") >= 1


def test_tables_figures_and_runs_are_there_without_any_participant(results):
    for name in (
        "make_table/table_1.csv",
        "make_table/table_3.md",
        "make_table/table_3.tex",
        "make_figure/figure_5.pdf",
    ):
        assert (results / name).stat().st_size > 0
    eids = {str(eid).encode() for eid in pd.read_parquet(results / "index_cohort/visits.parquet")["eid"]}
    shared = [results / "mlflow.db", results / "track/tracked.json", *(results / "logs").rglob("*.log")]
    shared += [*(results / "make_table").iterdir(), *(results / "make_figure").iterdir()]
    for path in shared:
        found = set(re.findall(rb"(?<!\d)9\d{6}(?!\d)", path.read_bytes()))
        assert not found & eids, path


def test_neither_mlflow_nor_release_nor_tables_say_where_raw_files_lie(results):
    shared = [results / "mlflow.db", results / "trace_numbers/provenance.json", results / "describe_run/run.html"]
    shared += [path for name in ("release", "make_table") for path in (results / name).rglob("*") if path.is_file()]
    assert len(shared) > 10
    for path in shared:
        content = path.read_bytes()
        for raw in (b"simulate_cohort/raw", b"simulate_cohort/tabular", b"simulate_cohort/withdrawn"):
            assert raw not in content, path


def test_no_resume_point_or_partial_file_is_left(results):
    leftovers = [path for path in results.rglob("*") if path.name == "resume.pt" or path.suffix == ".partial"]
    assert leftovers == []


@pytest.fixture(scope="module")
def report(finished, results):
    done = snakemake(finished, "--report", "results/tiny/report.html")
    assert done.returncode == 0, done.stderr
    yield results / "report.html"
    (results / "report.html").unlink()


def test_the_report_holds_tables_and_figures_and_no_participant(report, results):
    text = report.read_text()
    assert all(name in text for name in ("table_1.md", "table_3.md", "figure_5.png"))
    eids = {str(eid) for eid in pd.read_parquet(results / "index_cohort/visits.parquet")["eid"]}
    assert not set(re.findall(r"(?<!\d)9\d{6}(?!\d)", text)) & eids


def test_the_report_opens_on_a_summary(report, results):
    start = report.read_text().split("var workflow_desc = ")[1].split("</script>")[0]
    assert all(
        words in start for words in ("Summary of the run: tiny", "Who was studied", "Limits", "2 Tables of the paper")
    )
    headline = (results / "describe_run/headline.txt").read_text()
    assert headline.startswith("Headline") and "Fine-tuned, 10 %" in headline


def test_the_report_works_in_a_browser(report, results, tmp_path):
    if lacking := missing_program():
        pytest.skip(lacking)
    places = {"report": report, "results": results, "pictures": tmp_path}
    check_report.main([word for name, path in places.items() for word in (f"--{name}", str(path))])
    assert len(list(tmp_path.glob("category_*.png"))) == 6
