"""Open Snakemake's report in a headless browser: is every table and figure there, and does the page work?

    python -m cmr2ecg.report.check_report --report report.html --results results/demo --pictures shots

Expected are all tables and figures below the results; every picture must decode, every page must hold a table, every
item must have a caption, and the console must hold no error. `pictures` takes a view of the start page and of each
category.
"""

import argparse
import logging
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cmr2ecg.report.browser import Browser, open_browser
from cmr2ecg.runtime.command import InputError, run

LOAD_SECONDS = 60.0
ITEMS = """
const found = {};
for (const [path, entry] of Object.entries(results)) {
    found[path] = {kind: entry.mime_type, caption: entry.caption || "", good: false, category: ""};
    if (entry.mime_type === "image/png") {
        const image = new Image();
        image.src = entry.data_uri;
        await image.decode().then(() => { found[path].good = image.naturalWidth > 100; }, () => {});
    } else {
        const text = await (await fetch(entry.data_uri)).text();
        const page = new DOMParser().parseFromString(text, "text/html");
        found[path].good = page.querySelectorAll("table").length > 0;
    }
}
return found;
"""


def main(argv: Sequence[str] | None = None) -> None:
    """Check one report and keep pictures of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", type=Path, required=True, help="report.html")
    parser.add_argument("--results", type=Path, required=True, help="the cohort's folder")
    parser.add_argument("--pictures", type=Path, required=True, help="folder for png files")
    args = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    if not args.report.is_file():
        raise InputError(f"{args.report} does not exist; run make report first")
    wanted = expected(args.results)
    with open_browser() as browser:
        browser.open(args.report.resolve().as_uri())
        found = items(browser)
        check(found, wanted, browser.errors(), args.report)
        take_pictures(browser, args.report, args.pictures)
        check(found, wanted, browser.errors(), args.report)
    logging.info("%d tables and figures in %s, no error in the console", len(found), args.report)


def expected(results: Path) -> list[str]:
    """Return the names of all tables and figures that lie below the results."""
    tables, figures = results / "make_table", results / "make_figure"
    names = sorted(path.name for path in [*tables.glob("*.html"), *figures.glob("*.png")])
    if not names:
        raise InputError(f"{results} holds no tables or figures; finish the run first")
    return names


def items(browser: Browser) -> dict[str, dict]:
    """Return {path: kind, caption, good} of all that the report shows, once its scripts have run."""
    deadline = time.monotonic() + LOAD_SECONDS
    while not browser.ask("return typeof results === 'object' && document.querySelector('#app').children.length > 0"):
        if time.monotonic() > deadline:
            raise InputError("the report does not come up; open it in a browser and look at its console")
        time.sleep(0.3)
    return browser.ask(f"return (async () => {{{ITEMS}}})();")


def check(found: dict[str, dict], wanted: Sequence[str], errors: Sequence[str], report: Path) -> None:
    """Raise InputError with the first thing that is wrong."""
    names = {Path(path).name: entry for path, entry in found.items()}
    absent = [name for name in wanted if name not in names]
    broken = [name for name in wanted if name in names and not names[name]["good"]]
    bare = [name for name in wanted if name in names and len(names[name]["caption"].strip()) < 20]
    for what, which in (("lacks", absent), ("cannot show", broken), ("has no caption for", bare)):
        if which:
            raise InputError(f"{report} {what} {', '.join(which)}")
    if errors:
        raise InputError(f"{report} has errors in the console, first: {errors[0]}")


def take_pictures(browser: Browser, report: Path, folder: Path) -> None:
    """Keep a view of the start page and of each category."""
    browser.picture(folder / "start.png")
    for number, name in enumerate(sorted(browser.ask("return Object.keys(categories)")), start=1):
        browser.open(report.resolve().as_uri())
        items(browser)  # the page has come up
        clicked = browser.ask(
            "const link = [...document.querySelectorAll('a, button, li')]"
            f".filter(item => item.textContent.trim() === {name!r}).pop(); if (link) link.click(); return !!link"
        )
        if not clicked:
            raise InputError(f"the report's menu lacks {name}")
        time.sleep(0.5)
        browser.picture(folder / f"category_{number}.png")


if __name__ == "__main__":
    # A terminated check must end its browser, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run(main)
