"""From predictions to tables and figure, through the steps' command lines."""

import json
import re

import pandas as pd
import pytest
from report.report_cohort import write_sides, write_study
from report.report_study import SETTINGS, finished_study, words

from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps import describe_run, evaluate, make_table
from cmr2ecg.study import sections
from cmr2ecg.study.settings.study import Settings


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return finished_study(tmp_path_factory.mktemp("results"))


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


def test_the_table_of_retrieval_has_recalls_in_percent_and_ranks(study):
    lines = (study / "table_retrieval.md").read_text().splitlines()
    assert any(
        r"| MMCL (ours) | ECG | R@5 [%] | 25.00 \[15.00, 40.00\] | 12.50 | 12.00 \[2.50, 22.50\] | 0.012 | 40 |"
        in line.replace(r"\[%\]", "[%]")
        for line in lines
    )
    assert any(r"| median rank | 12.0 \[9.5, 17.0\] | 20.5 | 20.4 \[16.0, 25.0\] | 0.001 |" in line for line in lines)


def described(folder, results, untrained, settings=None, **headline):
    """Return the files that describe_run writes of a study of twelve subjects, four of them in the test split."""
    (folder / "flow.csv").write_text(
        "step,reason,n_in,n_out\nindex,with an ECG,1300,1300\nclean,not XML,1300,1297\nclean,<none>,1297,12\n"
    )
    (folder / "split.csv").write_text(
        "eid,split\n" + "".join(f"{n},{['test', 'train', 'val'][n % 3]}\n" for n in range(12))
    )
    sides = {"flow": folder / "flow.csv", "split": folder / "split.csv", "untrained": untrained, **headline}
    run = {"html": folder / "run.html", "csv": folder / "run.csv"}
    run |= {"summary": folder / "summary.html", "text": folder / "headline.txt"}
    told, paper = sections.shareable(settings or Settings()), sections.shareable(Settings())
    describe_run.main(words(settings=told, paper=paper, results=results, **sides, **run))
    return run


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
    run = described(tmp_path, results, tmp_path / "untrained.csv")
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
    untrained = tmp_path / "untrained.csv"
    untrained.write_text("fit,encoder,target,fraction,reason\n")
    run = described(tmp_path, sorted(study.rglob("result.json")), untrained)
    listed = run["html"].read_text().split("<h2>Models that were not trained</h2>")[1].split("<h2>")[0]
    assert "<td" not in listed and listed.endswith("</table>\n<p>None.</p>\n")


def test_the_summary_says_who_what_the_headline_and_its_limits(study, tmp_path):
    settings = Settings(
        cohort="demo", simulate_cohort={"enabled": True}, finetune={"seeds": (0, 101)}, sweep={"encoders": ("mae",)}
    )
    untrained = tmp_path / "untrained.csv"
    untrained.write_text("fit,encoder,target,fraction,reason\n" + "finetune,mae,cad,10,few steps: 9\n" * 2)
    given = untrained, settings
    run = described(tmp_path, sorted(study.rglob("result.json")), *given, headline=study / "table_headline.csv")
    text = run["summary"].read_text()
    heads = ["Who was studied", "What was run", "Headline", "Limits"]
    assert re.findall("<h2>(.*)</h2>", text) == heads and "<h1>Summary of the run: demo</h1>" in text
    for said in (
        "1,300 subjects with an ECG; 1,288 were excluded, 12 are in the study.",
        "Split by subject: 4 for training, 4 for validation, 4 for testing.",
        "Excluded, in this order: not XML: 3; &lt;none&gt;: 1,285.",
        '<td class="words">Fine-tuning: seeds</td><td>0 101</td><td>0 101 202 303 404</td>',
        "MMCL was not probed.",
        "The cohort is synthetic",
        "Each fine-tuning has 2 runs (the paper: 5); each encoder was pre-trained once",
        "Tuned on the validation split: MAE, XGBoost (tabular); the others",
        "2 models are marked as not trained, listed in the last part",
    ):
        assert said in text
    table = text.split("<h2>Headline</h2>")[1].split("</table>")[0]
    assert "MMCL minus Supervised ViT" in table and "0.70 [" in table
    lines = run["text"].read_text().splitlines()
    assert lines[0].startswith("Headline") and max(map(len, lines)) <= 100


def test_without_the_table_the_summary_has_no_headline(study, tmp_path):
    untuned = Settings(sweep_tabular={"targets": ()}, pretrain={"seeds": (0, 1)})
    run = described(tmp_path, sorted(study.rglob("result.json")), study / "untrained.csv", untuned)
    text = run["summary"].read_text()
    assert "<h2>Headline" not in text and run["text"].read_text() == "" and "synthetic" not in text
    assert "No model was tuned" in text and "and each pre-training 2." in text
