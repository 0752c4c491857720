"""What is finished is kept, whatever becomes of the command, and the same command goes on with the rest."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cohort.raw_files import counts
from release_setups import make_release

from cmr2ecg.predict.output import Embeddings, page_names, written_at_the_end
from cmr2ecg.predict.records import Record
from cmr2ecg.predict.unfinished import Unfinished, key_of, make_folder, open_unfinished, remove_partials
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml

ABOUT = {"release": "a"}
COMMAND = "import sys; from cmr2ecg.cli import entry; sys.argv[0] = 'cmr2ecg'; entry()"
KEPT = 20  # after so many files the command below waits to be stopped
WAITING = f"""
import time
from cmr2ecg.predict.unfinished import Unfinished

def add_and_wait(self, *given, add=Unfinished.add, **more):
    add(self, *given, **more)
    if len(self) == {KEPT}:
        time.sleep(600)

Unfinished.add = add_and_wait
"""


def fill(path, about=ABOUT, keys="abc"):
    """Leave a file as a killed command does."""
    with pytest.raises(ZeroDivisionError), open_unfinished(path, about) as finished:
        for key in keys:
            finished.add(key, [key, "\t\n"], again=key == "b")
        assert all(finished[key] == [key, "\t\n"] for key in keys)
        raise ZeroDivisionError


def test_the_same_command_goes_on_and_tries_rejected_files_again(tmp_path):
    fill(tmp_path / "x")
    with open_unfinished(tmp_path / "x", ABOUT) as finished:
        assert "a" in finished and "c" in finished and "b" not in finished and finished["c"] == ["c", "\t\n"]
        finished.add("b", 1)
        assert finished["b"] == 1
    assert not (tmp_path / "x").exists()


def test_nothing_is_left_where_nothing_was_finished(tmp_path):
    fill(tmp_path / "x", keys="")
    assert list(tmp_path.iterdir()) == []


def test_another_command_starts_afresh(tmp_path):
    fill(tmp_path / "x")
    with open_unfinished(tmp_path / "x", {"release": "b"}) as finished:
        assert "a" not in finished


def test_a_line_cut_anywhere_costs_that_line_alone(tmp_path):
    fill(tmp_path / "x", keys="ac")
    whole = (tmp_path / "x").read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for size in range(last, len(whole)):
        (tmp_path / "x").write_bytes(whole[:size])
        with pytest.raises(ZeroDivisionError), open_unfinished(tmp_path / "x", ABOUT) as finished:
            assert "a" in finished and "c" not in finished
            finished.add("d", 4)
            raise ZeroDivisionError
        with pytest.raises(ZeroDivisionError), open_unfinished(tmp_path / "x", ABOUT) as finished:
            assert finished["a"] == ["a", "\t\n"] and finished["d"] == 4
            raise ZeroDivisionError


def test_two_commands_do_not_write_to_one_place(tmp_path):
    with (
        open_unfinished(tmp_path / "x", ABOUT),
        pytest.raises(InputError, match="another command is writing there"),
        open_unfinished(tmp_path / "x", ABOUT),
    ):
        pass


def test_results_are_written_anew_as_often_as_that_costs_little(tmp_path, monkeypatch):
    clock, took, calls = [100.0], 0.5, []
    monkeypatch.setattr("cmr2ecg.predict.unfinished.time.monotonic", lambda: clock[0])

    def write():
        calls.append(clock[0])
        clock[0] += took

    with open_unfinished(tmp_path / "x", ABOUT) as finished:
        for _ in range(300):
            clock[0] += 0.1
            finished.renew(write)
    assert 100.9 < calls[0] < 101.2 and min(np.diff(calls)) > 20 * took and len(calls) >= 3


def test_a_changed_file_is_read_again(tmp_path):
    path = tmp_path / "a.hea"
    keys = []
    for name, text in (("a.hea", "1"), ("a.hea", "12"), ("a.dat", "1"), ("a.dat", "12")):
        (tmp_path / name).write_text(text)
        keys.append(key_of(path))
    os.utime(path, ns=(1, 1))
    assert len({*keys, key_of(path), key_of(path, "page"), key_of(tmp_path / "none.xml")}) == 7


def test_what_killed_commands_left_goes_and_nothing_else(tmp_path):
    ours = [".predictions.json.123.partial", ".predictions.csv.4.partial"]
    others = [".predictions.json.partial", "predictions.json.1.partial", ".other.5.partial", ".predictions.unfinished"]
    for name in (*ours, *others):
        (tmp_path / name).touch()
    remove_partials(tmp_path, ".predictions.")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)
    remove_partials(tmp_path / "none", ".")


@pytest.mark.parametrize("out", ["file", "file/below/it", "n" * 240, "long/" + "n" * 300 + "/x", "taken"])
def test_a_place_that_cannot_be_had_is_said_in_a_line(tmp_path, out):
    (tmp_path / "file").touch()
    (tmp_path / "taken/predictions.json").mkdir(parents=True)
    with pytest.raises(InputError, match="--out") as refused:
        make_folder(tmp_path / out, tmp_path / out)
    assert "\n" not in str(refused.value) and "another --out" in str(refused.value)


def test_what_is_stopped_is_written(tmp_path):
    calls = []
    with pytest.raises(OSError), open_unfinished(tmp_path / "x", ABOUT) as finished:
        with pytest.raises(KeyboardInterrupt), written_at_the_end(lambda: calls.append(1), finished):
            raise KeyboardInterrupt
        with written_at_the_end(lambda: calls.append(2), finished):
            raise OSError
    assert calls == [1]


def interrupt_add(finished, line):
    """Add "b", and raise KeyboardInterrupt before a line of that function's code; return how many it has."""
    left = [line]

    def trace(frame, event, _):
        if frame.f_code is not Unfinished.add.__code__:
            return None
        if event == "line":
            left[0] -= 1
            if left[0] < 0:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        finished.add("b", 2)
    finally:
        sys.settrace(before)
    return line - left[0]


def test_what_is_written_holds_what_is_kept_wherever_it_was_stopped(tmp_path):
    with open_unfinished(tmp_path / "x", ABOUT) as finished:
        lines = interrupt_add(finished, 99)
    seen = set()
    for line in range(lines):
        with pytest.raises(KeyboardInterrupt), open_unfinished(tmp_path / "x", ABOUT) as finished:
            finished.add("a", 1)
            written = []
            with written_at_the_end(lambda: written.extend(k for k in "abc" if k in finished), finished):  # noqa: B023
                interrupt_add(finished, line)
        kept = [json.loads(row.split(b"\t")[0]) for row in (tmp_path / "x").read_bytes().splitlines()[1:]]
        assert written == kept
        seen.add(len(kept))
        (tmp_path / "x").unlink()
    assert lines >= 6 and seen == {1, 2}


def test_embeddings_go_on_in_the_order_of_the_files(tmp_path):
    import pandas as pd

    files, values = [Path(f"{k}.xml") for k in "abc"], np.eye(3, dtype=np.float32)
    with pytest.raises(ZeroDivisionError), open_unfinished(tmp_path / "u", ABOUT) as finished:
        Embeddings(tmp_path / "e.parquet", files, finished).add(Record(files[2]), values[2])
        raise ZeroDivisionError
    with open_unfinished(tmp_path / "u", ABOUT) as finished:
        kept = Embeddings(tmp_path / "e.parquet", files, finished)
        assert kept.rest == files[:2] and kept.done == 1
        for path, row in zip(files[:2], values, strict=False):
            kept.add(Record(path), row)
        kept.write()
    table = pd.read_parquet(tmp_path / "e.parquet")
    assert table["file"].tolist() == ["a.xml", "b.xml", "c.xml"] and kept.done == 3
    np.testing.assert_array_equal(table.drop(columns="file").to_numpy(), values)


def test_pages_of_files_of_one_name_do_not_meet_and_names_fit_a_disk():
    files = [Path("a/x.xml"), Path("b/X.xml"), Path("x.hea"), Path("x_2.xml"), Path("ä" * 126 + ".xml")]
    files += [Path("ä" * 125 + ".xml"), Path("\udcff.xml"), *(Path(f"{k}/ecg.xml") for k in range(10_000))]
    start = time.process_time()
    names = page_names(files)
    assert time.process_time() - start < 2  # 23 s where each name was tried against all
    assert len({name.lower() for name in names.values()}) == len(files)
    assert max(len(name.encode()) for name in names.values()) < 210
    assert page_names([Path("a\n\x1b.xml")]) == {Path("a\n\x1b.xml"): "a\\n\\x1b"}
    assert names[Path("9999/ecg.xml")] == "ecg_10000" and names[Path("\udcff.xml")] == "\\xff"


@pytest.fixture(scope="module")
def started(tmp_path_factory):
    """A release, and files enough for a command to be stopped amid them."""
    folder = tmp_path_factory.mktemp("stopped")
    model, ecgs = make_release(folder, targets=("cad",)), folder / "ecgs"
    ecgs.mkdir()
    for number in range(64):
        (ecgs / f"{number:03}.xml").write_bytes(cardiosoft_xml(counts(3)))
    return model, ecgs


def command(started, out, code):
    model, ecgs = started
    more = "--no-pages", "--threads", "2"
    line = [sys.executable, "-c", code, "predict", str(ecgs), "--model", str(model), "--out", str(out), *more]
    options = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True, "preexec_fn": hang_up_counts}
    return subprocess.Popen(line, env={**os.environ, "PYTHONPATH": str(SOURCE)}, **options)


def hang_up_counts():
    """Heed SIGHUP, which under nohup is ignored."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def below(number: int) -> list[int]:
    """Return the numbers of the processes that were started below one."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [number]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def wait_until(done):
    end = time.monotonic() + 240
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_stopped_command_keeps_its_results_leaves_nobody_and_goes_on(started, tmp_path, number):
    unfinished, results = tmp_path / ".predictions.unfinished", tmp_path / "predictions.json"
    with command(started, tmp_path, WAITING + COMMAND) as running:
        wait_until(lambda: unfinished.exists() and unfinished.read_bytes().count(b"\n") > KEPT)
        workers = below(running.pid)
        os.kill(running.pid, number)
        assert running.wait(timeout=240) in (-number, 128 + number)
        said = running.stderr.read()
    assert len(workers) >= 2
    wait_until(lambda: not any(Path(f"/proc/{one}").exists() for one in workers))
    assert unfinished.read_bytes().count(b"\n") == 1 + KEPT and "Traceback" not in said
    if number != signal.SIGKILL:
        assert "repeat the command to resume" in said
        assert len(json.loads(results.read_text())["ecgs"]) == KEPT
        assert len(list(csv.reader((tmp_path / "predictions.csv").open()))) == KEPT + 1
    with command(started, tmp_path, COMMAND) as again:
        said = again.stderr.read()
    assert again.returncode == 0 and f"{64 - KEPT} files in" in said and "64 of 64 ECGs done" in said
    found = json.loads(results.read_text())["ecgs"]
    assert [Path(entry["file"]).name for entry in found] == [f"{k:03}.xml" for k in range(64)]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["predictions.csv", "predictions.json"]
