"""From predictions to tables, figure and an MLflow database, through the steps' command lines."""

import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from browser import check_ui
from browser.chromium import missing_program
from report.report_cohort import provenance, write_sides, write_study

from cmr2ecg.report.maps.heatmap import COLUMNS
from cmr2ecg.report.tables.supplements import SUPPLEMENTS
from cmr2ecg.report.tables.table_layouts import LAYOUTS
from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps import describe_run, evaluate, make_figure, make_table, track
from cmr2ecg.tracking.mlflow_runs import Tracker
from cmr2ecg.tracking.sweep_runs import read_sweep

SETTINGS = json.dumps(
    {
        "margin": {"auroc": 0.01, "r": 0.02},
        "age_bands": [60],
        "calibration_bins": 5,
        "untrained": {"minimum_steps": 300},
    }
)
TABLES = [*LAYOUTS, *SUPPLEMENTS]


def words(**options):
    """Return a command line: words(table=1, runs=["a", "b"]) gives --table 1 --runs a b."""
    line = []
    for name, value in options.items():
        values = value if isinstance(value, list) else [value]
        line += [f"--{name.replace('_', '-')}", *map(str, values)]
    return line


def write_heatmap(root):
    """Write heatmap.csv in which MDM brings more contrast."""
    rows = [
        ("mmcl", "contrast", 0.3, 0.25, 0.35, 0.0, 0.1, 0.05, 0.15, 0.001, 40, "7x7"),
        ("mmcl", "infarct_contrast", 0.2, 0.15, 0.25, 0.0, 0.1, 0.05, 0.15, 0.001, 9, "7x7"),
        ("mmcl - mmcl_without_mdm", "contrast", 0.1, 0.05, 0.15, *[float("nan")] * 4, 2e-4, 40, ""),
    ]
    pd.DataFrame(rows, columns=COLUMNS).to_csv(root / "heatmap.csv", index=False)
    return root / "heatmap.csv"


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study, scored, with its tables and figure."""
    root = tmp_path_factory.mktemp("results")
    paths = write_study(root, targets=("cad", "af", "dm", "hf"))
    paths += write_study(root, encoders=("supervised", "mmcl", "probe/random"), targets=("rv",), fractions=(100,))
    pretrained = root / "pretrain_mae" / "mae"
    pretrained.mkdir(parents=True)
    result = {"step": "pretrain_mae", "name": "mae", "settings": {"mask_ratio": 0.8}, "seed": 0}
    result |= {"validation": {"loss": 0.3}, "parameters": 9, "provenance": provenance()}
    (pretrained / "result.json").write_text(json.dumps(result))
    (pretrained / "metrics.jsonl").write_text('{"epoch": 0, "train_loss": 1.5, "val_loss": 2.0}\n')
    results = [path.with_name("result.json") for path in paths]
    evaluate.main(
        words(settings=SETTINGS, predictions=paths, results=results, output=root, **write_sides(root / "sides"))
    )
    for table in TABLES:
        outputs = {kind: root / f"table_{table}.{kind}" for kind in ("csv", "md", "tex", "html")}
        make_table.main(words(table=table, evaluated=root, cohort="demo", heatmap=write_heatmap(root), **outputs))
    outputs = {kind: root / f"figure_5.{kind}" for kind in ("png", "pdf")}
    given = f"intervals={root / 'intervals.csv'}"
    make_figure.main(words(settings=json.dumps({"dpi": 60}), figure="figure_5", inputs=given, **outputs))
    return root


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
    with pytest.raises(InputError, match="was made by another version of MLflow; move it away and run again") as said:
        Tracker(other, tmp_path / "artifacts", "demo")
    assert "\n" not in str(said.value)


def ask(database, query):
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(query).fetchall()


def test_evaluate_scores_every_model_and_seed(study):
    metrics = pd.read_csv(study / "metrics.csv").query("fit != 'stacked'")
    diseases = 3 * 4 * 2 * 3 * 2  # encoders, targets, fractions, seeds, splits
    assert len(metrics) == diseases + 3 * 5 * 3 * 2  # encoders, 4 phenotypes and their mean, seeds, splits
    intervals = pd.read_csv(study / "intervals.csv").query("fit != 'stacked'")
    assert len(intervals) == 3 * 4 * 2 + 3
    assert (intervals["n_train"] == 2 * intervals["fraction"]).all()
    assert (intervals["low"] < intervals["mean"]).all() and (intervals["mean"] < intervals["high"]).all()
    keys = ["fit", "encoder", "target", "fraction"]
    whole = (metrics["output"] == metrics["target"]) | (metrics["output"] == "mean")
    test = metrics[(metrics["split"] == "test") & whole].groupby(keys)["value"]
    expected = test.agg(["mean", "std"]).reset_index()
    pd.testing.assert_frame_equal(
        intervals.sort_values(keys)[[*keys, "mean", "std"]].reset_index(drop=True),
        expected,
        check_exact=False,
    )


def test_ecg_encoders_are_stacked_with_the_tabular_side(study):
    intervals = pd.read_csv(study / "intervals.csv").query("fit == 'stacked'")
    assert set(intervals["encoder"]) == {"tabular_alone", "mmcl+tabular", "supervised+tabular"}
    assert len(intervals) == 3 * (4 * 2 + 1)  # models, diseases at two fractions and a group
    phenotypes = intervals["target"] == "rv"
    assert (intervals.loc[~phenotypes, "n_train"] == 40).all()  # the validation split
    metrics = pd.read_csv(study / "metrics.csv").query("fit == 'stacked'")
    assert set(metrics["split"]) == {"test"} and not metrics["value"].isna().any()
    table = pd.read_csv(study / "table_added_value.csv")
    assert len(table) == 2 * (4 * 2 + 1)
    difference = table["stacked_mean"] - table["tabular_mean"]
    assert table["over_tabular_difference"].tolist() == pytest.approx(difference.tolist())
    lines = [line for line in (study / "table_added_value.md").read_text().splitlines() if line.startswith("| ")]
    assert len(lines) == 2 + 2 * 5  # head and rule; encoders, targets at all labels


def test_results_in_another_order_are_refused(study, tmp_path):
    paths = sorted(study.rglob("predictions.parquet"))
    results = [path.with_name("result.json") for path in reversed(paths)]
    with pytest.raises(InputError, match="same order"):
        evaluate.main(
            words(settings=SETTINGS, predictions=paths, results=results, output=tmp_path, **write_sides(tmp_path))
        )


def test_tables_and_figure_are_written_without_participants(study):
    assert "| ECG (ours) |" in (study / "table_1.md").read_text()
    for path in (*study.glob("table_*"), *study.glob("figure_*"), *study.glob("*.csv")):
        assert path.stat().st_size > 30
        found = re.findall(rb"(?<![\d.])9\d{6}(?![\d.])", path.read_bytes())
        assert not found or path.suffix in (".png", ".pdf"), (path.name, found[:3])
    assert b"CreationDate" not in (study / "figure_5.pdf").read_bytes()


def test_a_disease_of_ones_own_stands_in_every_table_of_diseases_but_the_papers_claims(study):
    for table in (1, 2, 3):
        assert "| DM | DM, paper | HF |" in (study / f"table_{table}.md").read_text()
    for table in (4, 5, "claims"):  # nobody fine-tuned an image encoder on it
        assert "HF" not in (study / f"table_{table}.md").read_text()
    for table in ("calibration", "comparisons", "subgroups", "onset"):
        assert "| HF | Supervised ViT |" in (study / f"table_{table}.md").read_text()
    assert "| CAD | AF | DM | HF | LV |" in (study / "table_controls.md").read_text()


def test_the_smoothing_undone_is_that_of_each_training(study):
    table = pd.read_csv(study / "calibration.csv")
    assert table.groupby("encoder")["label_smoothing"].unique().map(list).to_dict() == {
        "mmcl": [0.1],
        "supervised": [0.1],
        "tabular": [0.0],
    }


def test_the_claim_on_the_maps_stands_between_its_neighbours(study):
    lines = [line for line in (study / "table_claims.md").read_text().splitlines() if line.startswith("| V-")]
    sections = [line.split(" ")[1] for line in lines]
    assert sections == sorted(sections) and sections.count("V-E") == 1
    assert r"| +0.10 \[+0.05, +0.15\] | – | 0.002 | confirmed |" in lines[sections.index("V-E")]
    maps = (study / "table_heatmap.md").read_text()
    assert r"0.300 \[0.250, 0.350\]" in maps
    assert "| infarct contrast |" in maps and "remote myocardium" in maps


def short_trainings(root):
    """A study of which MMCL took 36 steps and was tuned; result.json of the others does not say."""
    paths = write_study(root, targets=("cad",), fractions=(100,))
    paths += write_study(root, encoders=("mmcl",), targets=("rv",), fractions=(100,))
    for target in ("cad", "rv"):
        file = root / f"finetune/mmcl/{target}/100/result.json"
        result = json.loads(file.read_text()) | {"steps": [36] * 3, "tuned_trials": 16}
        file.write_text(json.dumps(result))
    return paths


def test_a_model_of_few_steps_is_marked_in_every_table_and_listed(tmp_path):
    paths = short_trainings(tmp_path)
    results = [path.with_name("result.json") for path in paths]
    given = {"predictions": paths, "results": results, **write_sides(tmp_path / "sides")}
    evaluate.main(words(settings=SETTINGS, output=tmp_path, **given))
    marked = pd.read_csv(tmp_path / "untrained.csv").set_index(["encoder", "target"])["reason"]
    reason = "few steps: 36 where 300 are the least"
    assert marked["mmcl", "cad"] == reason and marked["mmcl", "rv"] == reason
    models = pd.read_csv(tmp_path / "models.csv").set_index("encoder")["tuned_trials"]
    assert set(models["mmcl"]) == {16} and models[["supervised", "tabular"]].isna().all()
    for table in ("1", "iv_per_phenotype", "comparisons", "added_value", "calibration", "subgroups"):
        outputs = {kind: tmp_path / f"{table}.{kind}" for kind in ("csv", "md", "tex", "html")}
        make_table.main(words(table=table, evaluated=tmp_path, cohort="demo", **outputs))
        for kind, sign in (("md", "†"), ("html", "†"), ("tex", r"$\dagger$")):
            assert ("not trained (few steps)" if table == "1" else sign) in outputs[kind].read_text()
    run = {kind: tmp_path / f"run.{kind}" for kind in ("html", "csv")}
    describe_run.main(words(settings="{}", results=results, untrained=tmp_path / "untrained.csv", **run))
    assert f'>finetune/mmcl/cad/100</td><td class="words">{reason}</td>' in run["html"].read_text()


def test_test_subjects_do_not_decide_who_was_trained(tmp_path):
    paths = short_trainings(tmp_path)
    given = {"predictions": paths, "results": [path.with_name("result.json") for path in paths]}
    given |= {"settings": SETTINGS, "output": tmp_path, **write_sides(tmp_path / "sides")}
    evaluate.main(words(**given))
    before = (tmp_path / "untrained.csv").read_bytes()
    for path in paths:
        table = pd.read_parquet(path).reset_index(drop=True)
        table["y_score"] = table["y_score"].where(table["split"] == "val", 0.5)
        table.to_parquet(path)
    evaluate.main(words(**given))
    assert (tmp_path / "untrained.csv").read_bytes() == before


def test_a_run_without_marked_models_says_none(study, tmp_path):
    untrained, run = tmp_path / "untrained.csv", {kind: tmp_path / f"run.{kind}" for kind in ("html", "csv")}
    untrained.write_text("fit,encoder,target,fraction,reason\n")
    results = sorted(study.rglob("result.json"))
    describe_run.main(words(settings="{}", results=results, untrained=untrained, **run))
    assert "<h2>Models that were not trained</h2>\n<p>None.</p>" in run["html"].read_text()


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
