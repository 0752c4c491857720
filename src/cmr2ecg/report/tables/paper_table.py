"""One of the paper's tables, from its layout and cells: as it is printed, and as csv."""

import itertools
from string import ascii_lowercase

import pandas as pd

from cmr2ecg.metrics.predictions import fit_of
from cmr2ecg.report.tables.cells import Cell, trials_of, tuning_words, usual_seeds
from cmr2ecg.report.tables.formats import Entry, Table
from cmr2ecg.report.tables.names import TARGETS
from cmr2ecg.report.tables.sheet import number
from cmr2ecg.report.tables.table_layouts import Layout

OURS, PAPER = "ours", "paper"
OWN_GROUP = "Further disease"  # heading over the columns of targets that the paper does not have


def to_csv(layout: Layout, cells: list[list[Cell]], cohort: str) -> pd.DataFrame:
    """Return the table as one row a model and target, in the table's unit."""
    return pd.DataFrame(
        [
            {
                "table": layout.number,
                "cohort": cohort,
                "fit": fit_of(row.encoder),
                "encoder": row.encoder,
                **{heading.lower(): word for (_, heading), word in zip(layout.left, row.words, strict=True)},
                "target": target,
                "fraction": layout.fraction,
                "metric": layout.metric_name,
                "mean": round(cell.mean, layout.digits + 2),
                "std": round(cell.std, layout.digits + 2),
                "n_seeds": cell.n_seeds,
                "n": cell.n,
                "n_positive": cell.n_positive if layout.metric == "auroc" else None,
                "mark": cell.mark,
                "paper_mean": cell.paper[0] if cell.paper else None,
                "paper_std": cell.paper[1] if cell.paper else None,
                "note": cell.note,
                "untrained": cell.untrained,
                "tuned_trials": cell.tuned_trials,
            }
            for row, line in zip(layout.rows, cells, strict=True)
            for target, cell in zip(layout.targets, line, strict=True)
        ]
    ).astype({"tuned_trials": "Int64"})


def paper_table(layout: Layout, cells: list[list[Cell]], cohort: str) -> Table:
    """Return the table as it is printed: beside each of our values the paper's, if it has any on the target."""
    letters = letters_of(cells)
    columns = _columns(layout)
    return Table(
        name=layout.roman,
        caption=caption(layout, cells, cohort),
        head=[_heading(target, word) for _, target, word in columns],
        rows=[[*row.words, *_entries(line, layout, letters)] for row, line in zip(layout.rows, cells, strict=True)],
        left=len(layout.left),
        notes={letter: note for note, letter in letters.items()},
        levels=list(zip(*columns, strict=True)),
        grey=[place for place, (_, _, word) in enumerate(columns) if word == PAPER],
        ruled=[place for place, row in enumerate(layout.rows) if row in layout.beyond],
        numbered=True,
        key=str(layout.number),
    )


def caption(layout: Layout, cells: list[list[Cell]], cohort: str) -> str:
    """Return what the table shows, of whom, and how to read it."""
    seeds = usual_seeds(cells)
    mean = "mean ± std" if layout.std else "mean"
    over = f"{mean} over {seeds} seeds" if seeds > 1 else "one seed" if seeds else "no model was run"
    sizes = []
    for target, column in zip(layout.targets, zip(*cells, strict=True), strict=True):
        known = next((cell for cell in column if cell.n), None)
        if known:
            with_disease = f"{known.n_positive} of {known.n} with {TARGETS[target]}"
            sizes.append(with_disease if layout.metric == "auroc" else f"{known.n} with {TARGETS[target]}")
    tested = f" Test subjects: {', '.join(sizes)}." if sizes else ""
    own = " and ".join(TARGETS[target] for target in layout.own_targets)
    paper = "the one published in the paper" + (f" (which has none on {own})" if own else "")
    return (
        f"{layout.title} {layout.metric_name} on the test split, {over}; best in bold, second best underlined; "
        f"beside each value {paper}.{tuning(cells)} Cohort: {cohort}.{tested}"
    )


def tuning(cells: list[list[Cell]]) -> str:
    """Return how the settings of all models were found, "" where that differs (cells have a note) or is unknown."""
    trials = trials_of(cells)
    if len(trials) != 1:
        return ""
    return (
        f" Each model is the {tuning_words(*trials)}."
        if trials[0]
        else " All have the settings of the config, none was tuned."
    )


def letters_of(cells: list[list[Cell]]) -> dict[str, str]:
    """Return {note: letter} in the order in which a reader meets the notes; after z come aa, ab."""
    notes = dict.fromkeys(note for row in cells for cell in row for note in cell.notes)
    letters = itertools.chain(ascii_lowercase, map("".join, itertools.product(ascii_lowercase, repeat=2)))
    return dict(zip(notes, letters, strict=False))


def _columns(layout: Layout) -> list[tuple[str, str, str]]:
    """Return the headings of each column, from the top: group, target ("" of words), and what the column holds."""
    columns = [(group, "", heading) for group, heading in layout.left]
    for target in layout.targets:
        published = layout.published(target)
        group = layout.targets_group if published else OWN_GROUP
        columns += [(group, TARGETS[target], word) for word in (OURS, PAPER)[: 1 + published]]
    return columns


def _heading(target: str, word: str) -> str:
    """Return a column's headings in one: "Modality", "CAD" or "CAD, paper"."""
    return word if not target else target + f", {PAPER}" * (word == PAPER)


def _entries(line: list[Cell], layout: Layout, letters: dict[str, str]) -> list[Entry]:
    """Return a row's numbers: our value, its mark and footnotes, and the paper's if it has any."""
    found = []
    for target, cell in zip(layout.targets, line, strict=True):
        ours = number(cell.mean, layout.digits, cell.std if layout.std else float("nan"))
        found.append(Entry(ours, cell.mark, ",".join(letters[note] for note in cell.notes)))
        if layout.published(target):
            mean, std = cell.paper or (float("nan"), float("nan"))
            found.append(Entry(number(mean, layout.digits, std)))
    return found
