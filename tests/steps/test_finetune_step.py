"""The fine-tuning and probing steps: fits share a job but not their fate, and finished ones are not trained again."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from executed_code import executed, not_covered
from finetune_setups import SETTINGS
from safetensors.torch import load_file, save_file

from cmr2ecg.cohort.subsets import no_training_set
from cmr2ecg.models.classifier import EcgPredictor, build_encoder
from cmr2ecg.runtime.command import InputError
from cmr2ecg.steps import finetune, probe
from cmr2ecg.study.encoders import DRAWN
from cmr2ecg.tables.phenotypes import phenotype_names
from cmr2ecg.training.checkpoint import save_weights
from cmr2ecg.training.fit import fits as module


@pytest.fixture
def start(small_dataset, small_models, tmp_path):
    """Run a step on the small dataset and return the encoder's folder."""

    def run(step, fits, method=SETTINGS, encoder="supervised", models=small_models, runs=(), **files):
        settings = {"method": {**method, "epochs": 2} if step is finetune else method, "models": models}
        settings |= {"device": "cpu", "precision": "fp32", "blocks": 1, "draws": 1, **dict(runs)}
        paths = {name: small_dataset / f"{name}.parquet" for name in ("labels", "phenotypes")}
        paths |= {"dataset": small_dataset / "dataset.h5", "split": small_dataset / "split.csv"}
        paths |= {"subsets": small_dataset, "output": tmp_path / step.__name__.rsplit(".", 1)[-1] / encoder, **files}
        arguments = [text for name, path in paths.items() for text in (f"--{name}", *map(str, listed(path)))]
        step.main(["--settings", json.dumps(settings), "--encoder", encoder, *arguments, "--fits", *fits])
        return paths["output"]

    return run


@pytest.fixture
def trained(monkeypatch):
    """Return a list that names each training of a seed."""
    names, whole = [], module.train_resumably

    def counted(fit, path, cache_key):
        names.append((fit.setup.task.target, len(fit.train.eids), fit.seed))
        return whole(fit, path, cache_key)

    monkeypatch.setattr(module, "train_resumably", counted)
    return names


def listed(path):
    return path if isinstance(path, list) else [path]


def result_of(folder):
    return json.loads((folder / "result.json").read_text())


@pytest.mark.parametrize("encoder", ["supervised", "supervised_cnn"])
def test_one_job_fits_diseases_and_phenotypes(start, encoder):
    folder = start(finetune, ["cad/100", "cad/10", "lv/100"], encoder=encoder)
    cad, lv = (pd.read_parquet(folder / fit / "predictions.parquet") for fit in ("cad/10", "lv/100"))
    assert list(cad.columns) == ["seed", "eid", "split", "output", "y_true", "y_score"]
    assert len(cad) == 2 * 24 and cad["y_score"].between(0, 1).all() and set(cad["output"]) == {"cad"}
    assert set(lv["output"]) == set(phenotype_names("lv")) and len(lv) == 2 * 24 * 6
    assert lv["y_true"].isna().any() and lv["y_score"].notna().all() and lv["y_score"].between(20, 90).all()
    assert result_of(folder / "cad/10")["n_train"] == 8 and "scale" in result_of(folder / "lv/100")


def test_the_fingerprint_covers_the_code_that_ran(start):
    for step in (finetune, probe):
        method = SETTINGS if step is finetune else {"random_seeds": [0], "penalties": [0.1]}
        with executed() as ran:
            start(step, ["cad/100", "lv/100"], method, "supervised" if step is finetune else "random")
        assert not_covered(step.__name__.rsplit(".", 1)[-1], ran) == set() and len(ran) > 50


def test_one_fit_more_trains_that_fit_only_and_gives_the_same_as_a_job_of_its_own(start, trained):
    folder = start(finetune, ["cad/100"])
    alone = pd.read_parquet(folder / "cad/100/predictions.parquet")
    (folder / "cad/100/predictions.parquet").unlink()  # as Snakemake does before it runs the job again
    start(finetune, ["cad/100", "cad/10"])
    assert trained == [("cad", 24, 0), ("cad", 24, 1), ("cad", 8, 0), ("cad", 8, 1)]
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "cad/100/predictions.parquet"), alone)


def test_a_deleted_seed_is_trained_again_alone_and_ends_the_same(start, trained):
    folder = start(finetune, ["cad/100"])
    before = pd.read_parquet(folder / "cad/100/predictions.parquet")
    (folder / "cad/100/seeds/1.json").unlink()
    start(finetune, ["cad/100"])
    assert trained == [("cad", 24, 0), ("cad", 24, 1), ("cad", 24, 1)]
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "cad/100/predictions.parquet"), before)


def test_other_labels_train_again_and_nothing_of_the_old_is_left(start, trained, small_dataset, tmp_path):
    folder = start(finetune, ["cad/100"])
    labels = pd.read_parquet(small_dataset / "labels.parquet")
    labels.loc[30, "cad"] = 1 - labels.loc[30, "cad"]
    labels.to_parquet(tmp_path / "labels.parquet")
    start(finetune, ["cad/100"], labels=tmp_path / "labels.parquet")
    assert len(trained) == 4
    assert len({json.loads(path.read_text())["cache_key"] for path in (folder / "cad/100/seeds").glob("*.json")}) == 1


def test_a_fit_that_cannot_be_had_says_why_and_the_others_go_on(start, small_dataset, tmp_path, capsys):
    phenotypes = pd.read_parquet(small_dataset / "phenotypes.parquet")
    phenotypes["LVEF"] = 50.0
    phenotypes[phenotype_names("rv")] = np.nan
    phenotypes.to_parquet(tmp_path / "phenotypes.parquet")
    for name in ("cad_100", "cad_10"):
        table = pd.read_csv(small_dataset / f"{name}.csv")
        (table if name == "cad_100" else table[:0]).to_csv(tmp_path / f"{name}.csv", index=False)
    folder = start(
        finetune,
        ["cad/10", "rv/100", "lv/100", "cad/100"],
        subsets=tmp_path,
        phenotypes=tmp_path / "phenotypes.parquet",
    )
    reasons = {fit: result_of(folder / fit).get("skipped") for fit in ("cad/10", "rv/100", "lv/100", "cad/100")}
    assert reasons["cad/10"] == no_training_set("cad")
    assert "no subject of the training set has one of its phenotypes" in reasons["rv/100"]
    assert reasons["lv/100"] is None and reasons["cad/100"] is None
    assert result_of(folder / "lv/100")["skipped_outputs"] == {
        "LVEF": "the same value for all 24 subjects of the training set"
    }
    assert "LVEF" not in set(pd.read_parquet(folder / "lv/100/predictions.parquet")["output"])
    assert pd.read_parquet(folder / "cad/10/predictions.parquet").empty
    assert capsys.readouterr().err.count("skipped: ") == 2


@pytest.mark.parametrize("step", [finetune, probe])
def test_an_encoder_of_another_size_is_skipped_with_one_line(start, step, small_models, tmp_path):
    bigger = {**small_models, "ecg_encoder": {**small_models["ecg_encoder"], "dim": 32}}
    save_file(build_encoder("mae", bigger).state_dict(), tmp_path / "big.safetensors")
    method = SETTINGS if step is finetune else {"random_seeds": [0], "penalties": [0.1]}
    folder = start(step, ["cad/100"], method, "mae", weights=tmp_path / "big.safetensors")
    assert "mae: its pre-trained weights are of another network" in result_of(folder / "cad/100")["skipped"]


def test_the_kept_model_gives_the_kept_predictions(start, small_models, small_dataset):
    folder = start(finetune, ["cad/100"])
    result = result_of(folder / "cad/100")
    scores = result["validation"]["auroc"]
    best = result["seeds"][scores.index(max(scores))]
    model = EcgPredictor(build_encoder("supervised", small_models), 2).eval()
    model.load_state_dict(load_file(folder / "cad/100/model.safetensors"))
    from finetune_setups import fold

    ecg = fold(small_dataset, 36, 12).data.batch(np.arange(12))["ecg"][..., :2500]
    with torch.inference_mode():
        expected = model(ecg).softmax(1)[:, 1]
    kept = pd.read_parquet(folder / "cad/100/predictions.parquet").query(f"split == 'test' and seed == {best}")
    np.testing.assert_allclose(kept["y_score"], expected, rtol=1e-5)


@pytest.mark.parametrize(("keep", "count"), [("none", 0), ("all", 2)])
def test_weights_are_kept_as_told_and_trained_again_when_wanted_later(start, trained, keep, count):
    folder = start(finetune, ["cad/100"], {**SETTINGS, "keep_checkpoints": keep})
    assert len(list((folder / "cad/100/seeds").glob("*.safetensors"))) == count
    start(finetune, ["cad/100"])
    assert len(list((folder / "cad/100/seeds").glob("*.safetensors"))) == 1
    assert len(trained) == (3 if keep == "none" else 2)


@pytest.mark.parametrize("encoder", ["random", "cmr_random", "cmr_mmcl"])
def test_probes_find_the_planted_disease_and_repeat_exactly(start, encoder, small_models, tmp_path):
    torch.manual_seed(0)
    save_weights(tmp_path / "weights.safetensors", build_encoder(encoder, small_models))
    weights = {} if encoder in DRAWN else {"weights": tmp_path / "weights.safetensors"}
    method = {"random_seeds": [0, 7], "penalties": [1e-3, 1e-1]}
    folder = start(probe, ["cad/100", "lv/100"], method, encoder, **weights)
    first = pd.read_parquet(folder / "cad/100/predictions.parquet")
    result = result_of(folder / "cad/100")
    assert result["seeds"] == ([0, 7] if encoder in DRAWN else [0])
    assert min(result["validation"]["auroc"]) > (0.5 if encoder == "random" else 0.9)
    assert len(result["penalty"]) == len(result["seeds"])
    start(probe, ["cad/100", "lv/100"], method, encoder, **weights)
    pd.testing.assert_frame_equal(pd.read_parquet(folder / "cad/100/predictions.parquet"), first)
    assert set(pd.read_parquet(folder / "lv/100/predictions.parquet")["output"]) == set(phenotype_names("lv"))


def drawn(small_dataset, folder):
    """Copy the subsets, with three draws of four pairs in the smaller one."""
    whole = pd.read_csv(small_dataset / "cad_100.csv")
    whole.to_csv(folder / "cad_100.csv", index=False)
    parts = [whole.iloc[8 * draw : 8 * draw + 8].assign(draw=draw) for draw in range(3)]
    pd.concat(parts).to_csv(folder / "cad_10.csv", index=False)
    return folder


@pytest.mark.parametrize("step", [finetune, probe])
def test_each_draw_of_a_subset_has_a_run_and_the_whole_set_one_a_seed(start, step, small_dataset, tmp_path):
    method = SETTINGS if step is finetune else {"random_seeds": [0, 1], "penalties": [0.1]}
    subsets = drawn(small_dataset, tmp_path)
    encoder = "supervised" if step is finetune else "random"
    folder = start(step, ["cad/10", "cad/100"], method, encoder, runs={"draws": 3}, subsets=subsets)
    ten, whole = (result_of(folder / fit)["runs"] for fit in ("cad/10", "cad/100"))
    assert [(run["seed"], run["draw"]) for run in ten] == [(0, 0), (1, 1), (1000, 2)]
    assert [(run["seed"], run["draw"]) for run in whole] == [(0, 0), (1, 0)]
    assert result_of(folder / "cad/10")["n_train"] == 8
    assert pd.read_parquet(folder / "cad/10/predictions.parquet")["seed"].unique().tolist() == [0, 1, 1000]


def test_one_draw_more_trains_that_draw_only(start, trained, small_dataset, tmp_path):
    subsets = drawn(small_dataset, tmp_path)
    start(finetune, ["cad/10"], runs={"draws": 2}, subsets=subsets)
    start(finetune, ["cad/10"], runs={"draws": 3}, subsets=subsets)
    assert trained == [("cad", 8, 0), ("cad", 8, 1), ("cad", 8, 1000)]


@pytest.mark.parametrize("step", [finetune, probe])
def test_runs_take_turns_with_the_pre_trainings(start, step, small_models, tmp_path):
    for seed in (0, 1):
        torch.manual_seed(seed)
        save_file(build_encoder("mae", small_models).state_dict(), tmp_path / f"{seed}.safetensors")
    method = {**SETTINGS, "seeds": [0, 1, 2]} if step is finetune else {"random_seeds": [0], "penalties": [0.1]}
    weights = [tmp_path / "0.safetensors", tmp_path / "1.safetensors"]
    folder = start(step, ["cad/100"], method, "mae", runs={"blocks": 2}, weights=weights)
    blocks = [run["block"] for run in result_of(folder / "cad/100")["runs"]]
    assert blocks == ([0, 1, 0] if step is finetune else [0, 1])
    both = pd.read_parquet(folder / "cad/100/predictions.parquet").set_index("seed")["y_score"]
    start(step, ["cad/100"], method, "mae", runs={"blocks": 2}, weights=weights[::-1])
    turned = pd.read_parquet(folder / "cad/100/predictions.parquet").set_index("seed")["y_score"]
    assert not np.array_equal(both.loc[0], turned.loc[0])
    if step is probe:  # nothing is drawn: the second run is the first one of the other order
        assert np.array_equal(both.loc[0], turned.loc[1000])


def drawn_group(small_dataset, folder):
    """Write two draws of twelve subjects for the left ventricle, whose LVM the second draw cannot learn."""
    table = pd.read_parquet(small_dataset / "phenotypes.parquet")
    measured = table["eid"][:24][table[phenotype_names("lv")][:24].notna().any(axis=1)]
    drawn = pd.concat([pd.DataFrame({"eid": measured[4 * draw : 4 * draw + 12], "draw": draw}) for draw in range(2)])
    drawn.to_csv(folder / "lv_10.csv", index=False)
    table.loc[table["eid"].isin(measured[12:16]), "LVM"] = np.nan
    table.to_parquet(folder / "phenotypes.parquet")
    return {"subsets": folder, "phenotypes": folder / "phenotypes.parquet"}


@pytest.mark.parametrize("step", [finetune, probe])
def test_a_group_is_learnt_from_each_draw_of_its_subset(start, step, small_dataset, tmp_path):
    method = SETTINGS if step is finetune else {"random_seeds": [0, 1], "penalties": [0.1]}
    files = drawn_group(small_dataset, tmp_path)
    folder = start(step, ["lv/10"], method, "supervised" if step is finetune else "random", runs={"draws": 2}, **files)
    result = result_of(folder / "lv/10")
    assert [(run["seed"], run["draw"]) for run in result["runs"]] == [(0, 0), (1, 1)] and result["n_train"] == 12
    assert "fewer than 10" in result["skipped_outputs"]["LVM"]
    kept = pd.read_parquet(folder / "lv/10/predictions.parquet")
    assert set(kept["output"]) == set(result["outputs"]) == set(phenotype_names("lv")) - set(result["skipped_outputs"])
    assert kept["y_score"].notna().all()


@pytest.mark.parametrize("step", [finetune, probe])
def test_a_missing_subset_ends_the_job_in_one_line(start, step):
    method = SETTINGS if step is finetune else {"random_seeds": [0], "penalties": [0.1]}
    with pytest.raises(InputError, match=r"lv_10\.csv is missing, which says who lv is trained on; run balance_subset"):
        start(step, ["lv/100", "lv/10"], method, "supervised" if step is finetune else "random")
