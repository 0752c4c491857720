"""Plant faults in a copy of the source, one at a time, and see whether the tests that should notice them do.

From the root of the repository: python tests/faults/plant.py [--only SUBSTRING] [--output FILE.tsv]

Each fault of faults.toml is found by its text, so that a module may be moved or renamed. The verdict is
- caught: a test failed;
- NOT CAUGHT: all tests passed, so that this line could be wrong without anybody's knowing;
- broken: nothing was found out, since the code or the test file is not there, or could not be run at all.

That the tests pass without any fault is not checked here. The exit status is 1 unless all faults were caught.
"""

import argparse
import ast
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path

VERDICTS, BROKEN = {0: "NOT CAUGHT", 1: "caught"}, "broken"  # by pytest's exit status
TIMEOUT_S = 300


class Unusable(Exception):
    """A fault cannot be planted; the message says why."""


def copy_tree(root: Path, place: Path) -> Path:
    """Copy what git tracks, as it is now, and link the folder `shared` beside it, which tests look for."""
    copy = place / "copy"
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        if os.path.lexists(root / name):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(root / name, copy / name, follow_symlinks=False)
    shared = root.parent / "shared"
    if shared.exists():
        (place / "shared").symlink_to(shared.resolve())
    return copy


def file_with(copy: Path, fragment: str) -> Path:
    """Return the one file below src that holds a fragment, once."""
    found = {path: count for path in (copy / "src").rglob("*.py") if (count := path.read_text().count(fragment))}
    if list(found.values()) != [1]:
        raise Unusable(f"its code stands {sum(found.values())} times in src")
    return next(iter(found))


def selection(copy: Path, wanted: list[str]) -> list[str]:
    """Return pytest's arguments for tests such as "test_split.py" or "data/test_split.py::test_name"."""
    chosen = []
    for name, mark, test in (text.partition("::") for text in wanted):
        found = [path for path in (copy / "tests").rglob("*.py") if path.as_posix().endswith(f"/{name}")]
        if len(found) != 1:
            raise Unusable(f"{len(found)} test files are named {name}")
        chosen.append(f"{found[0].relative_to(copy)}{mark}{test}")
    return chosen


def run_tests(copy: Path, chosen: list[str]) -> tuple[str, str]:
    """Return the verdict and what it rests on, such as the first test that failed."""
    # Byte code that is kept would hide a fault of the same length within the same second.
    own = {"PYTHONPATH": str(copy / "src"), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:randomly", *chosen]
    with tempfile.TemporaryFile("w+") as said:
        job = subprocess.Popen(command, cwd=copy, env=os.environ | own, stdout=said, start_new_session=True)
        try:
            status = job.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            return BROKEN, f"no end after {TIMEOUT_S} s"
        finally:
            if job.poll() is None:  # also after Ctrl-C
                os.killpg(job.pid, signal.SIGKILL)
        said.seek(0)
        lines = said.read().splitlines()
    if any("ERROR collecting" in line for line in lines):  # with -x the exit status is that of a failed test
        return BROKEN, "a test file cannot be imported"
    failed = (line for line in lines if line.startswith(("FAILED ", "ERROR ")))
    return VERDICTS.get(status, BROKEN), next(failed, f"pytest ended with {status}")


def plant(copy: Path, fault: dict) -> tuple[str, str]:
    """Return the verdict on a fault's tests with the fault in place, and what it rests on."""
    try:
        path, chosen = file_with(copy, fault["old"]), selection(copy, fault["tests"])
        sound = path.read_text()
        faulty = sound.replace(fault["old"], fault["new"])
        ast.parse(faulty)
    except (Unusable, SyntaxError) as error:
        return BROKEN, str(error)
    path.write_text(faulty)
    try:
        return run_tests(copy, chosen)
    finally:
        path.write_text(sound)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", metavar="SUBSTRING", help="only faults with this in their name")
    parser.add_argument("--output", type=Path, metavar="FILE.tsv", help="table of verdict, seconds, name and reason")
    args = parser.parse_args()
    faults = tomllib.loads(Path(__file__).with_name("faults.toml").read_text(encoding="utf-8"))["fault"]
    rows = [("verdict", "seconds", "fault", "by")]
    with tempfile.TemporaryDirectory() as place:
        copy = copy_tree(Path.cwd(), Path(place))
        for fault in (fault for fault in faults if args.only in fault["name"]):
            started = time.monotonic()
            verdict, reason = plant(copy, fault)
            rows.append((verdict, f"{time.monotonic() - started:.0f}", fault["name"], reason))
            print(f"{verdict:10} {fault['name']}, {rows[-1][1]} s" + f" ({reason})" * (verdict == BROKEN), flush=True)
    if args.output:
        args.output.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    sys.exit({"caught"} != {verdict for verdict, *_ in rows[1:]})
