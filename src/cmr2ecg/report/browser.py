"""A headless Chromium to look at local web pages with, driven through ChromeDriver's W3C WebDriver interface."""

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cmr2ecg.runtime.command import InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# The last four keep the browser from calling home, which a closed network answers with long waits.
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"),
    *("--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
WINDOW = "1700,1000"
START_SECONDS = 120.0
REQUEST_SECONDS = 60.0


class Browser:
    """One open browser window."""

    def __init__(self, session: str) -> None:
        """Take the address of a WebDriver session."""
        self._session = session

    def open(self, url: str) -> None:
        """Go to a page and return when its document has loaded; its scripts may still be at work."""
        # The empty page in between makes a change after the # of an address a new page, too.
        _request(f"{self._session}/url", {"url": "about:blank"})
        _request(f"{self._session}/url", {"url": url})

    def source(self) -> str:
        """Return the page as it stands now, as HTML."""
        return _request(f"{self._session}/source")

    def ask(self, script: str) -> Any:
        """Run a function's body in the page and return what it returns; it may return a promise."""
        return _request(f"{self._session}/execute/sync", {"script": script, "args": []})

    def errors(self) -> list[str]:
        """Return what the console has said since the last call that is an error."""
        lines = _request(f"{self._session}/se/log", {"type": "browser"})
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    def picture(self, path: Path) -> None:
        """Write what the window shows to a png."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(_request(f"{self._session}/screenshot")))


def missing_program() -> str | None:
    """Return one line on what has to be installed before a browser can be opened, or None."""
    if _chromium() and shutil.which("chromedriver"):
        return None
    return "Chromium or ChromeDriver is not installed (Debian: apt install chromium chromium-driver)"


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Yield a headless browser that ends with the block; raises InputError if there is none to start."""
    if lacking := missing_program():
        raise InputError(lacking)
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    driver = ["chromedriver", f"--port={port}"]
    with (
        tempfile.TemporaryDirectory() as folder,
        background(driver, Path(folder), {}, f"{address}/status"),
    ):
        arguments = [*FLAGS, f"--user-data-dir={folder}/profile", f"--window-size={WINDOW}"]
        options = {"goog:chromeOptions": {"args": arguments, "binary": _chromium()}}
        options |= {"goog:loggingPrefs": {"browser": "ALL"}}
        session = _request(f"{address}/session", {"capabilities": {"alwaysMatch": options}})["sessionId"]
        try:
            yield Browser(f"{address}/session/{session}")
        finally:
            _request(f"{address}/session/{session}", method="DELETE")


@contextmanager
def background(command: Sequence[str], folder: Path, environment: dict[str, str], url: str) -> Iterator[None]:
    """Run a server in a folder until the block ends, which begins when the server answers at the address.

    Raises InputError with the server's last words if it ends by itself or takes longer than START_SECONDS.
    """
    with open(folder / "server.log", "w") as log:
        # A session of its own, so that the processes it starts end with it.
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(server, url, folder / "server.log")
        yield
    finally:
        _end(server)


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _chromium() -> str | None:
    return next((path for path in map(shutil.which, BROWSERS) if path), None)


def _request(url: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    """Return the value that ChromeDriver answers with; raises InputError with its message if it refuses."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        message = json.load(error)["value"]["message"].splitlines()[0]
        raise InputError(f"the browser refused: {message}") from error


def _wait(server: subprocess.Popen, url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    last = (log.read_text().splitlines() or ["no message"])[-1]
    raise InputError(f"{server.args[0]} did not start: {last}")


def _end(server: subprocess.Popen) -> None:
    """End a server and all processes it started."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, sign)
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            server.wait()
            return
