"""Every number is traced to its models, and what no longer follows from them is found."""

import json
import shutil

import pandas as pd
import pytest
from report.report_cohort import write_sides, write_study
from report.report_study import SETTINGS, TABLES, words

from cmr2ecg import verify
from cmr2ecg.report.provenance import COVARIATES, MAPS, models_behind
from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps import evaluate, make_table, trace_numbers


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A scored study with its tables and provenance.json."""
    root = tmp_path_factory.mktemp("traced")
    paths = write_study(root, targets=("cad",), fractions=(100,))
    paths += write_study(root, encoders=("supervised", "mmcl", "probe/random"), targets=("rv",), fractions=(100,))
    results = [path.with_name("result.json") for path in paths]
    sides = write_sides(root / "sides")
    given = {"predictions": paths, "results": results, **sides}
    evaluate.main(words(settings=SETTINGS, output=root / "evaluate", **given))
    given["untrained"] = root / "evaluate/untrained.csv"
    for table in TABLES:
        outputs = {kind: root / f"table_{table}.{kind}" for kind in ("csv", "md", "tex", "html")}
        make_table.main(words(table=table, evaluated=root / "evaluate", cohort="demo", **outputs))
    tables = sorted(root.glob("table_*.csv"))
    output = root / "provenance.json"
    trace_numbers.main(words(settings=SETTINGS, tables=tables, cohort="demo", output=output, **given))
    return root


def traced(root):
    return json.loads((root / "provenance.json").read_text())


def test_every_number_of_table_i_has_its_model_with_seeds_settings_and_commit(finished):
    found = traced(finished)
    entries = [entry for entry in found["numbers"] if entry["table"] == "1" and "mean" in entry["numbers"]]
    assert {entry["models"][0] for entry in entries} == {
        "finetune/supervised/cad/100",
        "finetune/mmcl/cad/100",
        "train_tabular/cad/100",
    }
    for entry in entries:
        model = found["models"][entry["models"][0]]
        assert model["seeds"] == [0, 101, 202] and model["commit"] == "0123abcd"
        assert found["settings"][model["settings"]]["augment"] == {"noise": 0.2}


def test_every_table_with_numbers_is_traced(finished):
    tables = {entry["table"] for entry in traced(finished)["numbers"]}
    assert {
        "1",
        "3",
        "4",
        "iv_per_phenotype",
        "claims",
        "comparisons",
        "controls",
        "calibration",
        "subgroups",
    } <= tables


def test_the_maps_numbers_are_traced_to_their_own_file():
    for table in ("heatmap", "retrieval"):
        assert list(models_behind(table, {"model": "mmcl", "measure": "share"})) == [MAPS]
    row = {"section": "V-E", "better": "mmcl", "worse": "mmcl_without_mdm", "target": "heatmap", "fraction": 100}
    assert list(models_behind("claims", row)) == [MAPS]


def test_a_comparison_rests_on_two_models():
    row = {"fit": "finetune", "encoder": "mmcl", "target": "cad", "fraction": 10}
    row |= {"other_fit": "train_tabular", "other_encoder": "tabular"}
    assert list(models_behind("comparisons", row)) == ["finetune/mmcl/cad/10", "train_tabular/cad/10"]


def test_a_stacked_model_rests_on_its_parts_and_the_covariates(finished):
    parts = ["finetune/mmcl/cad/100", "train_tabular/cad/100", COVARIATES]
    row = {"fit": "stacked", "encoder": "mmcl+tabular", "target": "cad", "fraction": 100}
    assert list(models_behind("added_value", row)) == parts
    row |= {"other_fit": "stacked", "other_encoder": "tabular_alone"}
    assert set(models_behind("comparisons", row)) == set(parts)
    found = [entry for entry in traced(finished)["numbers"] if entry["table"] == "added_value"]
    by_model = {(entry["row"]["encoder"], entry["row"]["target"]): entry["models"] for entry in found}
    assert by_model["mmcl+tabular", "cad"] == parts
    assert by_model["mmcl+tabular", "rv"] == ["finetune/mmcl/rv/100", COVARIATES]  # no trees there


def test_changed_covariates_are_found_in_the_stacked_models(finished, tmp_path, caplog):
    root = copy_of(finished, tmp_path)
    path = root / "sides/covariates.parquet"
    table = pd.read_parquet(path)
    table.assign(age=table["age"].to_numpy()[::-1]).to_parquet(path)
    files, _ = wrong(root, caplog)
    assert "covariates.parquet has changed" in files
    assert f"{root}/table_added_value.csv is not what the predictions give" in list(verify.changed_tables(traced(root)))


def test_a_finished_study_is_verified(finished):
    verify.main(["--provenance", str(finished / "provenance.json")])


def copy_of(finished, tmp_path):
    """A copy whose provenance.json names the copy's own files."""
    root = tmp_path / "copy"
    shutil.copytree(finished, root)
    text = (root / "provenance.json").read_text()
    (root / "provenance.json").write_text(text.replace(str(finished), str(root)))
    return root


def wrong(root, caplog):
    with pytest.raises(InputError, match="differences"):
        verify.main(["--provenance", str(root / "provenance.json")])
    return "\n".join(verify.changed_files(traced(root))), list(verify.changed_numbers(traced(root)))


def test_a_changed_prediction_is_found_in_file_and_number(finished, tmp_path, caplog):
    root = copy_of(finished, tmp_path)
    path = root / "finetune/mmcl/cad/100/predictions.parquet"
    table = pd.read_parquet(path).reset_index(drop=True)
    table["y_score"] = table["y_score"].where(table["seed"] > 0, 1 - table["y_score"])
    table.to_parquet(path)
    files, numbers = wrong(root, caplog)
    assert "mmcl/cad/100/predictions.parquet has changed" in files
    assert any("mean of finetune/mmcl/cad/100" in line for line in numbers)


def test_a_table_edited_by_hand_is_found(finished, tmp_path, caplog):
    root = copy_of(finished, tmp_path)
    path = root / "table_1.csv"
    path.write_text(path.read_text().replace("mmcl,ECG (ours)", "mmcl,ECG (best)"))
    files, numbers = wrong(root, caplog)
    assert "table_1.csv has changed" in files and numbers == []
    assert list(verify.changed_tables(traced(root))) == [f"{path} is not what the predictions give"]


def test_a_list_of_untrained_models_edited_by_hand_is_found(finished, tmp_path, caplog):
    root = copy_of(finished, tmp_path)
    path = root / "evaluate/untrained.csv"
    path.write_text("fit,encoder,target,fraction,reason\nfinetune,mmcl,cad,100,by hand\n")
    files, _ = wrong(root, caplog)
    assert "untrained.csv has changed" in files
    assert f"{path} is not what predictions and result.json give" in list(verify.changed_tables(traced(root)))


def test_an_unfinished_run_is_said(tmp_path):
    with pytest.raises(InputError, match="finish the run"):
        verify.main(["--provenance", str(tmp_path / "provenance.json")])
