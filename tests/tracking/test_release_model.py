"""A release in MLflow: logged once, registered, run by MLflow's own command as by ours, found after a move."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from release_setups import make_release

from cmr2ecg.predict.onnx_file import example_record
from cmr2ecg.predict.records import Source
from cmr2ecg.predict.release import read_config, write_sums
from cmr2ecg.predict.run import predict_files
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.tracking.mlflow_runs import Tracker

MODEL = "models:/cmr2ecg-demo-mmcl/1"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A release, a database that has it, and ECGs: two that can be read and one that is flat."""
    root = tmp_path_factory.mktemp("tracked")
    folder = make_release(root, targets=("cad", "lv"), onnx=True)
    Tracker(root / "mlflow.db", root / "artifacts", "demo").add_release(folder)
    ecg = example_record(5000)
    ecgs = np.concatenate([ecg, ecg[..., ::-1], np.zeros((1, 12, 5000), np.float32)])
    return root, folder, ecgs


def environment(root: Path) -> dict[str, str]:
    uri = f"sqlite:///{root}/mlflow.db"
    return {**os.environ, "PYTHONPATH": str(SOURCE), "MLFLOW_TRACKING_URI": uri, "MLFLOW_REGISTRY_URI": uri}


def versions(root: Path) -> list[tuple[str, str]]:
    from mlflow import MlflowClient

    uri = f"sqlite:///{root}/mlflow.db"
    client = MlflowClient(uri, uri)
    return [(model.name, str(version.version)) for model in client.search_registered_models()
            for version in client.search_model_versions(f"name = '{model.name}'")]  # fmt: skip


def test_mlflows_command_says_what_ours_does(tracked, tmp_path):
    root, folder, ecgs = tracked
    files = [tmp_path / f"{k}.npy" for k in range(len(ecgs))]
    for path, ecg in zip(files, ecgs, strict=True):
        np.save(path, ecg)
    source = Source(read_config(folder)["clean_ecg"], 500.0, "mV")
    predict_files(files, folder, tmp_path / "ours", source, prevalences=[], pages="none", threads=1)
    ours = pd.read_csv(tmp_path / "ours/predictions.csv").drop(columns="file")

    (tmp_path / "ecgs.json").write_text(json.dumps({"inputs": ecgs.tolist()}))
    command = [
        str(Path(sys.executable).with_name("mlflow")),
        "models",
        "predict",
        "-m",
        MODEL,
        "--env-manager",
        "local",
    ]
    command += ["-i", str(tmp_path / "ecgs.json"), "-t", "json", "-o", str(tmp_path / "theirs.json")]
    subprocess.run(command, env=environment(root), cwd=tmp_path, check=True, capture_output=True)
    said = json.loads((tmp_path / "theirs.json").read_text())["predictions"]
    theirs = pd.DataFrame(said)
    assert theirs.columns.tolist() == ours.columns.tolist()
    assert theirs["status"].tolist() == ours["status"].tolist() == ["predicted", "predicted", "rejected"]
    assert theirs["reason"].tolist()[2] == ours["reason"].tolist()[2] != ""
    numbers = ours.columns.drop(["status", "reason"])
    np.testing.assert_allclose(theirs[numbers].astype(float), ours[numbers], rtol=2e-5)


def test_the_registry_says_what_it_is(tracked):
    from mlflow import MlflowClient

    uri = f"sqlite:///{tracked[0]}/mlflow.db"
    said = MlflowClient(uri, uri).get_model_version("cmr2ecg-demo-mmcl", "1").description
    assert all(words in said for words in ("12-lead ECG", "synthetic", "not a medical device", "README.md"))


def test_the_same_release_is_logged_once_and_another_is_a_new_version(tracked, tmp_path):
    root, folder, _ = tracked
    other = tmp_path / "other"
    shutil.copytree(root, other)
    tracker = Tracker(other / "mlflow.db", other / "artifacts", "demo")
    tracker.add_release(folder)
    assert versions(other) == [("cmr2ecg-demo-mmcl", "1")]
    changed = other / "release/mmcl"
    (changed / "README.md").write_text("another card")
    write_sums(changed)
    tracker.add_release(changed)
    assert sorted(versions(other)) == [("cmr2ecg-demo-mmcl", "1"), ("cmr2ecg-demo-mmcl", "2")]


def test_it_is_found_where_the_results_were_moved_to(tracked, tmp_path):
    root, _, ecgs = tracked
    moved = tmp_path / "moved"
    shutil.copytree(root, moved)
    Tracker(moved / "mlflow.db", moved / "artifacts", "demo")
    hidden = root.with_name(root.name + "_away")
    root.rename(hidden)
    try:
        code = "import mlflow, sys; model = mlflow.pyfunc.load_model(sys.argv[1]); import numpy as np; "
        code += "print(len(model.predict(np.load(sys.argv[2]))))"
        np.save(tmp_path / "ecgs.npy", ecgs)
        command = [sys.executable, "-c", code, MODEL, str(tmp_path / "ecgs.npy")]
        done = subprocess.run(command, env=environment(moved), cwd=tmp_path, check=True, capture_output=True, text=True)
        assert done.stdout.strip() == "3"
    finally:
        hidden.rename(root)


def test_another_rate_than_the_releases_is_a_parameter(tracked):
    from cmr2ecg.predict.mlflow_model import ReleaseModel

    _, folder, ecgs = tracked
    model = ReleaseModel(folder)
    whole = model.predict(ecgs[:1])
    half = model.predict(ecgs[:1, :, ::2], {"sampling_rate_hz": 250.0})
    assert half["status"].tolist() == ["predicted"]
    assert half["cad_risk"][0] == pytest.approx(whole["cad_risk"][0], abs=0.1)
    assert model.predict(ecgs[:1, :, ::2])["status"].tolist() == ["rejected"]  # five seconds at 500 Hz


def test_what_are_no_ecgs_is_said_and_what_is_missing_stays_so(tracked):
    from cmr2ecg.predict.mlflow_model import ReleaseModel

    _, folder, ecgs = tracked
    model = ReleaseModel(folder)
    for rate in (0.0, -500.0, float("nan")):
        with pytest.raises(ValueError, match="expected samples per second"):
            model.predict(ecgs, {"sampling_rate_hz": rate})
    for odd in (ecgs[0], None, 3.0, {"a": 1}, [[[1, 2], [3]]], np.array([["x"]])):
        with pytest.raises(ValueError, match=r"expected ECGs \(n, 12, samples\) in mV"):
            model.predict(odd)
    none = model.predict(ecgs[:0])
    assert len(none) == 0 and none["cad_risk"].dtype == float
    as_objects = model.predict(ecgs[:1].astype(object))
    assert as_objects["cad_risk"].tolist() == model.predict(ecgs[:1].tolist())["cad_risk"].tolist()
    hidden = np.ma.masked_array(ecgs[:1], mask=np.zeros_like(ecgs[:1], bool))
    hidden.mask[:, 6] = True
    assert model.predict(hidden)["status"].tolist() == ["rejected"]
