"""A page of the machine's own Chromium, headless, through Playwright."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright

from cmr2ecg.runtime.command import InputError

NAMES = ("chromium", "chromium-browser", "google-chrome")
# With Playwright's own (no sandbox, no background networking, component update or sync) the browser does not call
# home, which a closed network answers with long waits.
FLAGS = ("--disable-gpu", "--disable-quic")


def missing_program() -> str | None:
    """Return one line on what has to be installed before a browser can be opened, or None."""
    return None if _chromium() else "Chromium is not installed (Debian: apt install chromium)"


@contextmanager
def open_page() -> Iterator[tuple[Page, list[str]]]:
    """Yield a page that ends with the block, and the errors of its console and scripts as they come.

    Raises InputError if there is no Chromium.
    """
    if lacking := missing_program():
        raise InputError(lacking)
    errors: list[str] = []
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=_chromium(), args=FLAGS) as browser,
    ):
        page = browser.new_page(viewport={"width": 1700, "height": 1000})
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        yield page, errors


def _chromium() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
