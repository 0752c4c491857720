import pytest

from cmr2ecg.cohort import arrivals
from cmr2ecg.cohort.arrivals import Ledger, check_files_remain, first_ledger, read_ledger, write_ledger
from cmr2ecg.runtime.command import InputError
from cmr2ecg.simulate.subject import FIRST_EID

FIRST = range(FIRST_EID, FIRST_EID + 100)
LATER = range(FIRST_EID + 100, FIRST_EID + 130)


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(arrivals, "LATER_SUBJECTS", 20)


def test_a_first_run_divides_by_eid():
    ledger = first_ledger(FIRST, 4)
    assert ledger.numbers() == [0, 1, 2, 3]
    assert all(ledger.place(eid) == eid % 4 for eid in FIRST)


def test_later_subjects_go_to_further_shards_and_move_nobody():
    first = first_ledger(FIRST, 4)
    grown = first.with_arrivals([*FIRST, *LATER])
    assert all(grown.place(eid) == first.place(eid) for eid in FIRST)
    assert [grown.place(eid) for eid in LATER] == [4] * 20 + [5] * 10


def test_a_further_delivery_fills_the_youngest_shard_first():
    grown = first_ledger(FIRST, 4).with_arrivals(LATER)
    more = range(LATER.stop, LATER.stop + 15)
    third = grown.with_arrivals(more)
    assert [third.place(eid) for eid in more] == [5] * 10 + [6] * 5
    assert all(third.place(eid) == grown.place(eid) for eid in (*FIRST, *LATER))


def test_no_arrivals_change_nothing():
    ledger = first_ledger(FIRST, 4).with_arrivals(LATER)
    assert ledger.with_arrivals([*FIRST, *LATER]) == ledger


def test_withdrawn_subjects_leave_no_trace(tmp_path):
    ledger = first_ledger(FIRST, 4).without([FIRST_EID])
    write_ledger(tmp_path / "shards.csv", ledger)
    assert str(FIRST_EID) not in (tmp_path / "shards.csv").read_text()
    assert ledger.place(FIRST_EID, {FIRST_EID}) == FIRST_EID % 4  # where it is counted as withdrawn


def test_a_file_that_arrives_during_a_run_waits_for_the_next():
    assert first_ledger(FIRST, 4).place(LATER[0]) is None


def test_a_synthetic_cohort_keeps_its_own_subjects_in_the_first_shards():
    ledger = first_ledger((), 4, complete=False)
    assert ledger.place(FIRST_EID) == FIRST_EID % 4
    assert ledger.with_arrivals([LATER[0]]).place(LATER[0]) == 4


def test_it_is_read_as_it_was_written(tmp_path):
    for ledger in (first_ledger(FIRST, 4).with_arrivals(LATER), first_ledger((), 4, complete=False)):
        write_ledger(tmp_path / "shards.csv", ledger)
        assert read_ledger(tmp_path / "shards.csv", 4) == ledger


def test_another_number_of_shards_places_all_anew(tmp_path):
    write_ledger(tmp_path / "shards.csv", first_ledger(FIRST, 4))
    assert read_ledger(tmp_path / "shards.csv", 8) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "eid,shard\n9000001,0\n",
        "# shards: 4, every subject: yes\neid,shard\n9000001,x\n",
        "# shards: 4, every subject: yes\neid,shard\n9000001,0\n9000001,1\n",
        "# shards: 4, every subject: yes\neid,shard\n9000001\n",
        "# shards: 4, every subject: yes\neid,shard\n9000001,-1\n",
    ],
)
def test_a_damaged_file_is_none(tmp_path, text):
    (tmp_path / "shards.csv").write_text(text)
    assert read_ledger(tmp_path / "shards.csv", 4) is None
    assert read_ledger(tmp_path / "absent.csv", 4) is None


def test_every_subject_has_one_shard_after_any_deliveries():
    ledger = first_ledger(FIRST, 3)
    for start in range(200, 400, 37):
        ledger = ledger.with_arrivals(range(FIRST_EID + start, FIRST_EID + start + 50))
    assert set(ledger.places.values()) <= set(ledger.numbers())
    assert isinstance(ledger, Ledger) and max(list(ledger.places.values()).count(n) for n in ledger.numbers()[3:]) <= 20


def known(tmp_path):
    """A ledger as a run wrote it: all have an ECG, every second a CMR."""
    path = tmp_path / "shards.csv"
    write_ledger(path, first_ledger(FIRST, 4).with_files({"ecg": FIRST, "cmr": FIRST[::2]}))
    return read_ledger(path, 4)


def test_the_kinds_of_files_are_kept(tmp_path):
    ledger = known(tmp_path)
    assert ledger.files[FIRST[0]] == "ecg cmr" and ledger.files[FIRST[1]] == "ecg"
    grown = ledger.without([FIRST[0]]).with_arrivals(LATER).with_files({"ecg": [FIRST[0], LATER[0]]})
    assert grown.files == {LATER[0]: "ecg"} and FIRST[0] not in grown.places
    assert set(ledger.in_shard(1).files) == {eid for eid in FIRST if eid % 4 == 1}


@pytest.mark.parametrize(
    ("kind", "there", "said"), [("ecg", 0, "100 of 100"), ("ecg", 89, "11 of 100"), ("cmr", 0, "50 of 50")]
)
def test_files_of_many_known_subjects_that_have_gone_are_an_error(tmp_path, kind, there, said):
    with pytest.raises(InputError, match=rf"raw\.{kind}: {said} known subjects .*mount the disk.*Fix it\."):
        check_files_remain(known(tmp_path), kind, FIRST[:there], "Fix it.")


def test_a_few_files_may_go_and_new_subjects_count_for_nothing(tmp_path):
    check_files_remain(known(tmp_path), "ecg", FIRST[:90], "")
    check_files_remain(known(tmp_path), "cmr", FIRST[::2], "")
    with pytest.raises(InputError):
        check_files_remain(known(tmp_path), "ecg", LATER, "")


def test_a_ledger_without_kinds_is_read(tmp_path):
    (tmp_path / "shards.csv").write_text(f"# shards: 4, every subject: yes\neid,shard\n{FIRST_EID},1\n")
    assert read_ledger(tmp_path / "shards.csv", 4) == Ledger(4, {FIRST_EID: 1})
