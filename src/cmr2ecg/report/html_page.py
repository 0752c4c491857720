"""Tables as small HTML pages of their own, for Snakemake's report: no script, nothing loaded from elsewhere."""

from collections.abc import Sequence
from html import escape

from cmr2ecg.report.tables.cells import Cell
from cmr2ecg.report.tables.render import PAPER_COLUMN, caption, headings, letters_of, numbers
from cmr2ecg.report.tables.sheet import Sheet
from cmr2ecg.report.tables.table_layouts import Layout

STYLE = """
body { font: 15px/1.45 "DejaVu Sans", Verdana, sans-serif; color: #1a1a1a; margin: 1.5em; max-width: 80em; }
table { border-collapse: collapse; border-top: 2px solid #333; border-bottom: 2px solid #333; }
th { border-bottom: 1px solid #333; vertical-align: bottom; }
th, td { padding: 0.25em 0.8em; text-align: right; white-space: nowrap; }
.words { text-align: left; }
.paper { color: #595959; }
tbody tr:nth-child(even) { background: #f4f4f4; }
caption { caption-side: top; text-align: left; padding-bottom: 0.8em; white-space: normal; }
pre { background: #f4f4f4; padding: 1em; overflow-x: auto; }
"""
MARKS = {"best": "<b>{}</b>", "second": "<u>{}</u>", "": "{}"}


def page(title: str, body: str) -> str:
    """Return a whole page; `body` is HTML."""
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{STYLE}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n{body}\n</body></html>\n'


def table_html(
    text: str, head: Sequence[str], rows: Sequence[Sequence[str]], left: int, grey: Sequence[int] = ()
) -> str:
    """Return a table element; `text` and `head` are plain, the cells of `rows` HTML, columns in `grey` stand back.

    left: columns of words, set flush left.
    """

    def kind(column: int) -> str:
        return ' class="words"' if column < left else ' class="paper"' if column in grey else ""

    def line(tag: str, cells: Sequence[str]) -> str:
        return "<tr>" + "".join(f"<{tag}{kind(i)}>{cell}</{tag}>" for i, cell in enumerate(cells)) + "</tr>"

    body = "\n".join(line("td", row) for row in rows)
    top = line("th", [escape(word) for word in head])
    return f"<table><caption>{escape(text)}</caption><thead>{top}</thead><tbody>\n{body}\n</tbody></table>"


def paper_html(layout: Layout, cells: list[list[Cell]], cohort: str) -> str:
    """Return one of the paper's tables as a page."""
    letters = letters_of(cells)
    head, left = headings(layout), len(layout.left)
    rows = [
        [*map(escape, row.words), *numbers(line, layout, MARKS, "<sup>{}</sup>", letters, escape)]
        for row, line in zip(layout.rows, cells, strict=True)
    ]
    grey = [place for place, word in enumerate(head) if word.endswith(PAPER_COLUMN)]
    text = f"Table {layout.roman}. {caption(layout, cells, cohort)}"
    body = table_html(text, head, rows, left, grey)
    notes = "; ".join(f"<sup>{letter}</sup> {escape(note)}" for note, letter in letters.items())
    return page(f"Table {layout.roman}", f"{body}\n<p>{notes}</p>")


def sheet_html(name: str, sheet: Sheet, cohort: str) -> str:
    """Return a further table as a page."""
    rows = [[escape(cell) for cell in row] for row in sheet.rows]
    empty = "" if rows else "<p>Nothing of this was run.</p>"
    return page(f"Table {name}", table_html(f"{sheet.caption} Cohort: {cohort}.", sheet.head, rows, sheet.left) + empty)
