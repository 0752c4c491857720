"""From results to an MLflow database, through the steps' command lines."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from browser import check_ui
from browser.chromium import missing_program
from report.report_cohort import provenance
from report.report_study import finished_study, words

from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps import track
from cmr2ecg.tracking.mlflow_runs import Tracker
from cmr2ecg.tracking.sweep_runs import read_sweep


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return finished_study(tmp_path_factory.mktemp("results"))


def write_sweep(folder, scores):
    """Write result.json and curves.csv of a sweep with one trial a score."""
    folder.mkdir(parents=True, exist_ok=True)
    trials = [
        {
            "trial": f"t{number}",
            "settings": {"base_lr": 10.0**-number},
            "score": score,
            "seeds": {"0": score},
            "best_epoch": {"0": 1},
            "rung": 0,
            "epochs": 2,
        }
        for number, score in enumerate(scores)
    ]
    best = max(trials, key=lambda trial: trial["score"])
    result = {"step": "sweep", "name": "mmcl/cad", "encoder": "mmcl", "target": "cad", "metric": "auroc"}
    result |= {"strategy": "grid", "trials": len(trials), "chosen": best, "all_trials": trials, "startup_share": 0.05}
    result |= {"seconds": {f"{trial['trial']}/0": 2.0 for trial in trials}, "provenance": provenance()}
    (folder / "result.json").write_text(json.dumps(result))
    rows = [(trial["trial"], 0, epoch, trial["score"] - 0.1 * (1 - epoch)) for trial in trials for epoch in (0, 1)]
    pd.DataFrame(rows, columns=["trial", "seed", "epoch", "score"]).to_csv(folder / "curves.csv", index=False)
    return folder / "result.json"


def below(database, name):
    """Return the names of the runs below the run of this name."""
    parent = "SELECT run_uuid FROM runs WHERE lifecycle_stage = 'active' AND name = ?"
    query = f"""SELECT name FROM runs JOIN tags USING (run_uuid) WHERE lifecycle_stage = 'active'
        AND tags.key = 'mlflow.parentRunId' AND tags.value = ({parent}) ORDER BY name"""
    with closing(sqlite3.connect(database)) as connection:
        return [row for (row,) in connection.execute(query, (name,))]


def test_a_sweep_is_a_run_with_its_trials_below(tmp_path):
    tracker = Tracker(tmp_path / "mlflow.db", tmp_path / "artifacts", "demo")
    file = write_sweep(tmp_path / "sweep/mmcl/cad", [0.6, 0.8, 0.7])
    tracker.add_sweep(*read_sweep(file))
    assert below(tmp_path / "mlflow.db", "sweep mmcl/cad") == ["mmcl/cad t0", "mmcl/cad t1", "mmcl/cad t2"]
    before = ask(tmp_path / "mlflow.db", "SELECT run_uuid FROM runs ORDER BY run_uuid")
    again = Tracker(tmp_path / "mlflow.db", tmp_path / "artifacts", "demo")
    again.add_sweep(*read_sweep(file))
    assert ask(tmp_path / "mlflow.db", "SELECT run_uuid FROM runs ORDER BY run_uuid") == before
    write_sweep(tmp_path / "sweep/mmcl/cad", [0.6, 0.9])
    again.add_sweep(*read_sweep(file))
    assert below(tmp_path / "mlflow.db", "sweep mmcl/cad") == ["mmcl/cad t0", "mmcl/cad t1"]
    best = "SELECT latest_metrics.value FROM latest_metrics JOIN runs USING (run_uuid) WHERE key = 'best_val_auroc'"
    best += " AND lifecycle_stage = 'active' AND name = 'sweep mmcl/cad'"
    assert ask(tmp_path / "mlflow.db", best) == [(0.9,)]


def test_a_sweep_whose_trials_were_all_kept_has_no_start_up_to_tell_of(tmp_path):
    file = write_sweep(tmp_path, [0.6])
    file.write_text(file.read_text().replace('"startup_share": 0.05', '"startup_share": null'))
    parent, _ = read_sweep(file)
    assert "startup_share" not in parent.numbers and parent.numbers["best_val_auroc"] == 0.6


def test_a_damaged_sweep_is_said(tmp_path):
    file = write_sweep(tmp_path, [0.6])
    file.write_text('{"step": "sweep"}')
    with pytest.raises(InputError, match="not a result of a sweep"):
        read_sweep(file)


def track_study(root, database):
    track.main(
        words(
            runs=sorted(root.rglob("result.json")),
            artifacts=sorted([*root.glob("table_*"), *root.glob("figure_*")]),
            metrics=root / "metrics.csv",
            database=database,
            artifact_root=root / "artifacts",
            cohort="demo",
            output=root / "track/tracked.json",
        )
    )
    return json.loads((root / "track/tracked.json").read_text())


@pytest.fixture(scope="module")
def database(study):
    path = study / "mlflow.db"
    track_study(study, path)
    return path


def test_a_database_of_another_mlflow_is_one_line(database, tmp_path):
    other = tmp_path / "mlflow.db"
    shutil.copy(database, other)
    with closing(sqlite3.connect(other)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'of_tomorrow'")
    with pytest.raises(InputError, match="is from another version of MLflow; move it away and run again") as said:
        Tracker(other, tmp_path / "artifacts", "demo")
    assert "\n" not in str(said.value)


def ask(database, query):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_every_training_is_a_run_of_its_stage(study, database):
    tracked = json.loads((study / "track/tracked.json").read_text())
    assert tracked == {
        "runs": 29,
        "experiments": {
            "demo/baseline": 8,
            "demo/finetune": 18,
            "demo/pretrain": 1,
            "demo/probe": 1,
            "demo/report": 1,
        },
    }
    names = {name for (name,) in ask(database, "SELECT name FROM runs")}
    assert {"mmcl/cad/100", "tabular/dm/10", "mae", "tables and figures"} <= names
    of_run = "FROM {} JOIN runs USING (run_uuid) WHERE name = 'mmcl/cad/100'"
    metrics = dict(ask(database, "SELECT key, latest_metrics.value " + of_run.format("latest_metrics")))
    assert metrics["val_auroc"] == pytest.approx(0.601)
    assert metrics["val_auroc/seed_202"] == pytest.approx(0.702)
    assert 0 < metrics["test_auroc"] <= 1
    steps = ask(database, "SELECT step " + of_run.format("metrics") + " AND key = 'train_loss' ORDER BY step")
    assert steps == [(0,), (1,), (2,)]
    parameters = dict(ask(database, "SELECT params.key, params.value " + of_run.format("params")))
    assert parameters["augment.noise"] == "0.2"
    tags = dict(ask(database, "SELECT tags.key, tags.value " + of_run.format("tags")))
    assert tags["output"] == str(study / "finetune/mmcl/cad/100")
    assert tags["commit"] == "0123abcd"
    assert len(list((study / "artifacts").rglob("figure_5.png"))) == 1


def test_searching_by_test_auroc_sorts_the_models(study, database):
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("demo/finetune").experiment_id
    found = client.search_runs([experiment], "params.target = 'cad'", order_by=["metrics.test_auroc DESC"])
    scores = [run.data.metrics["test_auroc"] for run in found]
    assert len(found) == 4 and scores == sorted(scores, reverse=True)
    intervals = pd.read_csv(study / "intervals.csv").query("target == 'cad' and fit == 'finetune'")
    assert found[0].info.run_name == "{encoder}/{target}/{fraction}".format(**intervals.loc[intervals["mean"].idxmax()])


def test_tracking_again_adds_nothing_and_a_change_replaces_its_run_only(study, database, tmp_path):
    active = "SELECT name, run_uuid FROM runs WHERE lifecycle_stage = 'active'"
    copy = tmp_path / "mlflow.db"
    shutil.copy(database, copy)
    before = dict(ask(copy, active))
    assert track_study(study, copy)["runs"] == 29
    assert dict(ask(copy, active)) == before

    changed = study / "finetune/mmcl/cad/100/result.json"
    text = changed.read_text()
    changed.write_text(text.replace('"wall_seconds": 12.5', '"wall_seconds": 13.5'))
    try:
        assert track_study(study, copy)["runs"] == 29
    finally:
        changed.write_text(text)
    after = dict(ask(copy, active))
    assert {name for name in after if after[name] != before[name]} == {"mmcl/cad/100"}
    assert after.keys() == before.keys()


def test_runs_name_the_data_they_learnt_from(database):
    query = """SELECT DISTINCT datasets.name, datasets.digest, input_tags.value FROM runs
        JOIN inputs ON inputs.destination_id = runs.run_uuid JOIN datasets ON datasets.dataset_uuid = inputs.source_id
        JOIN input_tags ON input_tags.input_uuid = inputs.input_uuid WHERE runs.name = 'mmcl/cad/100'"""
    assert ask(database, query) == [("split.csv", "a" * 36, "split")]


def test_runs_follow_their_files_to_another_folder(study, database, tmp_path):
    """Results are restored elsewhere: tables are found there, and the old folder is not written to."""
    copy, old = tmp_path / "mlflow.db", (study / "artifacts").resolve().as_uri()
    shutil.copy(database, copy)
    shutil.copytree(study / "artifacts", tmp_path / "artifacts")
    assert any(uri.startswith(old) for (uri,) in ask(copy, "SELECT artifact_uri FROM runs"))
    Tracker(copy, tmp_path / "artifacts", "demo")
    places = ask(copy, "SELECT artifact_location FROM experiments WHERE name LIKE 'demo/%'")
    runs = ask(copy, "SELECT artifact_uri FROM runs")
    new = (tmp_path / "artifacts").as_uri()
    assert places and runs and all(place.startswith(f"{new}/demo/") for (place,) in places + runs)
    (report,) = ask(copy, "SELECT artifact_uri FROM runs WHERE name = 'tables and figures'")
    assert (Path(report[0].removeprefix("file://")) / "figure_5.png").is_file()


def test_no_participant_is_in_the_database(study, database):
    held = database.read_bytes()
    eids = pd.concat(pd.read_parquet(path, columns=["eid"]) for path in study.rglob("predictions.parquet"))
    assert not [eid for eid in eids["eid"].unique() if str(eid).encode() in held]


def test_the_web_page_lists_the_runs(database, tmp_path):
    if lacking := missing_program():
        pytest.skip(lacking)
    picture = tmp_path / "mlflow.png"
    check_ui.main(["--database", str(database), "--screenshot", str(picture)])
    assert picture.stat().st_size > 10_000


def test_checking_an_absent_or_empty_database_is_said(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        check_ui.active_runs(tmp_path / "mlflow.db")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as connection:
        connection.execute("CREATE TABLE runs (run_uuid, experiment_id, name, lifecycle_stage)")
        connection.execute("CREATE TABLE tags (run_uuid, key, value)")
    with pytest.raises(InputError, match="no runs"):
        check_ui.active_runs(tmp_path / "mlflow.db")
