"""The Snakefile knows of a GPU without torch."""

import pytest

from cmr2ecg.runtime import gpus


@pytest.fixture
def driver(tmp_path, monkeypatch):
    (tmp_path / "gpus/0000:01:00.0").mkdir(parents=True)
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "gpus")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_auto_uses_the_gpu_that_is_there(driver, monkeypatch, tmp_path):
    assert gpus.uses_gpu("auto") and gpus.uses_gpu("cuda") and not gpus.uses_gpu("cpu")
    monkeypatch.setattr(gpus, "DRIVER", tmp_path / "none")
    assert not gpus.uses_gpu("auto") and gpus.uses_gpu("cuda")


@pytest.mark.parametrize(("visible", "used"), [("", False), ("-1", False), ("1", True)])
def test_a_hidden_gpu_is_not_used(driver, monkeypatch, visible, used):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus.uses_gpu("auto") == used
