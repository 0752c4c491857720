"""`cmr2ecg predict` and `embed`: any readable file is predicted, any other is named and passed over."""

import csv
import json
import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pandas as pd
import pytest
from cohort.raw_files import SHARED, counts
from release_setups import make_release

from cmr2ecg import cli
from cmr2ecg.ecg.recording import LEADS
from cmr2ecg.predict import page, pool, records
from cmr2ecg.predict.embeddings import grouped, write_embeddings
from cmr2ecg.predict.release import read_config
from cmr2ecg.predict.results import columns, entry_of, open_predictions, written
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml

RECORD = counts(3) * 0.005


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return make_release(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def ecgs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ecgs")
    (folder / "a.xml").write_bytes(cardiosoft_xml(counts(3)))
    np.save(folder / "b.npy", RECORD)
    np.savetxt(folder / "c.csv", RECORD.T * 1000, delimiter=";")
    (folder / "broken.xml").write_text("<a><b></a>")
    (folder / "pickle.npy").write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    np.save(folder / "objects.npy", np.array([{}], object), allow_pickle=True)
    (folder / "notes.txt").write_text("no ECG")
    (folder / "sub").mkdir()
    shutil.copy(folder / "a.xml", folder / "sub/a.xml")
    return folder


def load(path, **options):
    return pool.load(path, records.Source(read_config_of["clean_ecg"], **options))


read_config_of: dict = {}


@pytest.fixture(autouse=True)
def settings(model):
    read_config_of.update(read_config(model))


@pytest.mark.slow
def test_a_folder_is_predicted_and_what_is_broken_is_named(model, ecgs, tmp_path, capfd):
    command = ["predict", str(ecgs), "--rate", "500", "--model", str(model), "--out", str(tmp_path), "--threads", "2"]
    cli.main([*command, "--pages", "both", "--prevalence", "cad=0.07"])
    errors = capfd.readouterr().err
    found = json.loads((tmp_path / "predictions.json").read_text())["ecgs"]
    table = pd.read_csv(tmp_path / "predictions.csv")
    assert len(found) == len(table) == 7  # c.csv is in uV: implausible as mV
    status = {entry["file"].removeprefix(f"{ecgs}/"): entry["status"] for entry in found}
    assert [name for name, s in status.items() if s == "predicted"] == ["a.xml", "b.npy", "sub/a.xml"]
    assert all(f"{name}: skipped: " in errors for name, s in status.items() if s == "rejected")
    assert "a second" in errors and "3 of 7 ECGs done" in errors
    good = [entry for entry in found if entry["status"] == "predicted"]
    assert good[0]["risks"]["cad"]["prevalence"] == 0.07 and len(good[0]["phenotypes"]) == 6 + 17
    assert good[0]["risks"] == good[2]["risks"]  # the same ECG in another place
    assert good[0]["risks"]["cad"]["risk"] == pytest.approx(good[1]["risks"]["cad"]["risk"], abs=1e-5)
    assert sorted(p.name for p in (tmp_path / "pages").iterdir()) == sorted(
        f"{name}.{kind}" for name in ("a", "b", "a_2") for kind in ("pdf", "png")
    )
    row = table[table["status"] == "predicted"].iloc[0]
    assert row["LVEF_low"] < row["LVEF"] < row["LVEF_high"] and 0 < row["cad_risk"] < 1


@pytest.mark.slow
def test_embeddings_are_the_same_in_both_kinds_of_file(model, ecgs, tmp_path):
    for name in ("e.parquet", "e.h5"):
        out = str(tmp_path / name)
        cli.main(["embed", str(ecgs), "--rate", "500", "--model", str(model), "--out", out, "--threads", "1"])
    table = pd.read_parquet(tmp_path / "e.parquet")
    with h5py.File(tmp_path / "e.h5") as file:
        np.testing.assert_array_equal(file["embedding"][:], table.drop(columns="file").to_numpy())
        assert [name.decode() for name in file["file"][:]] == table["file"].tolist()
    assert table.shape == (3, 1 + 16)


def test_the_same_ecg_in_any_kind_of_file_is_cleaned_alike(ecgs):
    named = pd.DataFrame(RECORD.T[:, ::-1], columns=[f"Lead {name}" for name in LEADS[::-1]])
    named.to_csv(ecgs / "sub/named.csv", index=False)
    wanted = load(ecgs / "a.xml").cleaned
    for path, options in (
        (ecgs / "b.npy", {"rate_hz": 500}),
        (ecgs / "c.csv", {"rate_hz": 500, "unit": "uV"}),
        (ecgs / "sub/named.csv", {"rate_hz": 500}),
    ):
        np.testing.assert_allclose(load(path, **options).cleaned, wanted, atol=1e-5)
    (ecgs / "sub/named.csv").unlink()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (np.zeros((11, 5000)), "not 12 leads"),
        (np.zeros(5000), "not 12 leads"),
        (np.full((12, 5000), np.nan), "too many blank samples"),
        (np.where(np.arange(5000) == 7, np.inf, RECORD), "not a number"),
        (RECORD[:, :4000], "record too short"),
        (RECORD * 1000, "implausible amplitude"),
        (np.zeros((12, 5000)), "flat lead"),
        (np.zeros((12, 300_000)), "record too long"),
    ],
)
def test_arrays_that_are_no_ecg_are_refused_with_the_reason(tmp_path, value, reason):
    np.save(tmp_path / "x.npy", value)
    assert load(tmp_path / "x.npy", rate_hz=500).reason.startswith(reason)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"1,2\n3\n", b"\xff\xfe\x00", b"I,II\n1,2\n"])
def test_csv_files_that_are_no_ecg_are_refused(tmp_path, content):
    (tmp_path / "x.csv").write_bytes(content)
    record = load(tmp_path / "x.csv", rate_hz=500)
    assert record.reason and "unexpected" not in record.reason


def test_errors_name_the_option(model, ecgs, tmp_path):
    out = ["--model", str(model), "--out", str(tmp_path)]
    for command, words in (
        (["predict", str(ecgs / "b.npy"), *out], "give --rate HZ"),
        (["predict", str(ecgs / "none.xml"), *out], "there is no file"),
        (["predict", str(tmp_path), *out], "no ECG is given"),
        (["predict", str(ecgs / "a.xml"), "--model", str(ecgs), "--out", str(tmp_path)], "is not a release"),
        (["embed", str(ecgs / "a.xml"), *out], "expected a .parquet or .h5 file"),
    ):
        with pytest.raises(InputError, match=words):
            cli.main(command)


def test_entries_are_written_as_json_and_csv_would_be_at_once(tmp_path):
    config = {"name": "mmcl", "cohort": "x", "synthetic": True, "targets": {"lv": {"outputs": ["LVEF"]}}}
    config["targets"]["cad"] = {"outputs": ["cad"], "calibration": {}}
    said = {"risks": {"cad": {"risk": 0.123456789, "std": None, "prevalence": 0.1}}}
    said["phenotypes"] = {"LVEF": {"value": 55.5, "std": 1.0, "low": 50.0, "high": 1e9, "unit": "%"}}
    good = {"file": 'a "b",\n.xml', "status": "predicted", **said}
    entries = [{"file": "\\xff.xml", "status": "rejected", "reason": "not XML"}, good]
    with open_predictions(tmp_path, config) as write:
        for entry in entries:
            write(*written(entry, columns(config["targets"])))
        assert not (tmp_path / "predictions.json").exists()
    text = (tmp_path / "predictions.json").read_text()
    assert text == json.dumps(json.loads(text), indent=2) + "\n" and json.loads(text)["ecgs"] == entries
    lines = list(csv.reader((tmp_path / "predictions.csv").read_text().splitlines(True)))
    assert lines[0] == ["file", "status", "reason", "cad_risk", "cad_std", "LVEF", "LVEF_low", "LVEF_high"]
    assert lines[1:] == [
        ["\\xff.xml", "rejected", "not XML", "", "", "", "", ""],
        [good["file"], "predicted", "", "0.123457", "", "55.5", "50", "1e+09"],
    ]


def test_nothing_is_written_after_an_error(tmp_path):
    config = {"name": "mmcl", "cohort": "x", "synthetic": True, "targets": {}}
    with pytest.raises(ValueError, match="JSON"), open_predictions(tmp_path, config) as write:
        write(*written({"file": "a.xml", "status": "predicted", "heart_rate_bpm": float("nan")}, []))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["e.h5", "e.parquet"])
def test_many_embeddings_are_written_piece_by_piece(tmp_path, name):
    values = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    names = [f"{number}.xml" for number in range(5000)]
    pieces = [(names[i : i + 16], values[i : i + 16]) for i in range(0, 5000, 16)]
    assert [len(n) for n, _ in grouped(pieces)] == [2048, 2048, 904]
    assert write_embeddings(tmp_path / name, pieces) == 5000
    if name == "e.h5":
        with h5py.File(tmp_path / name) as file:
            assert file["file"].asstr()[:].tolist() == names
            np.testing.assert_array_equal(file["embedding"][:], values)
    else:
        table = pd.read_parquet(tmp_path / name)
        assert table["file"].tolist() == names and table.columns.tolist() == ["file", "e0", "e1", "e2"]
        np.testing.assert_array_equal(table.drop(columns="file").to_numpy(), values)
    assert write_embeddings(tmp_path / f"none_{name}", []) == 0 and not (tmp_path / f"none_{name}").exists()


def test_a_start_loads_neither_torch_nor_pandas():
    heavy = ("torch", "pandas", "sklearn", "matplotlib", "pybaselines", "scipy.signal", "scipy.optimize")
    code = "import sys, cmr2ecg.cli, cmr2ecg.predict.run, cmr2ecg.predict.results, cmr2ecg.predict.calibrate\n"
    code += f"print([name for name in {heavy} if name in sys.modules])\n"
    code += f"import cmr2ecg.predict.reading\nprint([name for name in {heavy[:5]} if name in sys.modules])"
    here = {"env": {**os.environ, "PYTHONPATH": str(SOURCE)}, "capture_output": True, "text": True, "check": True}
    done = subprocess.run([sys.executable, "-c", code], **here)
    assert done.stdout.splitlines() == ["[]", "[]"]


def test_help_says_what_there_is(capsys):
    for command in (["--help"], ["predict", "--help"], ["embed", "--help"]):
        with pytest.raises(SystemExit) as done:
            cli.main(command)
        assert done.value.code == 0
        text = capsys.readouterr().out
        assert "not a medical device" in text and "examples:" in text


def test_the_page_is_drawn_to_scale(model, ecgs):
    record = load(ecgs / "a.xml")
    said = {"risks": {"cad": {"risk": 0.2, "std": None, "prevalence": 0.1}}, "phenotypes": {}}
    figure = page.draw(record.signal, entry_of(record, said), read_config_of)
    (sheet,) = figure.axes
    width, height = (side * page.INCH_MM for side in figure.get_size_inches())
    assert sheet.get_xlim() == pytest.approx((0, width)) and sheet.get_ylim() == pytest.approx((0, height))
    rhythm = max(sheet.lines, key=lambda line: len(line.get_xdata()))
    x, y = rhythm.get_data()
    assert np.ptp(x) == pytest.approx(4999 / 500 * 25) and np.ptp(y) == pytest.approx(
        np.ptp(record.signal[1]) * 10, rel=1e-5
    )
    assert any("none in this release" in text.get_text() for text in sheet.texts)


@pytest.mark.skipif(not (SHARED / "data/ecg_wfdb").is_dir(), reason="shared/data/ecg_wfdb is not there")
def test_real_wfdb_records_are_read():
    found = [load(path) for path in sorted((SHARED / "data/ecg_wfdb").glob("*.hea"))]
    assert len(found) == 20 and sum(not record.reason for record in found) >= 15
