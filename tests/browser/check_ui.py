"""Open MLflow's web page in a headless browser and see whether the tracked runs are listed; keep a picture of it.

    python -m browser.check_ui --database results/demo/mlflow.db --screenshot mlflow.png

The server listens on this machine only, on a free port, and is ended with the check.
"""

import argparse
import html
import logging
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from browser.chromium import open_page
from playwright.sync_api import Page

from cmr2ecg.runtime.command import InputError, run

LISTED = 8  # the page builds only the rows in view, so this many names of a long list must be there
START_SECONDS = 120.0
PAGE_SECONDS = 60.0
BELOW = "run_uuid IN (SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId')"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # otherwise seven more processes of 240 MB each
}


def main(argv: Sequence[str] | None = None) -> None:
    """Check every experiment of a database; the one with most runs is pictured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", type=Path, required=True, help="mlflow.db of the step track")
    parser.add_argument("--screenshot", type=Path, required=True, help="png of the longest list of runs")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)

    experiments = active_runs(args.database)
    with mlflow_server(args.database) as address, open_page() as (page, _):
        for identifier, names in sorted(experiments.items(), key=lambda item: len(item[1])):
            url = f"{address}/#/experiments/{identifier}/runs"
            folded = all_runs(args.database, identifier) > len(names)  # and the page loads 100 at first, the folded too
            wanted = 1 if folded else LISTED
            seen = check_page(page, url, names, args.screenshot, wanted)
            logging.info("experiment %s: %d runs, %d names in view", identifier, len(names), seen)


def active_runs(database: Path) -> dict[str, list[str]]:
    """Return {experiment id: names of its runs} of an MLflow database; raises InputError if there are none.

    Runs below another run, as a sweep's trials, are left out: the page folds them away.
    """
    if not database.is_file():
        raise InputError(f"{database} does not exist; run the step track first")
    query = f"SELECT experiment_id, name FROM runs WHERE lifecycle_stage = 'active' AND NOT {BELOW} ORDER BY name"
    experiments: dict[str, list[str]] = {}
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        for identifier, name in connection.execute(query):
            experiments.setdefault(str(identifier), []).append(name)
    if not experiments:
        raise InputError(f"{database} holds no runs; run the step track first")
    return experiments


@contextmanager
def mlflow_server(database: Path) -> Iterator[str]:
    """Serve a database on a free port of this machine and yield the address; the server ends with the block.

    MLflow answers requests to local addresses without further options, and refuses other hosts.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{database.resolve()}"]
    # The folder takes what the server leaves behind; in a session of its own, its processes end with it.
    with tempfile.TemporaryDirectory() as scratch, open(Path(scratch, "server.log"), "w+") as log:
        server = subprocess.Popen(
            command, cwd=scratch, env=os.environ | QUIET, stdout=log, stderr=log, start_new_session=True
        )
        try:
            if not answers(server, f"{address}/health"):
                log.seek(0)
                raise InputError(f"mlflow server did not start: {(log.read().splitlines() or ['no message'])[-1]}")
            yield address
        finally:
            for sign in (signal.SIGTERM, signal.SIGKILL):
                with suppress(ProcessLookupError, subprocess.TimeoutExpired):
                    os.killpg(server.pid, sign)
                    server.wait(timeout=10)


def answers(server: subprocess.Popen, url: str) -> bool:
    """Wait for a server's first answer; return False if it ends by itself or takes longer than START_SECONDS."""
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(url, timeout=5):
            return True
        time.sleep(0.2)
    return False


def all_runs(database: Path, experiment: str) -> int:
    """Return the number of an experiment's runs, those below others too."""
    query = "SELECT COUNT(*) FROM runs WHERE lifecycle_stage = 'active' AND experiment_id = ?"
    with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
        return connection.execute(query, (experiment,)).fetchone()[0]


def check_page(page: Page, url: str, names: Sequence[str], screenshot: Path, least: int) -> int:
    """Return how many of the names are on the page, and picture it; raises InputError if fewer than `least` do."""
    wanted, seen = min(len(names), least), 0
    page.goto("about:blank")  # without it a change after the # of an address is no new page
    page.goto(url)
    deadline = time.monotonic() + PAGE_SECONDS
    while seen < wanted and time.monotonic() < deadline:
        page.wait_for_timeout(300)
        source = page.content()
        seen = sum(f">{html.escape(name)}<" in source for name in names)
    page.screenshot(path=screenshot)
    if seen < wanted:
        raise InputError(f"{url}: {seen} of {wanted} run names are on the page; look at {screenshot}")
    return seen


if __name__ == "__main__":
    # A terminated check must end its server, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run(main)
