"""Which jobs there are and what each is told: plain values, from the settings alone."""

import json
from pathlib import PurePosixPath

import pytest
from paper_settings import paper

from cmr2ecg.study.ablations import with_ablations
from cmr2ecg.study.figure_jobs import FIGURES, figure, figures, mapped, measured, scored
from cmr2ecg.study.fit_jobs import (
    all_subsets,
    encoder_fits,
    finetune_jobs,
    folders,
    like,
    probe_jobs,
    released_fits,
    subset_files,
    subset_targets,
    values_file,
)
from cmr2ecg.study.pretraining_jobs import pretrainings
from cmr2ecg.study.report_jobs import scored_for
from cmr2ecg.study.sections import balance_settings, shareable, without_plans
from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.sweep_jobs import choices, sweep_of, sweep_settings, swept, whole_subset
from cmr2ecg.study.targets import PHENOTYPE_GROUPS


def study(**changes: dict) -> Settings:
    """The paper's settings, some keys of some sections changed."""
    return with_ablations(paper(**changes))


def methods(found: dict) -> dict:
    return {name: json.loads(job.settings)["method"] for name, job in found.items()}


def test_each_pretraining_is_told_its_own_seed_and_starts_from_its_own_kind():
    seeded = pretrainings(study(pretrain={"seeds": [3, 5]}))
    assert {name: method["seed"] for name, method in methods(seeded.mae).items()} == {"mae": 3, "mae_seed_5": 5}
    assert seeded.contrastive["byol_seed_5"].repeats == "byol" and len(seeded.contrastive) == 2 * 4
    starts = {name: (job.ecg_encoder, job.cmr_encoder) for name, job in seeded.mmcl.items()}
    assert starts == {
        "mmcl_without_mdm": ("", "<results>/pretrain_cmr/simclr/encoder.safetensors"),
        "mmcl_without_mdm_seed_5": ("", "<results>/pretrain_cmr/simclr_seed_5/encoder.safetensors"),
        "mmcl": ("<results>/pretrain_mae/mae/encoder.safetensors", "<results>/pretrain_cmr/simclr/encoder.safetensors"),
        "mmcl_seed_5": (
            "<results>/pretrain_mae/mae_seed_5/encoder.safetensors",
            "<results>/pretrain_cmr/simclr_seed_5/encoder.safetensors",
        ),
    }
    assert [PurePosixPath(path).parent.name for path in seeded.weights["mmcl"]] == ["mmcl", "mmcl_seed_5"]
    assert seeded.weights["supervised"] == () and all(
        path.endswith("image_encoder.safetensors") for path in seeded.weights["cmr_mmcl"]
    )


def test_a_multimodal_pretraining_has_a_candidate_for_each_learning_rate():
    rates = study().pretrain.mmcl.base_lrs
    told = {rate: json.loads(text) for rate, text in pretrainings(study()).mmcl["mmcl"].candidates.items()}
    assert list(told) == [f"{rate:g}" for rate in rates]
    assert [job["method"]["base_lr"] for job in told.values()] == [*rates]
    assert all("base_lrs" not in job["method"] and set(job["models"]) > {"projector"} for job in told.values())


def test_an_ablation_changes_what_it_names_and_nothing_else():
    changes = {"mask": {"mae": {"mask_ratio": 0.5}}, "tau": {"mmcl": {"temperature": 0.2}, "pairs": 50}}
    settings = study(ablations=changes)
    found, plain = pretrainings(settings), pretrainings(study())
    mae = methods(found.mae)
    assert mae["mmcl_mask"] == {**mae["mae"], "mask_ratio": 0.5}
    assert found.mmcl["mmcl_mask"].ecg_encoder == "<results>/pretrain_mae/mmcl_mask/encoder.safetensors"
    assert found.mmcl["mmcl_tau"].ecg_encoder == plain.mmcl["mmcl"].ecg_encoder
    for rate, text in found.mmcl["mmcl_tau"].candidates.items():
        own, common = (json.loads(told)["method"] for told in (text, plain.mmcl["mmcl"].candidates[rate]))
        assert own == {**common, "temperature": 0.2, "pairs": 50}
    assert found.weights["mae_mask"] == ("<results>/pretrain_mae/mmcl_mask/encoder.safetensors",)
    assert [like(settings, name) for name in ("mmcl_tau", "mae_mask", "byol")] == ["mmcl", "mae", "byol"]


def test_imported_weights_stand_in_for_a_pretraining():
    settings = study(init={"mae": "mae.pth", "cmr_simclr": "resnet.pth"})
    found = pretrainings(settings)
    file = "<results>/import_weights/mae/encoder.safetensors"
    assert found.weights["mae"] == (file,) and found.mmcl["mmcl"].ecg_encoder == file
    assert found.mmcl["mmcl"].cmr_encoder == "<results>/import_weights/cmr_simclr/encoder.safetensors"
    assert found.folders(["mae", "mmcl"]) == ["<results>/pretrain_mmcl/mmcl"]
    assert pretrainings(study()).folders(["mmcl", "supervised"]) == [
        "<results>/pretrain_mmcl/mmcl",
        "<results>/pretrain_cmr/simclr",
        "<results>/pretrain_mae/mae",
    ]


def test_a_job_holds_one_fit_or_all_of_an_encoder():
    alone, packed = (finetune_jobs(study(finetune={"job": job}), gpu=False) for job in ("fit", "encoder"))
    (one,), (all_of_it,) = ([job for job in jobs if job.encoder == "mmcl"] for jobs in (alone, packed))
    assert one.fits == all_of_it.fits == all_of_it.in_job and len(one.fits) == 3 * 3 + 5
    assert one.named({"target": "af", "fraction": "10"}) == ["af/10"]
    assert (one.log, one.group) == ("<results>/logs/finetune/mmcl/{target}/{fraction}.log", "small_fits_mmcl")
    assert (all_of_it.log, all_of_it.group) == ("<results>/logs/finetune/mmcl.log", None)
    assert {job.group for job in finetune_jobs(study(finetune={"job": "fit"}), gpu=True)} == {None}
    assert {job.encoder for job in alone if job.keep_every_seed} == set(study().release.encoders)


def test_limits_leave_out_fits_of_an_encoder_and_of_an_ablation_like_it():
    limits = {"byol": {"fractions": [10]}, "mmcl": {"targets": ["lv"]}, "mae": {"targets": ["ecc"], "fractions": [1]}}
    ablations = {"tau": {"finetune": True, "mmcl": {"temperature": 0.2}}}
    settings = study(finetune={"limits": limits}, ablations=ablations)
    assert encoder_fits(settings, "byol") == ("cad/10", "af/10", "dm/10")
    assert encoder_fits(settings, "mmcl") == encoder_fits(settings, "mmcl_tau") == ("lv/100",)
    assert "mae" not in {job.encoder for job in finetune_jobs(settings, gpu=False)}
    assert released_fits(settings, "byol") == [] and released_fits(settings, "mmcl") == ["lv/100"]


def test_overrides_reach_their_encoder_alone():
    before = study(finetune={"overrides": {}})
    epochs = before.finetune.epochs + 7
    changed = study(finetune={"overrides": {"byol": {"epochs": epochs}}})
    told = [{job.encoder: job.settings for job in finetune_jobs(each, gpu=False)} for each in (before, changed)]
    assert [encoder for encoder in told[0] if told[0][encoder] != told[1][encoder]] == ["byol"]
    assert json.loads(told[1]["byol"])["method"]["epochs"] == epochs


def test_a_fit_reads_the_subset_and_the_values_of_its_target():
    assert subset_files(["cad/100", "lv/100", "lv/10"]) == [
        "<results>/balance_subset/cad_100.csv",
        "<results>/balance_subset/lv_10.csv",
    ]
    assert subset_targets(["<results>/finetune/mae/lv/100", "<results>/probe/mae/af/1"]) == ["af"]
    assert all_subsets(study(), "dm") == [f"<results>/balance_subset/dm_{part}.csv" for part in (100, 10, 1)]
    assert {values_file(group) for group in PHENOTYPE_GROUPS} == {"<results>/read_tabular/phenotypes.parquet"}
    assert values_file("af") == "<results>/read_tabular/labels.parquet"
    drawn = [json.loads(balance_settings(study(balance_subset={"draws": 4}), part))["draws"] for part in (100, 10)]
    assert drawn == [1, 4]


def test_the_jobs_of_a_sweep_share_its_trials_and_none_is_lost():
    settings = study(sweep={"encoders": ["mmcl"], "targets": ["cad"], "strategy": "grid", "trials_per_job": 100})
    sweep = sweep_of(settings, "mmcl", "cad")
    assert len(sweep.packs(0)) == 7 and sweep.previous_packs(0) == [] and sweep.all_packs() == sweep.packs(0)
    told = [json.loads(sweep_settings(settings, sweep, 0, pack)) for pack in range(7)]
    assert [trial for job in told for trial in job["sweep"]["trials"]] == list(sweep.trials)
    swept_axes = set(sweep.trials[0])
    assert all(not swept_axes & set(job["method"]) and "draws" not in job for job in told)
    assert ("mmcl", "cad") in swept(settings) and ("tabular", "cad") in swept(settings)
    assert choices(settings, "mmcl", ["cad/100", "cad/10", "af/100"]) == ["<results>/select/mmcl_cad.json"]
    assert whole_subset("cad") == ["<results>/balance_subset/cad_100.csv"] and whole_subset("lv") == []


def test_a_round_of_halving_waits_for_the_one_before():
    halving = {"encoders": ["mmcl"], "targets": ["cad"], "strategy": "halving", "trials": 40, "trials_per_job": 10}
    halving |= {"minimum_epochs": 100, "eta": 2}
    settings = study(sweep=halving)
    sweep = sweep_of(settings, "mmcl", "cad")
    assert sweep.previous_packs(1) == sweep.packs(0) and len(sweep.packs(0)) == 4
    later = json.loads(sweep_settings(settings, sweep, 1, 0))["sweep"]
    assert later["trials"] is None and later["promoted"] == sweep.rungs[1].trials < 40
    last = json.loads(sweep_settings(settings, sweep, len(sweep.rungs) - 1, 0))["sweep"]
    assert last["epochs"] is None


def test_every_figure_that_is_drawn_has_its_inputs():
    ablations = {"shuffled": {"shuffle_images": "once"}, "half": {"mae": {"mask_ratio": 0.5}}}
    settings = study(ablations=ablations)
    fits = folders("finetune", finetune_jobs(settings, gpu=False)) + folders("probe", probe_jobs(settings))
    names = figures(settings, fits)
    assert {"figure_2", "figure_4", "figure_6", "figure_6_ecg", "ablations", "labelled_subjects"} < set(names)
    assert set(names) <= set(FIGURES)
    for name in names:
        drawn = figure(settings, name, range(3), "raw.txt")
        assert drawn.inputs and json.loads(drawn.told(settings))["dpi"] == settings.make_figure.dpi
    assert set(measured(settings)) - set(mapped(settings)) == {"mmcl_shuffled"}


def test_figure_6_takes_what_was_measured_and_planted():
    planted = figure(study(simulate_cohort={"enabled": True}), "figure_6", range(3), "raw.txt").inputs
    assert planted["heatmap"] == "<results>/score_heatmap/heatmap.csv" and {"truth", "visits"} < set(planted)
    segmented = figure(study(raw={"segmentations": ["/labels"]}), "figure_6", range(3), "raw.txt").inputs
    assert "heatmap" in segmented and not {"truth", "visits"} & set(segmented)
    assert not {"heatmap", "truth"} & set(figure(study(), "figure_6", range(3), "raw.txt").inputs)
    assert not {"heatmap", "truth"} & set(
        figure(study(simulate_cohort={"enabled": True}), "figure_6_ecg", [0], "").inputs
    )


def test_tables_of_the_maps_take_their_own_file():
    settings = study(simulate_cohort={"enabled": True})
    shown = {table: list(scored_for(settings, table)) for table in ("1", "claims", "heatmap", "retrieval")}
    assert shown == {"1": [], "claims": ["heatmap"], "heatmap": ["heatmap"], "retrieval": ["retrieval"]}
    assert list(scored(study())) == ["retrieval"]  # no ventricle is known
    init = {"mmcl": "a.pth", "mmcl_without_mdm": "b.pth"}
    assert scored(study(init=init, simulate_cohort={"enabled": True})) == {}


def test_figures_of_networks_that_were_not_trained_here_are_not_drawn():
    settings = study(init={"mae": "mae.pth", "mmcl": "a.pth", "mmcl_without_mdm": "b.pth"})
    assert {"figure_2", "figure_6", "figure_6_ecg"} & set(figures(settings, ["x/cad/100"])) == set()
    assert "labelled_subjects" not in figures(settings, ["x/cad/100", "y/cad/100"])
    assert "labelled_subjects" in figures(settings, ["x/cad/100", "y/cad/10"])


def test_what_is_shown_to_others_names_no_path_and_no_subject():
    settings = study(raw={"ecg": ["/home/somebody/secret"]}, make_figure={"eids": [9_000_123]})
    text = shareable(settings)
    assert "secret" not in text and "9000123" not in text and "cluster" not in json.loads(text)
    assert json.loads(text)["raw"]["ecg"] == "1 path(s)"


@pytest.mark.parametrize("section", ["finetune", "probe", "balance_subset", "make_table"])
def test_a_list_of_jobs_is_no_setting_of_a_job(section):
    assert not {"encoders", "targets", "fractions", "tables", "overrides"} & set(
        without_plans(getattr(study(), section))
    )
