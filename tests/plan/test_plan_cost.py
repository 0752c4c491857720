import dataclasses
import math

import pytest
from plan_setups import COHORT, CONFIG, LINE, MAE_MODELS, estimate, fit_job, mae_job

from cmr2ecg.plan.cost import Span, kind_of, likely_epochs
from cmr2ecg.plan.jobs import Job
from cmr2ecg.plan.steps import operations_of


def test_sums_add_their_ends():
    assert Span(1, 2, 3) + Span.exactly(1) == Span(2, 3, 4)
    assert 2 * Span.within(10, 2) == Span(10, 20, 40)


def test_a_pretraining_costs_its_steps_and_validation():
    cost = estimate().of(mae_job(epochs=10, batch_size=100))
    steps, checked = 7 * 0.1 + 700 * 0.01, (2 * 0.1 + 150 * 0.01) / 3
    resume = 4 * 4 * 1e6 / 1e9
    reading = 850 * 12 * 5000 * 4 / 500e6
    assert cost.seconds.likely == pytest.approx(5 + reading + 10 * (steps + checked + resume))
    assert cost.seconds.low < cost.seconds.likely < cost.seconds.high


def test_twice_the_epochs_cost_twice_the_operations():
    one, two = (estimate().of(mae_job(epochs=epochs)).operations.likely for epochs in (10, 20))
    assert two == pytest.approx(2 * one)


def test_a_larger_mask_costs_as_many_operations_less():
    """An ablation's settings are not measured; their operations scale what was."""
    measured = operations_of("mae", MAE_MODELS, CONFIG["pretrain"]["mae"])
    line = dataclasses.replace(LINE, operations=measured)
    assert line.scaled_to(measured / 2).per_subject == pytest.approx(LINE.per_subject / 2)
    most, least = (estimate(line=line).of(mae_job(mask_ratio=ratio)).seconds.likely for ratio in (0.2, 0.9))
    assert most > 1.5 * least


def test_an_ablation_with_fewer_pairs_costs_less():
    whole, half = estimate().of(mae_job()), estimate().of(mae_job(pairs=350))
    assert half.operations.likely == pytest.approx(whole.operations.likely * (350 + 50) / (700 + 50), rel=0.01)


def test_a_gpu_takes_the_counted_operations():
    cost = estimate().of(mae_job(epochs=10))
    start, reading = 5, 850 * 12 * 5000 * 4 / 500e6
    assert cost.gpu_seconds.likely == pytest.approx(start + reading + cost.operations.likely / 1e12)
    assert cost.operations.likely == pytest.approx(10 * LINE.operations * (700 + 150 / 3))


def test_more_cores_than_were_measured_widen_the_range():
    likely = {threads: estimate(threads=2).of(mae_job(threads=threads)).seconds for threads in (2, 8)}
    assert likely[8].likely == pytest.approx(likely[2].likely / 4, rel=0.01)
    assert likely[8].high > 2 * likely[2].high / 4


@pytest.mark.parametrize(("target", "n"), [("cad", 140), ("lv", 350)])
def test_fits_train_on_balanced_subsets_or_on_all_with_phenotypes(target, n):
    assert COHORT.trained_on(target, 100) == n == 10 * COHORT.trained_on(target, 10)
    cost = estimate().of(fit_job(target, epochs=4, patience=400, minimum_steps=1, seeds=[0], batch_size=10))
    val = 150 if target == "cad" else 75
    epoch = math.ceil(n / 10) * 0.1 + n * 0.01 + LINE.seconds(1, val) / 3
    final = LINE.seconds(2, 300) / 3 + 0.15
    held = 1000 * 12 * 5000 * 4 / 500e6
    assert cost.seconds.likely == pytest.approx(5 + held + 4 * epoch + final)
    longer = estimate().of(fit_job(target, epochs=4, patience=400, minimum_steps=700, seeds=[0], batch_size=10))
    assert longer.seconds.likely == pytest.approx(5 + held + math.ceil(700 * 10 / n) * epoch + final)


def test_early_stopping_is_a_range():
    assert likely_epochs(400, 25) == Span(26, pytest.approx(math.sqrt(26 * 400)), 400)
    assert likely_epochs(8, 400) == Span.exactly(8)


def test_every_seed_costs():
    one, five = (estimate().of(fit_job(seeds=seeds)).operations.likely for seeds in ([0], [0, 1, 2, 3, 4]))
    assert five == pytest.approx(5 * one)


def test_a_sweeps_job_costs_its_trials():
    plan = {"rung": 0, "pack": 0, "epochs": 400, "seeds": [0], "trials": None, "promoted": 8, "first": 0, "last": 8}
    method = {key: value for key, value in CONFIG["finetune"].items() if key not in ("batch_size", "seeds")}
    models = {"ecg_encoder": CONFIG["models"]["ecg_encoder"]}

    def job(batches):
        trials = [{"batch_size": size} for size in batches]
        wildcards = {"encoder": "mmcl", "target": "cad", "rung": "0", "pack": "0"}
        return Job("sweep", wildcards, 2, {"method": method, "models": models, "sweep": plan | {"trials": trials}}, {})

    eight, large, small = (estimate().of(job(batches)).seconds.likely for batches in ([8] * 8, [32] * 8, [8]))
    assert eight > large  # more steps over the same subjects
    assert small < eight / 4


def test_each_shard_reads_its_part_of_the_subjects():
    job = Job("clean_ecg", {"shard": "3"}, 1, CONFIG["clean_ecg"], {})
    cost = estimate().of(job)
    assert cost.seconds.likely == pytest.approx(1 + 0.2 * 1000 / CONFIG["shards"])
    assert cost.disk == 1000 / CONFIG["shards"] * 12 * 5000 * 4


def test_unpaired_ecgs_cost_their_cleaning_and_the_pre_trainings_that_see_them():
    wide = estimate()
    wide.cohort = dataclasses.replace(COHORT, unpaired=7000)
    job = Job("clean_ecg", {"shard": "3.unpaired"}, 1, CONFIG["clean_ecg"], {})
    assert wide.of(job).seconds.likely == pytest.approx(1 + 0.2 * 7000 / CONFIG["shards"])
    assert wide.of(job).disk == 7000 / CONFIG["shards"] * 12 * 5000 * 4
    assert COHORT.pretrained_on("mae", {}) == COHORT.pretrained_on("mmcl", {}) == 700
    assert wide.cohort.pretrained_on("mae", {"unpaired": True}) == wide.cohort.pretrained_on("clocs", {}) == 7700
    assert wide.cohort.pretrained_on("mmcl", {}) == wide.cohort.pretrained_on("cmr", {}) == 700
    assert wide.cohort.pretrained_on("mae", {"unpaired": False}) == 700


@pytest.mark.parametrize(
    ("rule", "wildcards", "options", "kind"),
    [
        ("pretrain_contrastive", {"baseline": "byol"}, {}, "byol"),
        ("pretrain_mmcl", {"name": "mmcl", "rate": "0.001"}, {}, "mmcl"),
        ("finetune_cmr_mmcl", {}, {"encoder": ["cmr_mmcl"]}, "finetune_cmr"),
        ("finetune_supervised_cnn", {}, {"encoder": ["supervised_cnn"]}, "finetune_cnn"),
        ("probe_random", {}, {"encoder": ["random"]}, "finetune_ecg"),
        ("probe_cmr_random", {}, {"encoder": ["cmr_random"]}, "finetune_cmr"),
        ("sweep", {"encoder": "mae"}, {}, "finetune_ecg"),
        ("clean_ecg", {"shard": "0"}, {}, ""),
    ],
)
def test_the_training_a_job_does(rule, wildcards, options, kind):
    assert kind_of(Job(rule, wildcards, 1, {}, options)) == kind


def test_memory_holds_the_recordings_unless_they_are_streamed():
    one = estimate().of(mae_job()).memory
    streamed = estimate()
    streamed.config = {**CONFIG, "memory_mb": 10}
    assert one - streamed.of(mae_job()).memory == pytest.approx(850 * 12 * 5000 * 4)
