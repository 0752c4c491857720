"""The tables' LaTeX compiles, where a LaTeX is installed."""

import shutil
import subprocess

import pytest
from report.tables.made_up_metrics import FULL, OWN, metrics, of_layout, to_latex, with_own

from cmr2ecg.report.tables.cells import make_cells
from cmr2ecg.report.tables.formats import latex
from cmr2ecg.report.tables.sheet import Sheet
from cmr2ecg.report.tables.table_layouts import LAYOUTS

SIGNS = "demo_1 & 50 % {x} #1 $ ~ ^ \\ – ± ✓"


def test_all_tables_compile(tmp_path):
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (Debian: apt install texlive-latex-recommended)")
    tables = [to_latex(layout, make_cells(layout, of_layout(layout)), SIGNS) for layout in LAYOUTS.values()]
    tables.append(to_latex(LAYOUTS[1], make_cells(LAYOUTS[1], metrics({})), SIGNS))
    tables.append(to_latex(*with_own(3, metrics(FULL, OWN)), SIGNS))
    rows = [["II", "MMCL (ours) > MAE", "–", "+1.20 [-0.30, +2.70]"]] * 90
    sheet = Sheet("Claims < 0.001 & more.", ["a_b", "Claim", "p", "95 %"], rows, None, 2)
    tables.append(latex(sheet.table("added_value", SIGNS)))
    packages = r"\usepackage{booktabs,longtable,amssymb}"
    document = [r"\documentclass{article}", packages, r"\begin{document}", *tables, r"\end{document}"]
    (tmp_path / "tables.tex").write_text("\n".join(document))
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "tables.tex"]
    for _ in range(2):  # the second reads the labels that the first wrote
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stdout[-2000:]
    assert "added_value' multiply defined" not in done.stdout  # though it goes over several pages
    assert (tmp_path / "tables.pdf").stat().st_size > 10_000
