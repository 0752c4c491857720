"""A table as Markdown, LaTeX and HTML. Its words and numbers are plain text; each format escapes and marks them."""

import itertools
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@dataclass(frozen=True)
class Entry:
    """A cell. mark: "", "best" or "second"; letters: of its footnotes, such as "a,b"."""

    text: str
    mark: str = ""
    letters: str = ""


@dataclass(frozen=True)
class Table:
    """A table to print; its first `left` columns hold words, the others numbers.

    name: behind the word "Table". notes: footnotes by letter. empty: what is said where there are no rows.
    levels: LaTeX's lines of headings, a word a column each, where one line is not enough; equal neighbours share one.
    grey: columns printed in grey. ruled: rows with a rule above. numbered: whether it is one of a series, whose number
    begins the caption also in HTML, and which LaTeX keeps on one page. key: of LaTeX's label where the name is not.
    """

    name: str
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str | Entry]]
    left: int = 1
    notes: Mapping[str, str] = field(default_factory=dict)
    empty: str = "Nothing of this was run."
    levels: Sequence[Sequence[str]] = ()
    grey: Collection[int] = ()
    ruled: Collection[int] = ()
    numbered: bool = False
    key: str = ""

    @property
    def entries(self) -> list[list[Entry]]:
        """The rows, each cell an Entry."""
        return [[cell if isinstance(cell, Entry) else Entry(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True)
class Markup:
    """How a format writes plain text, the best and second best values, and the letter of a footnote."""

    escape: Callable[[str], str]
    best: str
    second: str
    superscript: str

    def cell(self, entry: Entry) -> str:
        """Return a cell's text."""
        mark = {"best": self.best, "second": self.second}.get(entry.mark, "{}")
        return mark.format(self.escape(entry.text)) + (self.superscript.format(entry.letters) if entry.letters else "")

    def footnotes(self, notes: Mapping[str, str], gap: str) -> str:
        """Return the footnotes in one line."""
        return "; ".join(self.superscript.format(letter) + gap + self.escape(note) for letter, note in notes.items())


def escape_markdown(text: str) -> str:
    """Return plain text with the signs Markdown reads as layout written so that they are printed.

    An underscore between letters or digits is none of them.
    """
    return re.sub(r"([\\`*|<>\[\]]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", text)


def escape_latex(text: str) -> str:
    """Return plain text with every sign that LaTeX reads as a command written so that it is printed."""
    return "".join(_TEX.get(sign, sign) for sign in text)


_TEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "–": "--",
    "†": r"$\dagger$",
    "✓": r"\checkmark",
    "✗": r"$\times$",
}
_MARKDOWN = Markup(escape_markdown, "**{}**", "<ins>{}</ins>", "<sup>{}</sup>")
_LATEX = Markup(escape_latex, r"\textbf{{{}}}", r"\underline{{{}}}", r"\textsuperscript{{{}}}")
_PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def markdown(table: Table) -> str:
    """Return the table in GitHub's Markdown; the second best value is underlined by an <ins> element."""
    parts = [f"**Table {escape_markdown(table.name)}.** {escape_markdown(table.caption)}", markdown_grid(table)]
    parts += [table.empty] * (not table.rows)
    parts += [_MARKDOWN.footnotes(table.notes, " ")] * bool(table.notes)
    return "\n\n".join(parts) + "\n"


def markdown_grid(table: Table) -> str:
    """Return the table's lines alone, without caption and footnotes."""
    rule = ["---"] * table.left + ["---:"] * (len(table.head) - table.left)
    rows = [map(escape_markdown, table.head), rule, *(map(_MARKDOWN.cell, row) for row in table.entries)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def latex(table: Table) -> str:
    r"""Return a table, or longtable, to \input into a document that loads booktabs, longtable and amssymb."""
    columns = "l" * table.left + "r" * (len(table.head) - table.left)
    caption, label = rf"\caption{{{escape_latex(table.caption)}}}", rf"\label{{tab:cmr2ecg-{table.key or table.name}}}"
    head = [r"\toprule", *_latex_head(table), r"\midrule"]
    notes = [r"\par\smallskip\footnotesize " + _LATEX.footnotes(table.notes, r"\,")] * bool(table.notes)
    if table.numbered:
        begin = [r"% \usepackage{booktabs,amssymb}", r"\begin{table}", r"\centering", caption, label]
        begin += [rf"\begin{{tabular}}{{{columns}}}", *head]
        end = [r"\end{tabular}", *notes, r"\end{table}"]
    else:
        begin = [r"% \usepackage{booktabs,longtable,amssymb}", rf"\begin{{longtable}}{{{columns}}}"]
        begin += [caption + label + r"\\", *head, r"\endfirsthead", *head, r"\endhead"]
        end = [r"\end{longtable}", *(f"{{{line}\\par}}" for line in notes)]
    body = []
    for place, row in enumerate(table.entries):
        body += [r"\midrule"] * (place in table.ruled) + [_latex_row(map(_LATEX.cell, row))]
    return "\n".join([*begin, *body, r"\bottomrule", *end, ""])


def _latex_row(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex_head(table: Table) -> list[str]:
    """Return the lines of headings: above the last one each word over all its columns, with a rule below."""
    *above, last = table.levels or [table.head]
    lines = []
    for level in above:
        cells, rules, end = [], [], 0
        for word, run in itertools.groupby(level):
            start, end = end + 1, end + len(list(run))
            width = end - start + 1
            cells += [rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(word)}}}"] if word else [""] * width
            rules += [rf"\cmidrule(lr){{{start}-{end}}}"] * bool(word)
        lines += [_latex_row(cells), " ".join(rules)]
    return [*lines, _latex_row(map(escape_latex, last))]


def page(title: str, parts: Mapping[str, Table | str]) -> str:
    """Return a page of HTML for Snakemake's report: no script, nothing loaded from elsewhere.

    parts: by heading ("" for none) a table, or a text whose lines stay as they are.
    """
    return _PAGES.get_template("page.jinja").render(title=title, parts=parts)


@dataclass(frozen=True)
class Part:
    """A part of a summary: a list of sentences, then tables."""

    heading: str
    items: Sequence[str] = ()
    tables: Sequence[Table] = ()


def summary(title: str, parts: Sequence[Part]) -> str:
    """Return a fragment of HTML that stands in a page of its own or in another: its styles apply to itself alone."""
    return _PAGES.get_template("summary.jinja").render(title=title, parts=parts)
