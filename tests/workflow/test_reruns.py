"""Only stale steps rerun: Snakemake is asked what it would do after each kind of change."""

import ast
import shutil
from pathlib import Path

import h5py
import pytest
from drive_snakemake import TINY, planned, snakemake

pytestmark = pytest.mark.slow

CONFIG = {"describe_run", "audit_withdrawn"}  # one is about every setting, the other about every file
REPORT = {"evaluate", "make_table", "make_figure", "trace_numbers", "track", "release"} | CONFIG
SWEPT = {"sweep", "select", "finetune"}
MMCL = {"pretrain_mmcl", "select_mmcl", "probe", "score_heatmap"} | SWEPT | REPORT
# a default argument
OTHER_VIT = ("src/cmr2ecg/models/vit.py", "mlp_ratio: float = 4.0", "mlp_ratio: float = 3.0")
TRAINING = {"pretrain_mae", "pretrain_contrastive", "pretrain_mmcl", "select_mmcl", "probe"} | SWEPT


def test_a_second_run_has_nothing_to_do(finished):
    assert planned(finished) == {}


def test_touching_every_source_file_reruns_nothing(finished):
    for path in [*(finished / "src").rglob("*.py"), *(finished / "config").iterdir(), finished / "Snakefile"]:
        path.touch()
    assert planned(finished) == {}


def test_a_clone_elsewhere_reruns_nothing(finished, tmp_path):
    """Source files get new times in a clone; results and Snakemake's records are carried over."""
    clone = tmp_path / "clone"
    shutil.copytree(finished, clone, copy_function=shutil.copy2)
    for path in (clone / "src").rglob("*.py"):
        path.touch()
    assert planned(clone) == {}


def test_a_docstring_a_comment_another_layout_and_a_help_text_rerun_nothing(edited, finished):
    documented = (
        "models/vit.py",
        "runtime/orphan.py",
        "study/claims.py",
        "simulate/ecg.py",
        "steps/finetune.py",
    )
    for path in documented:
        edited(f"src/cmr2ecg/{path}", '"""', '"""  Said otherwise: ')
    for path in sorted((finished / "src/cmr2ecg/data").glob("*.py")):  # other layout, no comments
        if path.name != "__init__.py":
            text = path.read_text()
            edited(f"src/cmr2ecg/data/{path.name}", text, ast.unparse(ast.parse(text)) + "\n# a comment\n")
    assert planned(finished) == {}


def test_editing_the_vit_reruns_training_but_no_cleaning(edited):
    folder = edited(*OTHER_VIT)
    assert set(planned(folder)) == TRAINING | REPORT | {"score_heatmap"}


def test_editing_the_figure_reruns_the_figure(edited):
    folder = edited("src/cmr2ecg/report/figures/figure_5.py", "FEW = 5", "FEW = 6")
    assert set(planned(folder)) == {"make_figure", "track", "audit_withdrawn"}


def test_a_constant_of_the_xml_reader_reruns_cleaning_and_what_follows(edited):
    folder = edited("src/cmr2ecg/ecg/cardiosoft.py", '"uVperLsb"', '"uVperLSB"')
    plan = planned(folder)
    assert {"clean_ecg", "assemble_dataset", "finetune"} <= set(plan)
    assert not {"simulate_cohort", "crop_cmr", "read_tabular", "index_shard"} & set(plan)


def test_a_limit_of_the_zip_reader_reruns_cropping_and_what_follows(edited):
    folder = edited("src/cmr2ecg/cmr/archive.py", "MAX_MEMBERS = 5_000", "MAX_MEMBERS = 5_001")
    plan = planned(folder)
    assert {"crop_cmr", "assemble_dataset", "finetune"} <= set(plan)
    assert not {"simulate_cohort", "clean_ecg", "read_tabular", "index_shard"} & set(plan)


@pytest.mark.parametrize(
    ("old", "new", "reruns"),
    [
        ("seeds: [0, 101]\n  epochs: 2", "seeds: [0, 101]\n  epochs: 3", SWEPT | REPORT),
        ("seeds: [0, 101]\n  epochs: 2", "seeds: [0, 101, 7]\n  epochs: 2", {"finetune"} | REPORT),
        ("trials: 2\n", "trials: 3\n", SWEPT | REPORT),
        ("rounds: [5, 7]", "rounds: [5, 7, 9]", {"sweep_tabular", "select", "train_tabular"} | REPORT),
        ("mmcl: {epochs: 1", "mmcl: {epochs: 2", MMCL),
        ("byol: {epochs: 1", "byol: {epochs: 2", {"pretrain_contrastive", "finetune"} | REPORT),
        ("penalties: [1.0e-2, 1.0]", "penalties: [1.0e-2]", {"probe"} | REPORT),
        ("rounds: 5}", "rounds: 6}", {"train_tabular"} | REPORT),
        ("name: resnet10t, image_size: 32", "name: resnet10t, image_size: 40", {"pretrain_cmr"} | MMCL),
        ("mae_decoder: {dim: 16", "mae_decoder: {dim: 32", {"pretrain_mae"} | MMCL),
        ("calibration_bins: 5", "calibration_bins: 6", REPORT),
        ("encoders: [supervised, byol, mmcl, cmr_mmcl]", "encoders: [byol, mmcl, cmr_mmcl]", REPORT),
        ("memory_mb: 1000", "memory_mb: 2000", CONFIG),
        ("threads: {data: 1", "threads: {data: 2", CONFIG),
        ("shards: 2", "shards: 2\nprocesses: {pretrain: 2}", CONFIG),
        ("small: {memory_mb: 700}", "most_minutes: 600\n  small: {memory_mb: 9000}", set()),
    ],
)
def test_changing_a_setting_reruns_the_steps_that_use_it(edited, old, new, reruns):
    folder = edited(TINY, old, new)
    assert set(planned(folder)) == reruns


def test_another_target_reruns_the_jobs_that_hold_it(edited):
    """A job that holds several fits trains the new one only: tests/steps/test_finetune_step.py."""
    plan = planned(edited(TINY, "targets: [cad, lv]", "targets: [cad, lv, dm]"))
    assert (plan["balance_subset"], plan["finetune"]) == (2, 2)
    assert not {"train_tabular", "probe", "sweep"} & set(plan)


def test_another_fraction_makes_that_fraction_only(edited):
    plan = planned(edited(TINY, "fractions: [100, 10]", "fractions: [100, 10, 50]"))
    assert (plan["balance_subset"], plan["finetune"], plan["probe"], plan["train_tabular"]) == (1, 2, 2, 1)


def test_another_learning_rate_trains_that_one_only(edited):
    plan = planned(edited(TINY, "base_lrs: [1.0e-3]", "base_lrs: [1.0e-3, 3.0e-3]"))
    assert (plan["pretrain_mmcl"], plan["select_mmcl"]) == (1, 1) and "pretrain_mae" not in plan


def test_an_ablation_trains_what_differs_and_nothing_else(edited):
    ablations = "{strangers: {shuffle_images: every_batch, mae: {mask_ratio: 0.5}}, few: {pairs: 20, finetune: true}}"
    plan = planned(edited(TINY, "shards: 2", f"shards: 2\nablations: {ablations}"))
    wanted = {"pretrain_mae": 1, "pretrain_mmcl": 2, "select_mmcl": 2, "probe": 3, "finetune": 1}
    assert {rule: plan.get(rule, 0) for rule in wanted} == wanted
    assert set(plan) == {*wanted, "score_heatmap"} | REPORT  # the maps of shuffled pairs are measured


def test_frozen_steps_survive_an_edit(edited):
    edited(*OTHER_VIT)
    folder = edited(TINY, "shards: 2", "shards: 2\nfrozen: [pretrain_mae, pretrain_contrastive, pretrain_mmcl]")
    assert set(planned(folder)) == {"probe", "score_heatmap"} | SWEPT | REPORT


def test_more_trials_are_a_job_more(edited):
    """The job that has the first two trials stays as it is, and only the swept encoder and target follow."""
    plan = planned(edited(TINY, "trials: 2\n", "trials: 4\n"))
    assert (plan["sweep"], plan["select"], plan["finetune"]) == (1, 1, 1)
    assert "sweep_tabular" not in plan and "train_tabular" not in plan


def test_a_new_subject_reruns_its_shard_and_what_follows(finished):
    raw = finished / "results/tiny/simulate_cohort/raw"
    ecg, cmr = next((raw / "ecg").iterdir()), next((raw / "cmr").iterdir())
    added = [raw / "ecg/9999998_20205_2_0.xml", raw / "cmr/9999998_20209_2_0.zip"]
    shutil.copy(ecg, added[0])
    shutil.copy(cmr, added[1])
    plan = planned(finished)
    for path in added:
        path.unlink()
    assert (plan["index_shard"], plan["clean_ecg"], plan["crop_cmr"]) == (1, 1, 1)
    assert "simulate_cohort" not in plan
    assert planned(finished) == {}


def test_unpaired_ecgs_reach_the_pre_trainings_on_ecgs_and_no_other(finished, tmp_path):
    """The pairs' files stay the same byte for byte, so that after the data stage nothing else is stale."""
    folder = tmp_path / "unpaired"
    shutil.copytree(finished, folder, copy_function=shutil.copy2)
    tiny, results = folder / TINY, folder / "results/tiny"
    tiny.write_text(tiny.read_text().replace("shards: 2\n", "shards: 2\nindex_cohort: {unpaired_ecgs: true}\n"))
    kept = [results / "assemble_dataset/dataset.h5", results / "split_subjects/split.csv", *results.glob("crop_cmr/*")]
    before = [path.read_bytes() for path in kept]
    for step in ("index_cohort", "audit_leakage"):  # in one call all that follows is planned, changed or not
        done = snakemake(folder, "--until", step)
        assert done.returncode == 0, done.stderr[-3000:]
    assert [path.read_bytes() for path in kept] == before
    with h5py.File(results / "assemble_dataset/unpaired.h5") as file, h5py.File(kept[0]) as pairs:
        assert len(file["eid"]) and not set(file["eid"][:]) & set(pairs["eid"][:])
    plan = planned(folder)
    assert {"pretrain_mae", "pretrain_contrastive", "pretrain_mmcl"} <= set(plan)
    left_alone = {"crop_cmr", "read_tabular", "balance_subset", "pretrain_cmr", "sweep_tabular", "train_tabular"}
    assert not left_alone & set(plan), plan
    assert "finetune_supervised" not in snakemake(folder, "--dry-run").stdout


def real_data_config(finished: Path, target: Path, **raw: str) -> Path:
    """Write an overlay that reads the tiny cohort's raw files as if they were a download."""
    simulated = finished / "results/tiny/simulate_cohort"
    paths = {
        "ecg": f"[{simulated}/raw/ecg]",
        "cmr": f"[{simulated}/raw/cmr]",
        "tabular": f"[{simulated}/tabular.csv]",
        "withdrawn": f"[{simulated}/withdrawn.csv]",
    } | raw
    lines = "\n".join(f"  {key}: {value}" for key, value in paths.items())
    target.write_text(f"cohort: download\nshards: 2\nraw:\n{lines}\n")
    return target


def test_real_data_runs_without_anything_of_the_demo(finished, tmp_path):
    config = real_data_config(finished, tmp_path / "download.yaml")
    plan = planned(finished, "--configfile", str(config))
    assert "simulate_cohort" not in plan
    assert plan["finetune"] == 8 * (3 * 3 + 5) + 8 + 3 + 3 and plan["index_shard"] == 2
    done = snakemake(finished, "--dry-run", "--configfile", str(config), "--printshellcmds")
    assert '"subjects": 60' not in done.stdout and "results/tiny/" not in done.stdout.replace(
        "results/tiny/simulate_cohort", ""
    )
