"""A table's cells as csv, Markdown and LaTeX."""

import itertools
import re
from collections.abc import Callable, Iterable
from string import ascii_lowercase

import pandas as pd

from cmr2ecg.metrics.predictions import fit_of
from cmr2ecg.report.tables.cells import DASH, Cell, number, trials_of, tuning_words, usual_seeds
from cmr2ecg.report.tables.names import TARGETS
from cmr2ecg.report.tables.sheet import DAGGER
from cmr2ecg.report.tables.table_layouts import NO, YES, Layout

PAPER_COLUMN = ", paper"
OWN_GROUP = "Further disease"  # heading over the columns of targets that the paper does not have
_TEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    DASH: "--",
    DAGGER: r"$\dagger$",
    YES: r"\checkmark",
    NO: r"$\times$",
}


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


def caption(layout: Layout, cells: list[list[Cell]], cohort: str) -> str:
    """Return what the table shows, of whom, and how to read it, as plain text."""
    seeds = usual_seeds(cells)
    mean = "mean ± std" if layout.spread else "mean"
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


def to_markdown(layout: Layout, cells: list[list[Cell]], cohort: str) -> str:
    """Return the table in GitHub's Markdown; the second best value is underlined by an <ins> element."""
    letters = letters_of(cells)
    style = {"best": "**{}**", "second": "<ins>{}</ins>", "": "{}"}
    head = headings(layout)
    lines = [f"**Table {layout.roman}.** {escape_markdown(caption(layout, cells, cohort))}", ""]
    lines += [pipes(head), pipes(["---"] * len(layout.left) + ["---:"] * (len(head) - len(layout.left)))]
    for row, line in zip(layout.rows, cells, strict=True):
        lines.append(pipes([*row.words, *numbers(line, layout, style, "<sup>{}</sup>", letters)]))
    if letters:
        lines += ["", "; ".join(f"<sup>{letter}</sup> {note}" for note, letter in letters.items())]
    return "\n".join(lines) + "\n"


def to_latex(layout: Layout, cells: list[list[Cell]], cohort: str) -> str:
    r"""Return a table environment to \input into a document that loads booktabs and amssymb."""
    letters = letters_of(cells)
    style = {"best": r"\textbf{{{}}}", "second": r"\underline{{{}}}", "": "{}"}
    left = len(layout.left)
    right = len(headings(layout)) - left
    body = []
    for row, line in zip(layout.rows, cells, strict=True):
        values = numbers(line, layout, style, r"\textsuperscript{{{}}}", letters, latex)
        body += [r"\midrule"] * (row in layout.beyond)
        body.append(" & ".join([*map(latex, row.words), *values]) + r" \\")
    notes = "; ".join(rf"\textsuperscript{{{letter}}}\,{latex(note)}" for note, letter in letters.items())
    return "\n".join(
        [
            r"% \usepackage{booktabs,amssymb}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex(caption(layout, cells, cohort))}}}",
            rf"\label{{tab:cmr2ecg-{layout.number}}}",
            rf"\begin{{tabular}}{{{'l' * left}{'r' * right}}}",
            r"\toprule",
            *_latex_head(layout),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *([rf"\par\smallskip\footnotesize {notes}"] if notes else []),
            r"\end{table}",
            "",
        ]
    )


def latex(text: str) -> str:
    """Return plain text with every sign that LaTeX reads as a command written so that it is printed."""
    return "".join(_TEX.get(sign, sign) for sign in text)


def _latex_head(layout: Layout) -> list[str]:
    """Return three heading lines: groups, the target's name over its columns, and ours | paper, or ours alone."""
    left, own = len(layout.left), len(layout.own_targets)
    groups, rules, start = [], [], 1
    spans = [(name, len(list(run))) for name, run in itertools.groupby(group for group, _ in layout.left)]
    spans += [(layout.targets_group, 2 * (len(layout.targets) - own)), (OWN_GROUP, own)]
    for name, width in (span for span in spans if span[1]):
        groups.append(rf"\multicolumn{{{width}}}{{c}}{{{latex(name)}}}" if name else " & " * (width - 1))
        if name:
            rules.append(rf"\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    paper = [target for target in layout.targets if layout.published(target)]
    targets = [rf"\multicolumn{{2}}{{c}}{{{latex(TARGETS[target])}}}" for target in paper]
    targets += [rf"\multicolumn{{1}}{{c}}{{{latex(TARGETS[target])}}}" for target in layout.own_targets]
    under = [rf"\cmidrule(lr){{{left + 2 * i + 1}-{left + 2 * i + 2}}}" for i in range(len(paper))]
    words = [latex(heading) for _, heading in layout.left]
    return [
        " & ".join(groups) + r" \\",
        " ".join(rules),
        " & ".join([""] * left + targets) + r" \\",
        " ".join(under),
        " & ".join(words + ["ours", "paper"] * len(paper) + ["ours"] * own) + r" \\",
    ]


def headings(layout: Layout) -> list[str]:
    """Return the words above each column: those of the left, and for each target its name, and the paper's value."""
    head = [heading for _, heading in layout.left]
    for target in layout.targets:
        head += [TARGETS[target], *([TARGETS[target] + PAPER_COLUMN] if layout.published(target) else [])]
    return head


def numbers(
    line: list[Cell],
    layout: Layout,
    style: dict[str, str],
    superscript: str,
    letters: dict[str, str],
    escape: Callable[[str], str] = str,
) -> list[str]:
    """Return a row's columns: our value, marked and with the letter of its footnote, and the paper's if it has any."""
    found = []
    for target, cell in zip(layout.targets, line, strict=True):
        std = cell.std if layout.spread else float("nan")
        ours = style[cell.mark].format(escape(number(cell.mean, std, layout.digits)))
        notes = ",".join(letters[note] for note in cell.notes)
        found.append(ours + (superscript.format(notes) if notes else ""))
        if layout.published(target):
            found.append(escape(number(*cell.paper, layout.digits) if cell.paper else DASH))
    return found


def letters_of(cells: list[list[Cell]]) -> dict[str, str]:
    """Return {note: letter} in the order in which a reader meets the notes; after z come aa, ab."""
    notes = dict.fromkeys(note for row in cells for cell in row for note in cell.notes)
    letters = itertools.chain(ascii_lowercase, map("".join, itertools.product(ascii_lowercase, repeat=2)))
    return dict(zip(notes, letters, strict=False))


def pipes(words: Iterable[str]) -> str:
    """Return one line of a Markdown table."""
    return f"| {' | '.join(words)} |"


def escape_markdown(text: str) -> str:
    """Return plain text with the signs Markdown reads as layout written so that they are printed."""
    return re.sub(r"([\\`*_|<>\[\]])", r"\\\1", text)
