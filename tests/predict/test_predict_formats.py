"""`cmr2ecg predict` on one ECG in every format: the same probabilities, and nothing of the patient in any output."""

import csv
import json

import numpy as np
import pytest
from cohort.raw_files import counts
from ecg.formats_written import SECRET, aecg, bdf, dicom, edf, muse, scp, sierra
from ecg.test_wfdb_record import write as write_wfdb
from release_setups import make_release

from cmr2ecg import cli
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml

COUNTS = counts(3)
ALL = range(12)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Return the folder of ECGs after predictions, and each file's row of the csv by its stem."""
    folder = tmp_path_factory.mktemp("formats")
    ecgs, out = folder / "ecgs", folder / "out"
    ecgs.mkdir()
    contents = {
        **{"cardiosoft.xml": cardiosoft_xml(COUNTS), "muse.xml": muse(COUNTS, ALL), "aecg.xml": aecg(COUNTS)},
        **{"sierra.xml": sierra(COUNTS), "dicom.dcm": dicom(COUNTS), "scp.scp": scp(COUNTS, ALL)},
        **{"edf.edf": edf(COUNTS), "bdf.bdf": bdf(COUNTS), "eight.xml": muse(COUNTS)},
        **{
            "torn.dcm": dicom(COUNTS)[:9000],
            "torn.scp": scp(COUNTS)[:9000],
            "another.xml": f"<svg>{SECRET}</svg>".encode(),
        },
    }
    for name, content in contents.items():
        (ecgs / name).write_bytes(content)
    np.savetxt(ecgs / "csv.csv", COUNTS.T * 0.005, delimiter=",", fmt="%.3f")
    one, two = COUNTS[0], COUNTS[1]
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]  # with half counts
    np.savetxt(ecgs / "derived.csv", np.vstack([limbs, COUNTS[6:]]).T * 0.005, delimiter=",", fmt="%.4f")
    write_wfdb(ecgs, COUNTS * 0.005).rename(ecgs / "wfdb.hea")
    command = ["predict", str(ecgs), "--model", str(make_release(folder / "model")), "--out", str(out)]
    cli.main([*command, "--rate", "500", "--pages", "png"])
    with open(out / "predictions.csv", newline="") as file:
        return folder, {row["file"].rsplit("/")[-1].rsplit(".")[0]: row for row in csv.DictReader(file)}


def numbers(row):
    return {name: float(text) for name, text in row.items() if name not in ("file", "status", "reason", "repairs")}


def test_probabilities_are_the_same_in_every_format_of_the_same_resolution(results):
    _, rows = results
    expected = numbers(rows["cardiosoft"])
    assert any(name.endswith("_risk") for name in expected)
    for name in ("muse", "aecg", "sierra", "dicom", "scp", "edf", "bdf", "csv", "wfdb"):
        assert rows[name]["status"] == "predicted", rows[name]
        assert numbers(rows[name]) == pytest.approx(expected, rel=1e-5, abs=1e-6), name


def test_eight_leads_are_enough_and_the_repair_is_told(results):
    folder, rows = results
    entries = json.loads((folder / "out/predictions.json").read_text())["ecgs"]
    assert ["aVR" in entry["repairs"] for entry in entries if entry["file"].endswith("eight.xml")] == [True]
    risks = [name for name in rows["eight"] if name.endswith("_risk")]
    for name in risks:  # the same to rounding, and of the same twelve leads the same
        assert float(rows["eight"][name]) == pytest.approx(float(rows["cardiosoft"][name]), abs=0.02)
        assert float(rows["eight"][name]) == pytest.approx(float(rows["derived"][name]), abs=1e-6)


def test_bad_files_are_named_with_a_reason(results):
    _, rows = results
    assert rows["torn"]["status"] == rows["another"]["status"] == "rejected"
    assert rows["another"]["reason"].startswith("unknown file format: known are CardioSoft")


def test_nothing_of_the_patient_is_in_results_pages_or_log(results, capfd, caplog):
    folder, _ = results
    command = ["embed", str(folder / "ecgs"), "--model", str(folder / "model/release/mmcl"), "--rate", "500"]
    with caplog.at_level("DEBUG"):
        cli.main([*command, "--out", str(folder / "out/embeddings.h5")])
    told = capfd.readouterr()
    assert "torn" in told.out + told.err + caplog.text
    assert SECRET not in told.out + told.err + caplog.text
    outputs = [path for path in (folder / "out").rglob("*") if path.is_file()]
    assert len(outputs) > 10
    assert not [path for path in outputs if SECRET.encode() in path.read_bytes() or SECRET in path.name]
