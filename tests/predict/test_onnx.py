"""A release's ONNX graphs: the numbers of its networks, refused where they do not fit, reporting to nobody."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from release_setups import make_release

from cmr2ecg.predict.ensemble import build_encoder, build_ensemble, embed, predict
from cmr2ecg.predict.onnx_file import example
from cmr2ecg.predict.onnx_session import open_onnx
from cmr2ecg.predict.release import read_release
from cmr2ecg.predict.run import check_embeddings, check_outputs, load_encoder
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.imports import SOURCE


def test_onnx_gives_the_same_numbers_for_any_number_of_ecgs(tmp_path):
    folder = make_release(tmp_path, targets=("cad", "lv"), onnx=True, pooling="authors")
    config = json.loads((folder / "config.json").read_text())
    assert config["onnx_largest_difference"] <= 1e-4
    assert config["onnx_largest_difference_of_embeddings"] <= 1e-4
    ecg = np.concatenate([example(5000), example(5000)[::-1], example(5000)[:1]])
    wanted = embed(build_encoder(read_release(folder)), ecg)
    assert load_encoder(folder)(ecg).dtype == np.float32
    np.testing.assert_allclose(load_encoder(folder)(ecg), wanted, rtol=1e-4, atol=1e-4)
    ours, theirs = predict(build_ensemble(read_release(folder)), ecg), open_onnx(folder / "model.onnx")(ecg)
    for name in ours:
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-4, atol=1e-4)


def test_a_graph_of_other_outputs_is_refused(tmp_path):
    folder = make_release(tmp_path)
    config = json.loads((folder / "config.json").read_text())
    for said in ({}, {"cad": np.zeros((3, 1, 1)), "lv": np.zeros((2, 1, 6)), "wt": np.zeros((3, 1, 17))}):
        with pytest.raises(InputError, match="does not fit config"):
            check_outputs(lambda _, said=said: said, config, folder / "model.onnx")
    with pytest.raises(InputError, match=r"does not fit config.json \(ZeroDivisionError\)"):
        check_outputs(lambda _: 1 / 0, config, folder / "model.onnx")
    with pytest.raises(InputError, match=r"does not fit config.json \(embedding\)"):
        check_embeddings(lambda _: {"embedding": np.zeros((1, 5))}, config, folder / "embedding.onnx")


def test_onnxruntime_reports_nothing_and_leaves_no_identifier(tmp_path):
    """Unless it is told not to, ONNX Runtime keeps an identifier of the device in the user's cache, and uploads."""
    folder = make_release(tmp_path, targets=("cad",), onnx=True)
    home = tmp_path / "home"
    home.mkdir()
    suppressing = ("CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME", "PYTEST_CURRENT_TEST", "GITHUB_ACTIONS")
    environment = {name: value for name, value in os.environ.items() if name not in suppressing}
    environment |= {"HOME": str(home), "PYTHONPATH": str(SOURCE)}
    code = "import sys; from pathlib import Path; from cmr2ecg.predict.onnx_session import open_onnx; "
    code += "open_onnx(Path(sys.argv[1]))"
    subprocess.run([sys.executable, "-c", code, str(folder / "model.onnx")], env=environment, check=True)
    assert list(home.rglob("*")) == []
