"""Summarise the outputs of a finished study and where they are, one line each, if they exist; the headline first."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

DEMO = "config/demo.yaml"  # the default of `make`


def summary(results: Path, configs: Sequence[Path | str], database: Path | str) -> list[str]:
    """Return the headline, if it was made, and at most seven lines on a finished study; none if it has not ended.

    Args:
        results: the cohort's folder, results/<cohort>, relative to the working directory.
        configs: the config files of the run.
        database: the MLflow database, if any.
    """
    if not (results / "audit_withdrawn/audit.json").is_file():
        return []
    found = [
        *_headline(results),
        *_counted("tables", results / "make_table", "*.csv", "as csv, md, tex and html"),
        *_counted("figures", results / "make_figure", "*.png", "as png and pdf"),
        f"report   {_make('report', results.name, configs)} writes {results}/report.html, all of these on one page",
    ]
    if Path(database).is_file():
        found.append(f"runs     {_make('ui', results.name)} shows every training in MLflow")
    found.extend(_untrained(results))
    releases = sorted(path.parent for path in results.glob("release/*/SHA256SUMS"))
    if releases:
        found.append(f"release  {', '.join(map(str, releases))}: weights, settings and a model card (README.md)")
        model = shlex.quote(str(releases[0]))
        found.append(f"predict  {_command()} predict YOUR_ECG.xml --model {model} --out predictions")
    return found


def _headline(results: Path) -> list[str]:
    """Return the lines that describe_run wrote, and an empty one behind them."""
    written = results / "describe_run/headline.txt"
    lines = written.read_text(encoding="utf-8").splitlines() if written.is_file() else []
    return [*lines, ""] if lines else []


def _counted(what: str, folder: Path, pattern: str, forms: str) -> Iterator[str]:
    count = len([*folder.glob(pattern)])
    if count:
        yield f"{what:<8} {folder}: {count} {forms}"


def _untrained(results: Path) -> Iterator[str]:
    listed = results / "evaluate/untrained.csv"
    count = len(listed.read_text(encoding="utf-8").splitlines()) - 1 if listed.is_file() else 0
    if count > 0:
        models = "1 model is" if count == 1 else f"{count} models are"
        yield f"warning  {models} marked as not trained: {results}/describe_run/run.html"


def _make(target: str, cohort: str, configs: Sequence[Path | str] = ()) -> str:
    """Return the call of make for a cohort, with the options that differ from the demo."""
    files = " ".join(_short(path) for path in configs)
    given = [f"CONFIG={files}"] * (files not in ("", DEMO)) + [f"COHORT={cohort}"] * (cohort != "demo")
    return shlex.join(["make", target, *given])


def _command() -> str:
    """Return the command that calls this environment's cmr2ecg from here."""
    command = Path(sys.executable).with_name("cmr2ecg")
    return shlex.quote(_short(command)) if command.is_file() else "cmr2ecg"


def _short(path: Path | str) -> str:
    path, here = Path(path), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
