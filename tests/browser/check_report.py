"""Open Snakemake's report in a headless browser: is every table and figure there, and does the page work?

    python -m browser.check_report --report report.html --results results/demo --pictures shots

Expected are all tables and figures below the results; every picture must decode, every page must hold a table, every
item must have a caption, and the console must hold no error. `pictures` takes a view of the start page and of each
category.
"""

import argparse
import logging
import re
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from browser.chromium import open_page
from playwright.sync_api import Page, TimeoutError

from cmr2ecg.runtime.command import InputError, run

LOAD_SECONDS = 60.0
UP = "typeof results === 'object' && document.querySelector('#app').children.length > 0"
ITEMS = """async () => {
const found = {};
for (const [path, entry] of Object.entries(results)) {
    found[path] = {caption: entry.caption || "", good: false};
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
}"""


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
    with open_page() as (page, errors):
        load(page, args.report)
        found = page.evaluate(ITEMS)
        check(found, wanted, errors, args.report)
        take_pictures(page, args.report, args.pictures)
        check(found, wanted, errors, args.report)
    logging.info("%d tables and figures in %s, no error in the console", len(found), args.report)


def expected(results: Path) -> list[str]:
    """Return the names of all tables and figures that lie below the results."""
    tables, figures = results / "make_table", results / "make_figure"
    names = sorted(path.name for path in [*tables.glob("*.html"), *figures.glob("*.png")])
    if not names:
        raise InputError(f"{results} holds no tables or figures; finish the run first")
    return names


def load(page: Page, report: Path) -> None:
    """Open the report anew and return when its scripts have run."""
    page.goto(report.resolve().as_uri())
    try:
        page.wait_for_function(UP, timeout=1000 * LOAD_SECONDS)
    except TimeoutError as error:
        raise InputError("the report does not come up; open it in a browser and look at its console") from error


def check(found: dict[str, dict], wanted: Sequence[str], errors: Sequence[str], report: Path) -> None:
    """Raise InputError with the first thing that is wrong; `found` is {path: caption, good} of all the report shows."""
    names = {Path(path).name: entry for path, entry in found.items()}
    absent = [name for name in wanted if name not in names]
    broken = [name for name in wanted if name in names and not names[name]["good"]]
    bare = [name for name in wanted if name in names and len(names[name]["caption"].strip()) < 20]
    for what, which in (("lacks", absent), ("cannot show", broken), ("has no caption for", bare)):
        if which:
            raise InputError(f"{report} {what} {', '.join(which)}")
    if errors:
        raise InputError(f"{report} has errors in the console, first: {errors[0]}")


def take_pictures(page: Page, report: Path, folder: Path) -> None:
    """Keep a view of the start page and of each category."""
    page.screenshot(path=folder / "start.png")
    for number, name in enumerate(sorted(page.evaluate("Object.keys(categories)")), start=1):
        load(page, report)
        link = page.locator("a, button, li").filter(has_text=re.compile(rf"^\s*{re.escape(name)}\s*$"))
        if not link.count():
            raise InputError(f"the report's menu lacks {name}")
        link.last.click()
        page.wait_for_timeout(500)
        page.screenshot(path=folder / f"category_{number}.png")


if __name__ == "__main__":
    # A terminated check must end its browser, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    run(main)
