"""Which pre-trainings and fits a study has when it is made with several seeds and draws."""

import pytest

from cmr2ecg.plan.jobs import study_of
from cmr2ecg.runtime.imports import SOURCE

pytestmark = pytest.mark.slow
SEEDS = [1, 2, 3]
OVERLAY = f"pretrain: {{seeds: {SEEDS}}}\nbalance_subset: {{draws: 10}}\n"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    overlay = tmp_path_factory.mktemp("config") / "repeated.yaml"
    overlay.write_text(OVERLAY)
    return study_of([SOURCE.parent / "config/study.yaml", overlay]).jobs


def seeds_of(jobs, step):
    """Return {name: seed} of a step's pre-trainings."""
    return {job.wildcards["name"]: job.settings["method"]["seed"] for job in jobs if job.step == step}


def starts_of(jobs):
    """Return {name: weights that its ECG encoder starts from, or ""} of the multimodal pre-trainings."""
    return {
        job.wildcards["name"]: "".join(job.options.get("ecg-encoder", ()))
        for job in jobs
        if job.step == "pretrain_mmcl"
    }


def test_every_pre_training_is_made_once_with_each_seed(jobs):
    assert seeds_of(jobs, "pretrain_cmr") == {"simclr": 1, "simclr_seed_2": 2, "simclr_seed_3": 3}
    masked, multimodal = (seeds_of(jobs, step) for step in ("pretrain_mae", "pretrain_mmcl"))
    for found, name in ((masked, "mae"), (multimodal, "mmcl"), (multimodal, "mmcl_without_mdm")):
        assert [found[name], found[f"{name}_seed_2"], found[f"{name}_seed_3"]] == SEEDS


def test_a_repeat_starts_from_the_autoencoder_of_its_own_seed(jobs):
    starts = starts_of(jobs)
    assert starts["mmcl_seed_2"].endswith("pretrain_mae/mae_seed_2/encoder.safetensors")
    assert starts["mmcl"].endswith("pretrain_mae/mae/encoder.safetensors") and not starts["mmcl_without_mdm_seed_2"]


def test_an_ablation_has_the_first_seed_alone(jobs):
    multimodal = seeds_of(jobs, "pretrain_mmcl")
    assert multimodal["mmcl_shuffled"] == 1 and "mmcl_shuffled_seed_2" not in multimodal


def test_fits_know_of_the_repeats_and_the_whole_subset_is_drawn_once(jobs):
    weights = {
        job.encoder: job.options.get("weights", ()) for job in jobs if job.step == "probe" and job.encoder != "latents"
    }
    assert len(weights["mmcl"]) == len(weights["mae"]) == 3 and len(weights["mmcl_shuffled"]) == 1
    assert {(job.settings["blocks"], job.settings["draws"]) for job in jobs if job.step == "finetune"} == {(3, 10)}
    drawn = {(job.wildcards["fraction"], job.settings["draws"]) for job in jobs if job.step == "balance_subset"}
    assert drawn == {("100", 1), *((part, 10) for part in ("30", "10", "3", "1"))}


def test_an_ablation_may_train_its_own_autoencoder_on_more_ecgs(jobs):
    wanted = {job.wildcards["name"]: job.settings["method"]["unpaired"] for job in jobs if job.step == "pretrain_mae"}
    assert wanted == {"mae": False, "mae_seed_2": False, "mae_seed_3": False, "mmcl_more_ecgs": True}
    starts = starts_of(jobs)
    own = "pretrain_mae/mmcl_more_ecgs/encoder.safetensors"
    assert starts["mmcl_more_ecgs"].endswith(own)
    (probed,) = (job.options["weights"] for job in jobs if job.step == "probe" and job.encoder == "mae_more_ecgs")
    assert probed[-1].endswith(own)


def test_the_map_is_drawn_of_every_encoder_that_is_probed(jobs):
    (figure,) = (job for job in jobs if job.wildcards.get("figure") == "figure_6")
    drawn = {name for name, _, path in (item.partition("=") for item in figure.options["inputs"]) if "mmcl/" in path}
    assert drawn == {"mmcl", "mmcl_without_mdm"}  # the latter is not fine-tuned there
