"""Jobs come from Snakemake itself."""

import os
from collections import Counter
from pathlib import Path

import pytest

from cmr2ecg.plan import __main__ as plan
from cmr2ecg.plan.jobs import jobs_in, study_of
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.imports import SOURCE

pytestmark = pytest.mark.slow
ROOT = SOURCE.parent
SETS = ("ptbxl", "physionet_2021", "mimic_iv_ecg", "code15", "ecg_only")


def test_the_papers_study_before_any_data_is_there():
    """config/ukb.yaml names folders that are not there; every row of the paper's tables has its job."""
    before = Path.cwd(), dict(os.environ)
    study = study_of([ROOT / "config/ukb.yaml"])
    jobs = Counter(job.step for job in study.jobs)
    assert (Path.cwd(), dict(os.environ)) == before
    assert jobs["finetune"] == 8 * (3 * 3 + 5) + 8 + 3 + 3
    assert (jobs["clean_ecg"], jobs["pretrain_mmcl"], jobs["sweep_tabular"], jobs["sweep"]) == (40, 8, 8, 0)
    fit = next(job for job in study.jobs if job.rule == "finetune_mmcl")
    assert fit.settings["method"]["seeds"] == [0, 101, 202, 303, 404] and fit.threads == 4
    assert fit.options["fits"] == [f"{fit.wildcards['target']}/{fit.wildcards['fraction']}"]
    assert {"mae", "byol", "cmr", "mmcl", "finetune_ecg", "finetune_cmr"} <= set(plan.kinds_of(study))


def test_a_data_set_is_planned_before_it_is_downloaded():
    """The folder of each overlay is not there either; a table, headers, a joined table and HDF5 files stand in."""
    counts = {name: Counter(job.step for job in study_of([ROOT / f"config/{name}.yaml"]).jobs) for name in SETS}
    assert all(jobs["pretrain_mae"] == jobs["evaluate"] == 1 and jobs["crop_cmr"] == 0 for jobs in counts.values())
    assert counts["ptbxl"]["finetune"] == 5 and counts["ptbxl"]["balance_subset"] == 6 * 3
    more = Counter(job.step for job in study_of([ROOT / "config/ptbxl.yaml", ROOT / "docs/real_ecgs/more.yaml"]).jobs)
    assert (more["clean_ecg"], more["pretrain_contrastive"], more["finetune"], more["probe"]) == (2 * 8, 0, 1, 1)


def test_sweeps_are_jobs_where_the_config_asks_for_them(tmp_path):
    overlay = tmp_path / "sweep.yaml"
    overlay.write_text("sweep: {encoders: [mmcl], targets: [cad, lv]}\n")
    jobs = Counter(job.step for job in study_of([ROOT / "config/ukb.yaml", overlay]).jobs)
    assert jobs["sweep"] == 648 // 8 + 216 // 8


def test_groups_are_learnt_from_subsets_where_the_config_asks_for_them(tmp_path):
    overlay = tmp_path / "labels.yaml"
    overlay.write_text(
        "balance_subset: {phenotype_fractions: [100, 10], draws: 2}\nfinetune: {limits: {byol: {fractions: [10]}}}\n"
    )
    before, after = (study_of([ROOT / "config/ukb.yaml", *more]).jobs for more in ([], [overlay]))
    counts = [Counter(job.step for job in jobs) for jobs in (before, after)]
    assert [count["balance_subset"] for count in counts] == [9, 9 + 5]
    assert [count["audit_subsets"] for count in counts] == [3, 3 + 5]
    assert counts[1]["finetune"] == 7 * (3 * 3 + 5 * 2) + (3 + 5) + 8 + 3 + 3
    trees = [len(job.fits) for jobs in (before, after) for job in jobs if job.step == "train_tabular"]
    assert len(trees) == 2 and trees[1] == trees[0] + 5
    (fits,) = (job.options["fits"] for job in after if job.rule == "probe_mmcl")
    assert {"lv/100", "lv/10"} < set(fits) and "lv/1" not in fits
    drawn = [job for job in after if job.step == "balance_subset" and job.wildcards["target"] == "lv"]
    assert [(job.wildcards["fraction"], job.settings["draws"]) for job in drawn] == [("10", 2)]
    for jobs in (before, after):
        assert "labelled_subjects" in {job.wildcards["figure"] for job in jobs if job.step == "make_figure"}


def test_what_snakemake_refuses_is_one_line(tmp_path):
    overlay = tmp_path / "wrong.yaml"
    overlay.write_text("pretrain: {mae: {mask_rato: 0.5}}\n")
    with pytest.raises(InputError) as refusal:
        study_of([ROOT / "config/ukb.yaml", overlay])
    assert str(refusal.value) == "config: unknown key pretrain.mae.mask_rato (did you mean mask_ratio?)"


def test_jobs_are_read_from_what_a_dry_run_prints():
    """One in a group, which is indented; one that torchrun may start; and `all`, which runs nothing."""
    printed = """\
group job 1 (jobs in lexicogr. order):

    rule finetune_mae:
        input: dataset.h5
        wildcards: target=cad, fraction=10
        threads: 4
    Shell command: python -m cmr2ecg.steps.finetune --settings '{"a": "b c"}' --threads 4 --keep 1 --fits x y

[Mon Nov 30 18:58:47 2026]
rule pretrain_cmr:
    reason: Missing output files
Shell command: $(test 1 && echo torchrun --standalone -m -- || echo python -m) cmr2ecg.steps.pretrain_cmr --threads 2

rule all:
    input: everything
"""
    fit, pretraining = jobs_in(printed)
    assert (fit.rule, fit.wildcards, fit.threads) == ("finetune_mae", {"target": "cad", "fraction": "10"}, 4)
    assert fit.settings == {"a": "b c"} and fit.options["fits"] == ["x", "y"] and fit.step == "finetune"
    assert (pretraining.rule, pretraining.options) == ("pretrain_cmr", {"threads": ["2"]})
