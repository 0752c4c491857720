"""The tabular baseline's step: diseases and phenotypes, gaps, what is left out, and nothing of the test labels."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.loading.labels import output_names
from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps.train_tabular import main
from cmr2ecg.training.fit.tabular import Tables, read_folds

SETTINGS = {"seeds": [0, 7], "rounds": 4, "max_depth": 2, "learning_rate": 0.3, "subsample": 0.75}


@pytest.fixture
def cohort(tmp_path):
    """A folder of 120 subjects, 80/20/20, whose disease and right ventricle follow age."""
    rng, n = np.random.default_rng(0), 120
    eids = 9000001 + np.arange(n)
    age = rng.normal(60, 8, n)
    table = pd.DataFrame({"eid": eids, "sex": rng.integers(0, 2, n), "age": age, "weight": 70.0, "height": 170.0})
    table["weight"] = table["weight"].where(rng.random(n) > 0.2)
    table.to_parquet(tmp_path / "covariates.parquet")
    split = np.repeat(["train", "val", "test"], [80, 20, 20])
    pd.DataFrame({"eid": eids, "split": split}).to_csv(tmp_path / "split.csv", index=False)
    labels = pd.DataFrame({"eid": eids, "cad": (age + rng.normal(0, 4, n) > 60).astype(int)})
    labels.to_parquet(tmp_path / "labels.parquet")
    labels[:80].rename(columns={"cad": "label"}).to_csv(tmp_path / "subset.csv", index=False)
    phenotypes = pd.DataFrame({name: 100 + age + rng.normal(0, 4, n) for name in output_names("rv")})
    phenotypes = phenotypes.mask(rng.random((n, 1)).repeat(4, axis=1) < 0.3).assign(eid=eids)
    phenotypes.to_parquet(tmp_path / "phenotypes.parquet")
    return tmp_path


def run(folder, target, name="out", settings=SETTINGS, fraction=100, draws=1, selected=None, **changed):
    """Run the step for one fit; changed: files in place of the cohort's, subset=None for none."""
    files = {key: folder / f"{key}.parquet" for key in ("covariates", "labels", "phenotypes")}
    subset = changed.pop("subset", folder / "subset.csv" if target == "cad" else None)
    subsets = folder / f"subsets_{name}"
    subsets.mkdir()
    if subset is not None:
        shutil.copyfile(subset, subsets / f"{target}_{fraction}.csv")
    arguments = [text for key, value in (files | changed).items() for text in (f"--{key}", str(value))]
    arguments += ["--split", str(folder / "split.csv"), "--subsets", str(subsets)]
    arguments += ["--selected", str(selected)] if selected else []
    arguments += ["--fits", f"{target}/{fraction}", "--output", str(folder / name)]
    whole = {"method": settings, "blocks": 1, "draws": draws}
    main(["--settings", json.dumps(whole), *arguments])
    output = folder / name / target / str(fraction)
    return pd.read_parquet(output / "predictions.parquet"), json.loads((output / "result.json").read_text())


def test_a_disease(cohort):
    predictions, result = run(cohort, "cad")
    assert list(predictions) == ["seed", "eid", "split", "output", "y_true", "y_score"]
    assert len(predictions) == 2 * 40 and set(predictions["output"]) == {"cad"}
    assert predictions["y_score"].between(0, 1).all() and set(predictions["split"]) == {"val", "test"}
    assert min(result["validation"]["auroc"]) > 0.6 and result["skipped_outputs"] == {}
    rows = [json.loads(line) for line in (cohort / "out/cad/100/metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 2 * 4 and set(rows[0]) == {"seed", "epoch", "val_loss", "val_auroc"}


def test_phenotypes_are_in_their_unit_and_keep_subjects_without_them(cohort):
    predictions, result = run(cohort, "rv")
    assert len(predictions) == 2 * 40 * 4 and set(predictions["output"]) == set(output_names("rv"))
    assert predictions["y_true"].isna().any() and predictions["y_score"].between(120, 200).all()
    assert min(result["validation"]["r"]) > 0.3
    phenotypes = pd.read_parquet(cohort / "phenotypes.parquet")
    assert result["n_train"] == phenotypes[:80].drop(columns="eid").notna().any(axis=1).sum()
    rows = [json.loads(line) for line in (cohort / "out/rv/100/metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["val_r"] == pytest.approx(result["validation"]["r"][1], abs=1e-5)


def test_two_runs_give_the_same_predictions(cohort):
    first, second = run(cohort, "rv")[0], run(cohort, "rv", "again")[0]
    pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.mark.parametrize("target", ["cad", "rv"])
def test_poisoned_test_values_reach_the_truth_and_no_score(cohort, target):
    first, result = run(cohort, target)
    name = "labels.parquet" if target == "cad" else "phenotypes.parquet"
    table = pd.read_parquet(cohort / name)
    values = [column for column in table if column != "eid"]
    table.loc[100:, values] = 1 - table.loc[100:, values]
    table.to_parquet(cohort / "poisoned.parquet")
    second, poisoned = run(cohort, target, "poisoned", **{name.removesuffix(".parquet"): cohort / "poisoned.parquet"})
    pd.testing.assert_frame_equal(first.drop(columns="y_true"), second.drop(columns="y_true"))
    assert result["validation"] == poisoned["validation"]
    assert not first.query("split == 'test'")["y_true"].equals(second.query("split == 'test'")["y_true"])


def test_a_constant_phenotype_is_left_out_with_its_reason(cohort):
    table = pd.read_parquet(cohort / "phenotypes.parquet")
    table["RVEF"] = table["RVEF"].where(table["RVEF"].isna(), 55.0)
    table.to_parquet(cohort / "constant.parquet")
    predictions, result = run(cohort, "rv", phenotypes=cohort / "constant.parquet")
    assert set(predictions["output"]) == set(output_names("rv")) - {"RVEF"}
    assert "the same value" in result["skipped_outputs"]["RVEF"]


def test_a_covariate_that_nobody_has_is_no_obstacle(cohort):
    table = pd.read_parquet(cohort / "covariates.parquet").assign(weight=np.nan)
    table.to_parquet(cohort / "weightless.parquet")
    predictions, _ = run(cohort, "cad", covariates=cohort / "weightless.parquet")
    assert np.isfinite(predictions["y_score"]).all()


def test_a_sweeps_choice_replaces_the_settings(cohort):
    choice = {"encoder": "tabular", "target": "cad", "settings": {"rounds": 2, "max_depth": 4}, "trials": 9}
    (cohort / "tabular_cad.json").write_text(json.dumps(choice))
    _, result = run(cohort, "cad", selected=cohort / "tabular_cad.json")
    assert result["settings"] == SETTINGS | {"rounds": 2, "max_depth": 4} and result["tuned_trials"] == 9
    (cohort / "tabular_cad.json").rename(cohort / "tabular_rv.json")
    with pytest.raises(InputError, match="is the choice for tabular/cad, not for tabular/rv"):
        run(cohort, "rv", "other", selected=cohort / "tabular_rv.json")


def test_a_choice_is_for_its_target_alone(cohort):
    (cohort / "tabular_cad.json").write_text(json.dumps({"encoder": "tabular", "target": "cad", "settings": {}}))
    _, result = run(cohort, "rv", selected=cohort / "tabular_cad.json")
    assert result["settings"] == SETTINGS and result["tuned_trials"] == 0


def test_a_fit_that_cannot_be_had_leaves_the_others_alone(cohort):
    """One job holds all fits."""
    healthy = pd.read_parquet(cohort / "labels.parquet").assign(cad=0)
    healthy.to_parquet(cohort / "healthy.parquet")
    places = {"covariates": "covariates.parquet", "split": "split.csv", "labels": "healthy.parquet"}
    places |= {"phenotypes": "phenotypes.parquet", "subsets": "subsets", "output": "both"}
    (cohort / "subsets").mkdir()
    shutil.copyfile(cohort / "subset.csv", cohort / "subsets/cad_100.csv")
    paths = [text for key, value in places.items() for text in (f"--{key}", str(cohort / value))]
    settings = json.dumps({"method": SETTINGS, "blocks": 1, "draws": 1})
    main(["--settings", settings, *paths, "--fits", "cad/100", "rv/100"])
    results = {path.parts[-3]: json.loads(path.read_text()) for path in (cohort / "both").glob("*/*/result.json")}
    assert "the same value" in results["cad"]["skipped"] and min(results["rv"]["validation"]["r"]) > 0.3


def test_values_that_cannot_be_learnt_are_skipped_with_one_line(cohort):
    labels = pd.read_parquet(cohort / "labels.parquet")
    labels.loc[80:99, "cad"] = 0
    labels.to_parquet(cohort / "healthy.parquet")
    predictions, result = run(cohort, "cad", labels=cohort / "healthy.parquet")
    assert predictions.empty and "cad has the same value for all 20 subjects of the val set" in result["skipped"]


def test_a_part_of_a_group_is_learnt_from_its_subset(cohort):
    with pytest.raises(InputError, match=r"rv_10\.csv is missing, which says who rv is trained on; run balance_subset"):
        run(cohort, "rv", fraction=10)


def test_a_subset_goes_with_a_disease_or_a_part_of_a_group(cohort):
    paths = [cohort / name for name in ("covariates.parquet", "split.csv", "phenotypes.parquet", "subset.csv")]
    with pytest.raises(InputError, match="rv at 100 % is trained on all subjects with its phenotypes"):
        read_folds(Tables(*paths), "rv", ("val",))
    with pytest.raises(InputError, match="cad at 100 % is trained on the subset of balance_subset; see --subset"):
        read_folds(Tables(*paths[:3], None), "cad", ("val",))


def test_each_draw_of_a_subset_has_a_run(cohort):
    whole = pd.read_csv(cohort / "subset.csv")
    drawn = pd.concat([whole.sample(30, random_state=draw).assign(draw=draw) for draw in range(3)])
    drawn.to_csv(cohort / "drawn.csv", index=False)
    predictions, result = run(cohort, "cad", fraction=10, draws=3, subset=cohort / "drawn.csv")
    assert [one["draw"] for one in result["runs"]] == [0, 1, 2] and result["n_train"] == 30
    scores = predictions.pivot_table(index="eid", columns="seed", values="y_score")
    assert scores.columns.tolist() == [0, 7, 1000] and scores.corr().to_numpy().min() < 0.999


def test_a_group_is_learnt_from_draws_with_the_outputs_that_all_have(cohort):
    table = pd.read_parquet(cohort / "phenotypes.parquet")
    measured = table[:80].dropna()["eid"]
    drawn = pd.concat([pd.DataFrame({"eid": measured[draw : draw + 12], "draw": draw}) for draw in range(2)])
    drawn.to_csv(cohort / "rv_10.csv", index=False)
    table["RVEF"] = table["RVEF"].where(~table["eid"].isin(measured[1:4]))  # nine values on the second draw
    table.to_parquet(cohort / "fewer.parquet")
    files = {"subset": cohort / "rv_10.csv", "phenotypes": cohort / "fewer.parquet"}
    predictions, result = run(cohort, "rv", fraction=10, draws=2, **files)
    assert [one["draw"] for one in result["runs"]] == [0, 1] and result["n_train"] == 12
    assert set(predictions["output"]) == set(output_names("rv")) - {"RVEF"}
    assert "9 values in the training set, fewer than 10" in result["skipped_outputs"]["RVEF"]
