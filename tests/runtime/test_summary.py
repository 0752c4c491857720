"""What is said at the end of a study: what exists, with commands that are right for its cohort and config."""

import sys
from pathlib import Path

import pytest

from cmr2ecg.runtime.summary import summary

FILES = (
    *("make_table/table_1.csv", "make_table/table_1.md", "make_table/table_claims.csv", "make_figure/figure_5.png"),
    *("make_figure/figure_5.pdf", "release/mmcl/SHA256SUMS", "release/mae/SHA256SUMS", "mlflow.db"),
    "audit_withdrawn/audit.json",
)


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv/bin/python"))

    def write(cohort: str, files=FILES) -> Path:
        for name in (*(f"results/{cohort}/{name}" for name in files), ".venv/bin/cmr2ecg"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return Path("results", cohort)

    return write


def test_the_demo(results):
    folder = results("demo")
    assert summary(folder, [Path.cwd() / "config/demo.yaml"], folder / "mlflow.db") == [
        "tables   results/demo/make_table: 2 as csv, md, tex and html",
        "figures  results/demo/make_figure: 1 as png and pdf",
        "report   make report writes results/demo/report.html, all of these on one page",
        "runs     make ui shows every training in MLflow",
        "release  results/demo/release/mae, results/demo/release/mmcl: weights, settings and a model card (README.md)",
        "predict  .venv/bin/cmr2ecg predict YOUR_ECG.xml --model results/demo/release/mae --out predictions",
    ]


def test_another_cohort_with_files_of_elsewhere(results):
    folder = results("heart study", [name for name in FILES if "release" not in name])
    lines = summary(folder, [Path.cwd() / "config/ukb.yaml", "/else where/own.yaml"], folder / "mlflow.db")
    assert lines[2].startswith(
        "report   make report 'CONFIG=config/ukb.yaml /else where/own.yaml' 'COHORT=heart study'"
    )
    assert lines[3].startswith("runs     make ui 'COHORT=heart study'") and len(lines) == 4


def test_only_an_ended_study_is_summed_up(results):
    folder = results("demo", FILES[:-1])
    assert summary(folder, [], folder / "mlflow.db") == []


@pytest.mark.parametrize(("marked", "words"), [(0, None), (1, "1 model is"), (12, "12 models are")])
def test_models_that_were_not_trained_are_counted(results, marked, words):
    folder = results("demo", [*FILES, "evaluate/untrained.csv"])
    rows = ["fit,encoder,target,fraction,reason", *["finetune,mae,cad,100,36 steps"] * marked]
    (folder / "evaluate/untrained.csv").write_text("\n".join(rows) + "\n")
    said = [line for line in summary(folder, [], folder / "mlflow.db") if line.startswith("warning")]
    assert said == [f"warning  {words} marked as not trained: results/demo/describe_run/run.html"] * bool(marked)


@pytest.mark.parametrize(
    ("written", "first"), [("Headline\n  MMCL  0.6†\n", ["Headline", "  MMCL  0.6†", ""]), ("", []), (None, [])]
)
def test_the_headline_comes_first_where_it_was_made(results, written, first):
    folder = results("demo", [*FILES, *["describe_run/headline.txt"] * (written is not None)])
    if written:
        (folder / "describe_run/headline.txt").write_text(written, encoding="utf-8")
    lines = summary(folder, [], folder / "mlflow.db")
    assert lines[: len(first)] == first and lines[len(first)].startswith("tables   results/demo/make_table")
