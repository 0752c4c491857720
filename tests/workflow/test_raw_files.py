"""What raw files that were fetched again, moved or lost make anew, on a made-up study with indexed and read shards."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from planned_study import Place, made_up_eids

from cmr2ecg.cohort.arrivals import read_ledger

pytestmark = [pytest.mark.slow, pytest.mark.long]

SHARDS = 2
SOURCES = ("hospital_main", "hospital_secondary", "death_underlying", "death_contributory")
SMALL = {
    "shards": SHARDS,
    "read_tabular": {
        "visit_date": None,
        "diagnoses": {"hospital": {"dates": None}, **{name: {"use": False} for name in SOURCES}},
    },
    "finetune": {"encoders": ["mmcl"], "targets": ["cad"]},
    "probe": {"encoders": []},
    "train_tabular": {"targets": ["cad"]},
    "sweep_tabular": {"targets": []},
    "make_table": {"tables": [], "supplements": []},
    "make_figure": {"figures": [], "quality_figures": []},
}
EIDS = made_up_eids(30)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Place:
    """A study with indexed and read shards. Tests put back what they change."""
    place = Place(tmp_path_factory.mktemp("study"), SMALL)
    place.add(EIDS)
    rows = [f"{eid},1,60,70,170,I251" for eid in EIDS]
    table = "\n".join(["eid,31-0.0,21003-2.0,21002-2.0,50-2.0,41270-0.0", *rows])
    (place.folder / "tabular.csv").write_text(table)
    place.overlay["raw"]["boxes"] = [str(place.folder / "boxes.csv")]
    (place.folder / "boxes.csv").write_text("eid,row0,column0,height,width\n")
    place.config.write_text(yaml.safe_dump(place.overlay))
    place.run("--until", "clean_ecg", "crop_cmr", "read_tabular")  # for --touch keeps no record
    return place


def planned(place: Place) -> dict[str, int]:
    """Return the data jobs that a dry run plans."""
    steps = ("index_shard", "index_cohort", "clean_ecg", "crop_cmr")
    return {step: count for step, count in place.plan().jobs.items() if step in steps}


def state(place: Place) -> dict[Path, int]:
    """Return the time of every file of the results."""
    return {path: path.stat().st_mtime_ns for path in place.results.rglob("*") if path.is_file()}


def refused(place: Place) -> str:
    """Return what a run prints that must end before it begins."""
    before = state(place)
    said = ""
    for arguments in (("-n",), ("--quiet", "rules")):
        with pytest.raises(RuntimeError) as caught:
            place.plan(*arguments)
        said = str(caught.value)
        assert "Traceback" not in said and state(place) == before
    return said


def test_a_file_fetched_again_reruns_the_step_that_reads_it_and_its_copy_elsewhere_nothing(place):
    assert planned(place) == {}
    ecg = place.folder / f"raw/ecg/{EIDS[0]}_20205_2_0.xml"
    kept = ecg.stat()
    ecg.write_text("whole")
    assert planned(place) == {"clean_ecg": 1}
    ecg.write_text("")
    os.utime(ecg, ns=(kept.st_atime_ns, kept.st_mtime_ns))

    elsewhere = os.fsdecode(os.fsencode(place.folder) + b"/copy/D\xe4t")
    shutil.copytree(place.folder / "raw", elsewhere)  # with its times
    (place.folder / "link").symlink_to(os.path.dirname(elsewhere))
    raw = place.overlay["raw"]
    folders = {kind: raw[kind] for kind in ("ecg", "cmr")}
    raw |= {kind: [str(place.folder / "link")] for kind in folders}
    place.config.write_text(yaml.safe_dump(place.overlay))
    assert planned(place) == {}
    place.run("--forcerun", "clean_ecg", "--until", "clean_ecg")
    for shard in range(SHARDS):  # all were found, and are as empty as they were
        assert "cannot be opened" not in (place.results / f"clean_ecg/{shard}.qc.csv").read_text()
    raw |= folders
    place.config.write_text(yaml.safe_dump(place.overlay))


@pytest.mark.parametrize(("kind", "plan"), [("tabular", {"read_tabular": 1}), ("boxes", {"crop_cmr": SHARDS})])
def test_another_table_reruns_the_step_that_reads_it_and_its_copy_elsewhere_nothing(place, kind, plan):
    def first_jobs():
        return {step: count for step, count in place.plan().jobs.items() if step in ("read_tabular", "crop_cmr")}

    table = place.folder / f"{kind}.csv"
    kept, text = table.stat(), table.read_text()
    table.write_text(text + "\n")
    assert first_jobs() == plan
    table.write_text(text)
    os.utime(table, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    (place.folder / "moved").mkdir(exist_ok=True)
    copy = shutil.copy2(table, place.folder / "moved")
    place.config.write_text(yaml.safe_dump({**place.overlay, "raw": {**place.overlay["raw"], kind: [copy]}}))
    assert first_jobs() == {}
    place.config.write_text(yaml.safe_dump(place.overlay))


def test_a_disk_that_is_not_mounted_changes_nothing(place):
    away = (place.folder / "raw/ecg").rename(place.folder / "away")
    (place.folder / "raw/ecg").mkdir()
    said = refused(place)
    assert "raw.ecg: 30 of 30 known subjects no longer have a file there" in said and "accept_lost_files" in said
    (place.folder / "raw/ecg").rmdir()
    away.rename(place.folder / "raw/ecg")
    assert planned(place) == {}


def test_subjects_may_be_left_out_on_purpose(tmp_path):
    place = Place(tmp_path, {**SMALL, "accept_lost_files": True})
    place.add(EIDS)
    place.run("--until", "index_cohort")
    for eid in EIDS[:10]:
        (tmp_path / f"raw/ecg/{eid}_20205_2_0.xml").unlink()
    place.run("--until", "index_cohort")
    place.config.write_text(yaml.safe_dump({**place.overlay, "accept_lost_files": False}))
    assert set(planned(place)) == {"clean_ecg", "crop_cmr"}
    files = read_ledger(place.results / "index_shard/shards.csv", SHARDS).files
    assert sum(kinds == "cmr" for kinds in files.values()) == 10


def test_a_first_run_on_a_folder_that_cannot_be_understood_is_one_line(tmp_path):
    place = Place(tmp_path, SMALL)
    place.add(EIDS)
    (tmp_path / "list.txt").write_text("project-X:file-Y\n")
    place.overlay["raw"]["ecg"] = [str(tmp_path / "list.txt")]
    place.config.write_text(yaml.safe_dump(place.overlay))
    assert "list.txt names no such file in its 1 lines" in refused(place)
