"""Processes that work for a command: one that dies is replaced, none outlives it, none imports a stranger's code."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cmr2ecg.predict.pool import WorkerDied, prefetch, start_pool
from cmr2ecg.predict.records import Record, Source
from cmr2ecg.predict.run import read_in
from cmr2ecg.runtime.imports import SOURCE

PLANTED = ("numpy", "scipy", "defusedxml", "json", "socket", "multiprocessing", "logging", "subprocess", "torch")


@pytest.fixture(scope="module")
def pool():
    with start_pool(2, "json") as processes:
        yield processes


def test_work_is_done_elsewhere_and_errors_come_back(pool):
    numbers = set(pool.threads.map(lambda _: pool.call(os.getpid), range(8)))
    assert os.getpid() not in numbers and 1 <= len(numbers) <= 2
    with pytest.raises(ZeroDivisionError):
        pool.call(divmod, 1, 0)
    assert pool.call(os.getcwd) == "/" and pool.call(os.getenv, "OMP_NUM_THREADS") == "1"


def test_a_process_that_dies_is_replaced_and_its_work_tried_again(pool, tmp_path):
    assert pool.call(die_once, str(tmp_path / "died")) == "done"
    with pytest.raises(WorkerDied, match="memory"):
        pool.call(die_once, str(tmp_path / "none/died"))
    os.kill(pool._parent.pid, signal.SIGKILL)  # and so is the one that starts them
    pool._parent.wait()
    pool._idle.clear()
    assert pool.call(abs, -1) == 1


def die_once(mark):
    """Die as for want of memory, unless this was done before and could be noted."""
    if not Path(mark).exists():
        if Path(mark).parent.exists():
            Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def test_a_file_whose_process_dies_is_reported():
    class Dying:
        def call(self, *_):
            raise WorkerDied("its process was ended")

    record = read_in(Dying(), Path("a.xml"), Source({}))
    assert record == Record(Path("a.xml"), reason="could not be read: its process was ended")


def test_processes_end_with_the_block_in_the_middle_of_something():
    with start_pool(1, "json") as pool:
        job = pool.threads.submit(pool.call, time.sleep, 60)
        while not job.running():
            time.sleep(0.001)
    with pytest.raises(WorkerDied):
        job.result()
    assert pool._parent.returncode == -signal.SIGKILL


def test_results_come_in_order_and_few_are_under_way():
    started = []

    def work(number):
        started.append(number)
        return number

    for at_once in (True, False):
        started.clear()
        with ThreadPoolExecutor(2) as pool:
            for number, result in enumerate(prefetch(pool, work, ((n,) for n in range(50)), 4, at_once)):
                assert result == number and max(started) <= number + 4


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "work", "out"),
    [
        (["-P", "-c", "from cmr2ecg.cli import entry; entry()"], "predict", "out"),  # as the installed script starts
        (["-m", "cmr2ecg"], "embed", "out.parquet"),
    ],
)
def test_nothing_in_the_working_directory_is_imported(tmp_path, start, work, out):
    """Of a file that is no ECG, so that both sides load what they need, quickly."""
    from release_setups import make_release

    model = make_release(tmp_path, targets=("cad",))
    place = tmp_path / "downloaded"
    place.mkdir()
    (place / "a.xml").write_text("<a/>")
    for name in PLANTED:
        (place / f"{name}.py").write_text("open('/dev/stderr', 'w').write('PLANTED')\nraise SystemExit(3)\n")
    done = subprocess.run(
        [sys.executable, *start, work, ".", "--model", str(model), "--out", str(tmp_path / out)],
        cwd=place,
        env={key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"} | {"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1 and "none of the 1 files could be used" in done.stderr and "PLANTED" not in done.stderr
