"""Whole cohorts: files, tables, truth, determinism, planted damage."""

import csv
import hashlib
import zipfile
from collections import Counter

import numpy as np
import pandas as pd
import pydicom
import pytest
from defusedxml import ElementTree
from paper_settings import changed

from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.runtime.command import InputError
from cmr2ecg.simulate.cohort import plan, simulate, write_subject
from cmr2ecg.simulate.phenotypes import FIELDS
from cmr2ecg.simulate.raw_files import BROKEN
from cmr2ecg.simulate.subject import draw_person, draw_subject, eid_of
from cmr2ecg.steps.clean_ecg import clean_file
from cmr2ecg.steps.simulate_cohort import main
from cmr2ecg.study.settings.cohort import Prevalence, SimulateCohort
from cmr2ecg.study.settings.recordings import CleanEcg

SETTINGS = SimulateCohort(
    subjects=16,
    seed=11,
    infarct=0.5,
    frames=10,
    slices=9,
    matrix=32,
    prevalence=Prevalence(cad=0.3, af=0.2, dm=0.3),
    repeat_visits=0.125,
    missing_modality=0.125,
    broken=0.5,
)


def digests(folder):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*_0.*")}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cohort")
    stale = folder / "raw" / "ecg" / "9000001_20205_2_0.xml"
    stale.parent.mkdir(parents=True)
    stale.write_text("of an earlier run")
    outputs = {name: folder / name for name in ("raw", "tabular", "withdrawn", "truth", "files")}
    words = [word for name, path in outputs.items() for word in (f"--{name}", str(path))]
    main(["--settings", SETTINGS.model_dump_json(), *words])
    return outputs


@pytest.fixture(scope="module")
def truth(written):
    return pd.read_parquet(written["truth"]).set_index("eid")


def test_files_are_named_as_in_a_download_and_listed(written, truth):
    found = sorted(str(path.relative_to(written["raw"])) for path in written["raw"].rglob("*_0.*"))
    assert written["files"].read_text().split() == found
    assert not (written["raw"] / "ecg/9000001_20205_2_0.xml").exists()
    for eid, row in truth.iterrows():
        wanted = {f"ecg/{eid}_20205_2_0.xml", f"cmr/{eid}_20209_2_0.zip"}
        wanted -= {name for name in wanted if row["missing"] and name.startswith(row["missing"])}
        wanted -= {f"ecg/{eid}_20205_2_0.xml"} if row["repeat"] == "only" else set()
        wanted |= {f"ecg/{eid}_20205_3_0.xml", f"cmr/{eid}_20209_3_0.zip"} if row["repeat"] else set()
        assert {name for name in found if str(eid) in name} == wanted


def test_further_subjects_with_an_ecg_alone_change_nobody_else(written, truth, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("cmr2ecg.simulate.subject.render", lambda *_, **__: drawn.append(1))
    whole, more = plan(SETTINGS), plan(changed(SETTINGS, ecg_only=5))
    assert more[: len(whole)] == whole and [task.index for task in more[len(whole) :]] == [16, 17, 18, 19, 20]
    for task in more[len(whole) :]:
        (tmp_path / "ecg").mkdir(exist_ok=True)
        files, row, known = write_subject(SETTINGS, tmp_path, task)
        assert files == [f"ecg/{known['eid']}_20205_2_0.xml"] and known["eid"] not in truth.index
        assert (known["missing"], known["broken"], known["withdrawn"]) == ("cmr", "", False)
        assert "centre_row" not in known and "infarct_segment" not in known
        assert row[0] == str(known["eid"])
    assert not drawn


def test_an_ecg_is_the_same_with_and_without_its_cine():
    one, two = (draw_subject(SETTINGS, 3, imaged=imaged) for imaged in (True, False))
    np.testing.assert_array_equal(one.ecg_counts, two.ecg_counts)
    assert two.cine is None and one.phenotypes == two.phenotypes


def test_tabular_is_ukbconv_and_agrees_with_the_truth(written, truth):
    assert written["tabular"].read_text().startswith('"eid","31-0.0","21003-2.0"')
    with open(written["tabular"]) as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == SETTINGS.subjects
    prefixes = {"cad": "I20 I21 I22 I23 I24 I25", "af": "I48", "dm": "E10 E11 E12 E13 E14"}
    for row in rows:
        known = truth.loc[int(row["eid"])]
        assert int(row["31-0.0"]) == known["ecg_male"]
        assert float(row["21002-2.0"]) == pytest.approx(known["ecg_weight_kg"], abs=0.051)
        codes = {value[:3] for name, value in row.items() if name.startswith(("41270-", "40001-", "40002-"))}
        for name, wanted in prefixes.items():
            assert bool(codes & set(wanted.split())) == bool(known[name])
        filled = [row[f"{field}-2.0"] != "" for field in FIELDS.values()]
        assert all(filled) if known["phenotypes"] else not any(filled)
        if known["phenotypes"]:
            assert float(row["24100-2.0"]) == pytest.approx(known["true_LVEDV"], rel=0.12)
        assert bool(row["53-3.0"]) == bool(known["repeat"]) == bool(row["21003-3.0"])
        check_dates(row)
    assert sum(bool(row["24100-2.0"]) for row in rows) == SETTINGS.subjects / 2


def check_dates(row):
    """Every code has its date, and main and secondary diagnoses together are all diagnoses."""
    codes, dates = ([row[f"{field}-0.{k}"] for k in range(12)] for field in (41270, 41280))
    assert [bool(code) for code in codes] == [bool(day) for day in dates]
    main, days, secondary = ([row[f"{field}-0.{k}"] for k in range(6)] for field in (41202, 41262, 41204))
    assert {*main, *secondary} - {""} == {*codes} - {""}
    assert set(zip(main, days, strict=True)) <= {*zip(codes, dates, strict=True), ("", "")}
    assert bool(row["40001-0.0"]) == bool(row["40000-0.0"])


def test_withdrawn_subjects_have_files(written, truth):
    eids = [int(line) for line in written["withdrawn"].read_text().splitlines()]
    assert eids == truth.index[truth["withdrawn"]].tolist()
    assert len(eids) == 2
    for eid in eids:
        assert (written["raw"] / f"ecg/{eid}_20205_2_0.xml").exists()
        assert (written["raw"] / f"cmr/{eid}_20209_2_0.zip").exists()


def judged(path):
    """What the cleaning makes of an ECG."""
    try:
        return clean_file(path, CleanEcg())[1]["repairs"]
    except Rejection as error:
        return f"{error.reason}: {error.detail}"


def test_each_kind_of_damage_is_planted_once(written, truth):
    broken = truth.loc[truth["broken"] != "", "broken"]
    assert Counter(broken) == Counter(BROKEN)
    path = {kind: (eid, written["raw"]) for eid, kind in broken.items()}
    xml = {k: raw / f"ecg/{eid}_20205_2_0.xml" for k, (eid, raw) in path.items()}
    stack = {k: raw / f"cmr/{eid}_20209_2_0.zip" for k, (eid, raw) in path.items()}
    with pytest.raises(ElementTree.ParseError):
        ElementTree.parse(xml["ecg_truncated"])
    assert len(ElementTree.parse(xml["ecg_eleven_leads"]).findall("StripData/WaveformData")) == 11
    flat = ElementTree.parse(xml["ecg_flat_lead"]).findall("StripData/WaveformData")
    assert [element.get("lead") for element in flat if not set(element.text) - set("0,\t\n ")] == ["V2"]
    assert judged(xml["ecg_swapped_leads"]) == "limb leads contradict each other: I and II swapped"
    assert judged(xml["ecg_1000_hz"]) == "resampled from 1000 Hz"
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(stack["cmr_truncated"])
    with zipfile.ZipFile(stack["cmr_six_slices"]) as archive:
        assert sum(name.endswith(".dcm") for name in archive.namelist()) == 6 * SETTINGS.frames + 6
    with zipfile.ZipFile(stack["cmr_unreadable"]) as archive, pytest.raises(pydicom.errors.InvalidDicomError):
        pydicom.dcmread(archive.open(archive.namelist()[0]))


def test_truth_places_the_heart(truth):
    assert (truth["centre_row"].between(6, 26) & truth["centre_column"].between(6, 26)).all()
    assert (truth["middle_slice"] == truth["slices"] // 2).all()
    assert truth["lv_radius_px"].between(1, 4).all()


def test_workers_and_reruns_do_not_matter(tmp_path, written, truth):
    again = simulate(SETTINGS, tmp_path / "raw", workers=2)
    assert digests(tmp_path / "raw") == digests(written["raw"])
    pd.testing.assert_frame_equal(again.truth.set_index("eid"), truth, check_dtype=False)
    assert simulate(changed(SETTINGS, subjects=14, seed=12), tmp_path / "raw", workers=1).files != again.files


def test_a_subject_does_not_depend_on_the_others():
    one, two = (draw_subject(changed(SETTINGS, subjects=n), 3) for n in (14, 1000))
    np.testing.assert_array_equal(one.ecg_counts, two.ecg_counts)
    np.testing.assert_array_equal(one.cine.volume, two.cine.volume)
    assert one.phenotypes == two.phenotypes


def test_a_second_visit_shows_the_same_heart_with_new_noise():
    first, second = (draw_subject(SETTINGS, 4, visit) for visit in (2, 3))
    np.testing.assert_array_equal(first.motion.inner, second.motion.inner)
    assert not np.array_equal(first.ecg_counts, second.ecg_counts)
    assert second.when > first.when


def test_what_the_ecg_sees_changes_the_ecg_alone():
    """Body, heart, image, phenotypes and diseases are the subject's own at any visibility."""
    whole, none = (draw_subject(changed(SETTINGS, ecg_visibility=visibility), 5) for visibility in (1.0, 0.0))
    np.testing.assert_array_equal(whole.cine.volume, none.cine.volume)
    assert whole.phenotypes == none.phenotypes
    np.testing.assert_array_equal(whole.person.risks, none.person.risks)
    assert whole.person.record == none.person.record
    assert whole.person.heart_ecg == whole.person.heart_image
    assert none.person.heart_ecg.age == none.person.heart_image.age
    assert not np.array_equal(whole.ecg_counts, none.ecg_counts)


def test_electricity_bears_on_the_diseases_alone():
    with_risk, without = (draw_subject(changed(SETTINGS, ecg_only_risk=share), 5) for share in (1.0, 0.0))
    np.testing.assert_array_equal(with_risk.ecg_counts, without.ecg_counts)
    np.testing.assert_array_equal(with_risk.cine.volume, without.cine.volume)
    assert not np.array_equal(with_risk.person.risks, without.person.risks)


def test_truth_says_where_the_infarct_lies(truth):
    ill = truth[truth["image_infarct"] > 0]
    assert 0 < len(ill) < len(truth)
    assert (truth.loc[truth["image_infarct"] == 0, "infarct_segment"] == 0).all()
    angle = np.deg2rad((ill["infarct_from_degrees"] + ill["infarct_to_degrees"]) / 2)
    radius = (ill["infarct_inner_px"] + ill["infarct_outer_px"]) / 2
    np.testing.assert_allclose(ill["infarct_row"], ill["centre_row"] - radius * np.sin(angle), rtol=1e-6)
    np.testing.assert_allclose(ill["infarct_column"], ill["centre_column"] + radius * np.cos(angle), rtol=1e-6)
    np.testing.assert_allclose(np.exp(1j * angle), np.exp(1j * np.deg2rad(90 + 60 * (ill["infarct_segment"] - 7))))
    assert (ill["infarct_outer_px"] > ill["infarct_inner_px"]).all()


def test_share_of_ill_people_is_within_sampling_error():
    has = np.array([draw_person(SETTINGS, index).has for index in range(600)])
    wanted = np.array([*dict(SETTINGS.prevalence).values()])
    error = np.sqrt(wanted * (1 - wanted) / len(has))
    assert (np.abs(has.mean(0) - wanted) < 4 * error).all()


def test_eids_are_distinct_and_outside_uk_biobanks_range():
    eids = [eid_of(2024, index) for index in range(5000)]
    assert len(set(eids)) == 5000
    assert min(eids) >= 9000001 and max(eids) <= 9999999


def test_plan_makes_nobody_two_kinds():
    tasks = plan(changed(SETTINGS, subjects=300))
    kinds = [bool(t.broken) + bool(t.missing) + bool(t.repeat) + t.withdrawn for t in tasks]
    assert max(kinds) == 1
    assert sum(t.phenotypes for t in tasks) == 150


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subjects": 0}, "subjects is 0"),
        ({"ecg_visibility": 1.5}, "ecg_visibility is 1.5"),
        ({"ecg_only_risk": -0.1}, "ecg_only_risk is -0.1"),
        ({"heart_shift_mm": -1}, "heart_shift_mm is -1"),
        ({"matrix": 8}, "matrix is 8"),
        ({"broken": 1.0}, "too few"),
        ({"ecg_only": 999_990}, "ecg_only is 999990, give 0 to"),
    ],
)
def test_unusable_settings_are_named(tmp_path, change, message):
    with pytest.raises(InputError, match=message):
        simulate(changed(SETTINGS, **change), tmp_path, 1)
