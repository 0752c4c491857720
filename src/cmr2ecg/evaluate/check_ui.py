"""Open MLflow's web page in a headless browser and see whether the tracked runs are listed; keep a picture of it.

    python -m cmr2ecg.evaluate.check_ui --database results/demo/mlflow.db --screenshot mlflow.png

The server listens on this machine only, on a free port, and is ended with the check.
"""

import argparse
import html
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from cmr2ecg.command import InputError, run

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# The last three keep the browser from calling home, which a closed network answers with long waits.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WINDOW = "1700,1000"
LISTED = 8  # the page builds only the rows in view, so this many names of a long list must be there
START_SECONDS = 60.0
PAGE_SECONDS = 60.0
ATTEMPTS = 3


def main(argv: Sequence[str] | None = None) -> None:
    """Check every experiment of a database; the one with most runs is pictured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--database", type=Path, required=True, help="mlflow.db of the step track")
    parser.add_argument("--screenshot", type=Path, required=True, help="png of the longest list of runs")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)

    browser = find_browser()
    experiments = active_runs(args.database)
    args.screenshot.parent.mkdir(parents=True, exist_ok=True)
    with mlflow_server(args.database) as address:
        for identifier, names in sorted(experiments.items(), key=lambda item: len(item[1])):
            url = f"{address}/#/experiments/{identifier}/runs"
            seen = check_page(browser, url, names, args.screenshot)
            logging.info("experiment %s: %d runs, %d names in view", identifier, len(names), seen)


def find_browser() -> str:
    """Return the path of a Chromium; raises InputError if none is installed."""
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        raise InputError(
            "no Chromium found; install it (Debian: apt install chromium) to check MLflow's web page"
        )
    return found


def active_runs(database: Path) -> dict[str, list[str]]:
    """Return {experiment id: names of its runs} of an MLflow database; raises InputError if there are none."""
    if not database.is_file():
        raise InputError(f"{database} does not exist; run the step track first")
    query = "SELECT experiment_id, name FROM runs WHERE lifecycle_stage = 'active' ORDER BY name"
    experiments: dict[str, list[str]] = {}
    with closing(sqlite3.connect(f"file:{database.resolve()}?mode=ro", uri=True)) as connection:
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
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", "1", "--backend-store-uri", f"sqlite:///{database.resolve()}"]
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    with tempfile.TemporaryDirectory() as scratch, open(Path(scratch, "server.log"), "w+") as log:
        # A session of its own, so that the workers it starts end with it; its folder takes what it leaves behind.
        server = subprocess.Popen(
            command, cwd=scratch, env=quiet, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _wait_until_up(server, f"http://127.0.0.1:{port}/health", Path(log.name))
            yield f"http://127.0.0.1:{port}"
        finally:
            _end(server)


def check_page(browser: str, url: str, names: Sequence[str], screenshot: Path) -> int:
    """Return how many of the names stand on the page, and picture it; raises InputError if too few do."""
    wanted = min(len(names), LISTED)
    for _ in range(ATTEMPTS):
        page = load_page(browser, url, screenshot)
        seen = sum(f">{html.escape(name)}<" in page for name in names)
        if seen >= wanted:
            return seen
    raise InputError(f"{url}: {seen} of {wanted} run names are on the page; look at {screenshot}")


def load_page(browser: str, url: str, screenshot: Path) -> str:
    """Return the page as the browser has built it after its requests were answered, and picture it."""
    with tempfile.TemporaryDirectory() as profile:
        command = [browser, *FLAGS, f"--user-data-dir={profile}", f"--window-size={WINDOW}"]
        command += ["--virtual-time-budget=30000", f"--screenshot={screenshot.resolve()}", "--dump-dom", url]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=PAGE_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return ""
    return done.stdout


def _wait_until_up(server: subprocess.Popen, url: str, log: Path) -> None:
    """Return when the server answers; raises InputError with its last line if it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    last = (log.read_text().splitlines() or ["no message"])[-1]
    raise InputError(f"MLflow's server did not start: {last}")


def _end(server: subprocess.Popen) -> None:
    """End the server and the processes it started."""
    try:
        os.killpg(server.pid, 15)
        server.wait(timeout=10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, 9)
        server.wait()
    except ProcessLookupError:
        server.wait()


if __name__ == "__main__":
    run(main)
