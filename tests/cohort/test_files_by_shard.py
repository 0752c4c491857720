"""Raw files by shard, and digests that change with the files of their own shard alone."""

import os

import pytest
from paper_settings import paper

from cmr2ecg.cohort.arrivals import write_ledger
from cmr2ecg.cohort.raw_files import RawFiles, digest
from cmr2ecg.runtime.command import InputError

EIDS = range(9_000_001, 9_000_013)


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A download of twelve subjects in four shards; returns RawFiles as the next run would see them."""
    monkeypatch.chdir(tmp_path)
    for kind, ending in (("ecg", "20205_2_0.xml"), ("cmr", "20209_2_0.zip")):
        (tmp_path / kind).mkdir()
        for eid in EIDS:
            (tmp_path / kind / f"{eid}_{ending}").write_text("content")
    for name in ("withdrawn", "excluded", "tabular"):
        (tmp_path / f"{name}.csv").write_text("")
    raw = {"ecg": ["ecg"], "cmr": ["cmr"], "tabular": ["tabular.csv"]}
    raw |= {"withdrawn": ["withdrawn.csv"], "excluded": ["excluded.csv"]}
    config = {"shards": 4, "cohort": "here", "raw": raw}
    return lambda main=True, **changes: RawFiles(paper(**config, **changes), "results/here", main)


def digests(files: RawFiles) -> dict[tuple[str, int], str]:
    ways = {"names": files.names_digest, "ecg": files.ecg_digest, "cmr": files.cmr_digest}
    return {(name, shard): way(str(shard)) for name, way in ways.items() for shard in files.ledger.numbers()}


def changed(before: dict, after: dict) -> set:
    return {key for key in after if before.get(key) != after[key]}


def finish_an_index(files: RawFiles) -> None:
    os.makedirs("results/here/index_cohort")
    open("results/here/index_cohort/visits.parquet", "w").close()
    os.makedirs("results/here/index_shard")
    write_ledger(files.ledger_file, files.ledger)


def test_everybody_lies_in_the_shard_of_the_eid(study):
    by_shard = study().by_shard["ecg"]
    assert {shard: {eid for eid, _ in files} for shard, files in by_shard.items()} == {
        shard: {eid for eid in EIDS if eid % 4 == shard} for shard in range(4)
    }


def test_another_file_changes_the_digest_of_its_shard_and_kind_alone(study, tmp_path):
    before = digests(study())
    eid = EIDS[2]
    (tmp_path / f"ecg/{eid}_20205_2_0.xml").write_text("other content")
    assert changed(before, digests(study())) == {("ecg", eid % 4)}


def test_who_arrives_after_a_first_index_goes_to_a_further_shard(study, tmp_path):
    finish_an_index(study())
    before = digests(study())
    (tmp_path / "ecg/9000777_20205_2_0.xml").write_text("content")
    after = digests(study())
    assert changed(before, after) == {(kind, 4) for kind in ("names", "ecg", "cmr")}
    assert study().ledger.place(9_000_777) == 4
    assert study(main=False).ledger.place(9_000_777) is None  # a job of the run before knows nothing of it


def test_withdrawn_and_excluded_subjects_count_and_have_no_path(study, tmp_path):
    (tmp_path / "withdrawn.csv").write_text(f"{EIDS[0]}\n")
    (tmp_path / "excluded.csv").write_text(f"{EIDS[1]}\n")
    files = study()
    held = {eid: file for shard in files.by_shard["cmr"].values() for (eid, _), file in shard.items()}
    assert held[EIDS[0]][:2] == ("", "withdrawn") and held[EIDS[1]][:2] == ("", "excluded") and held[EIDS[2]].path
    assert files.gone == {EIDS[0]} and files.subjects_expected() == 12


def test_a_folder_that_is_gone_stops_the_run_unless_it_is_meant(study, tmp_path):
    finish_an_index(study())
    for eid in EIDS[:6]:
        (tmp_path / f"cmr/{eid}_20209_2_0.zip").unlink()
    with pytest.raises(InputError, match="6 of 12 known subjects no longer have a file there"):
        _ = study().ledger
    assert study(accept_lost_files=True).ledger.numbers() == [0, 1, 2, 3]


def test_a_digest_hangs_on_the_lines_and_not_on_their_order():
    assert digest(["a", "b"]) == digest(["b", "a"]) != digest(["a", "c"])
