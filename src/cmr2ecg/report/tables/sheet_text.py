"""A supplementary table as Markdown and LaTeX."""

from cmr2ecg.report.tables.render import escape_markdown, latex, pipes
from cmr2ecg.report.tables.sheet import Sheet


def sheet_markdown(name: str, sheet: Sheet, cohort: str) -> str:
    """Return the table in GitHub's Markdown, its title in front."""
    align = ["---"] * sheet.left + ["---:"] * (len(sheet.head) - sheet.left)
    lines = [f"**Table {name}.** {escape_markdown(f'{sheet.caption} Cohort: {cohort}.')}", ""]
    lines += [pipes(map(escape_markdown, sheet.head)), pipes(align)]
    lines += [pipes(map(escape_markdown, row)) for row in sheet.rows]
    if not sheet.rows:
        lines += ["", "Nothing of this was run."]
    return "\n".join(lines) + "\n"


def sheet_latex(name: str, sheet: Sheet, cohort: str) -> str:
    r"""Return a longtable to \input into a document that loads booktabs, longtable and amssymb."""
    columns = "l" * sheet.left + "r" * (len(sheet.head) - sheet.left)
    return "\n".join(
        [
            r"% \usepackage{booktabs,longtable,amssymb}",
            rf"\begin{{longtable}}{{{columns}}}",
            rf"\caption{{{latex(f'{sheet.caption} Cohort: {cohort}.')}}}\label{{tab:cmr2ecg-{latex(name)}}}\\",
            r"\toprule",
            " & ".join(map(latex, sheet.head)) + r" \\",
            r"\midrule",
            r"\endhead",
            *(" & ".join(map(latex, row)) + r" \\" for row in sheet.rows),
            r"\bottomrule",
            r"\end{longtable}",
            "",
        ]
    )
