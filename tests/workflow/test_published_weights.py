"""A weight file named in the config stands in for its pre-training in every rule that takes the encoder."""

import pytest
from drive_snakemake import TINY, copy_repository, snakemake

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    copy_repository(folder)
    return folder


def commands(folder, init: str) -> str:
    (folder / "weights.pth").write_bytes(b"0")
    text = (folder / TINY).read_text() + f"\ninit: {init}\n"
    (folder / "init.yaml").write_text(text)
    done = snakemake(folder, "--dry-run", "--printshellcmds", "--configfile", "init.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_is_pre_trained_where_a_file_is_named(folder):
    named = "{mmcl: weights.pth, byol: weights.pth, cmr_mmcl: weights.pth}"
    text = commands(folder, named)
    assert "steps.pretrain_" not in text.replace("steps.pretrain_mae", "") and text.count("steps.import_weights") == 3
    for step in ("finetune", "probe", "release"):
        (line,) = {
            row for row in text.splitlines() if f"cmr2ecg.steps.{step} " in row and "import_weights/mmcl/" in row
        } or [""]
        assert "--weights results/tiny/import_weights/mmcl/encoder.safetensors" in line, step


def test_mmcl_starts_from_named_files(folder):
    text = commands(folder, "{mae: weights.pth, cmr_simclr: weights.pth}")
    (line,) = {row for row in text.splitlines() if "pretrain_mmcl --settings" in row}
    assert "--ecg-encoder results/tiny/import_weights/mae/encoder.safetensors" in line
    assert "--cmr-encoder results/tiny/import_weights/cmr_simclr/encoder.safetensors" in line
    assert "steps.pretrain_mae" not in text and "steps.pretrain_cmr" not in text and "figure_2" not in text


def test_a_file_that_is_not_there_is_named(folder):
    (folder / "init.yaml").write_text((folder / TINY).read_text() + "\ninit: {mae: nowhere.pth}\n")
    done = snakemake(folder, "--dry-run", "--configfile", "init.yaml")
    assert done.returncode == 1 and "init.mae: there is no file nowhere.pth" in done.stdout + done.stderr
