"""Markdown, LaTeX and HTML of a table."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.tables.made_up_metrics import FULL, OWN, metrics, of_layout, to_latex, to_markdown, with_own

from cmr2ecg.report.tables.cells import make_cells
from cmr2ecg.report.tables.formats import Entry, Table, escape_latex, escape_markdown, latex, markdown, page
from cmr2ecg.report.tables.sheet import interval
from cmr2ecg.report.tables.supplements import SUPPLEMENTS
from cmr2ecg.report.tables.table_layouts import LAYOUTS

SIGNS = "<b>&\"'|*_"
ODD = Table(SIGNS, SIGNS, [SIGNS, "n"], [[SIGNS, Entry(SIGNS, "best", "a")]], notes={"a": SIGNS})


def test_markdown_is_rectangular_and_holds_the_papers_table():
    text = to_markdown(LAYOUTS[3], make_cells(LAYOUTS[3], metrics(FULL)), "demo (synthetic)")
    assert text.splitlines()[0].startswith("**Table III.** ")
    assert "over 2 seeds" in text and "Cohort: demo (synthetic)." in text and "438 of 6007 with CAD" in text
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {11}
    assert table[2] == (
        "| ECG | Supervised ViT | ✗ | ✗ | 67.00±1.41 | 66.90±0.47 | 67.00±1.41 | 69.76±2.13 | 67.00±1.41 | 67.35±0.76 |"
    )
    assert "| MDM | ✓ | ✗ | <ins>72.00±1.41</ins> | 71.71±0.36 |" in table[3]
    assert "| MMCL (ours) | ✓ | ✓ | **75.00±1.41** | 73.00±0.30 |" in table[5]


def test_markdown_signs_in_the_cohorts_name_are_printed():
    text = to_markdown(LAYOUTS[1], make_cells(LAYOUTS[1], metrics({})), "my_ukb|*2*")
    assert r"my_ukb\|\*2\*" in text


@pytest.mark.parametrize("table", sorted(LAYOUTS))
def test_latex_is_balanced_and_every_row_has_all_columns(table):
    layout = LAYOUTS[table]
    text = to_latex(layout, make_cells(layout, of_layout(layout)), "ukb_2024 & 50 % {x} #1 $ ~ ^ \\")
    assert re.findall(r"\\begin\{(\w+)\}", text) == re.findall(r"\\end\{(\w+)\}", text)[::-1]
    bare = re.sub(r"\\[\\{}]", "", text)
    assert bare.count("{") == bare.count("}")
    columns = len(layout.left) + 2 * len(layout.targets)
    for line in text.splitlines():
        if line.endswith(r" \\"):
            spans = [int(width) for width in re.findall(r"\\multicolumn\{(\d+)\}", line)]
            cells = len(re.findall(r"(?<!\\)&", line)) + 1
            assert cells - len(spans) + sum(spans) == columns, line
    assert (r"\textbf{75.00$\pm$1.41}" if layout.std else r"\textbf{0.75}") in text
    assert re.search(r"[^\x00-\x7f]", text) is None


def test_latex_of_a_disease_of_ones_own_has_one_column():
    text = to_latex(*with_own(3, metrics(FULL, OWN)), "demo")
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    for line in rows:
        spans = [int(width) for width in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        assert len(re.findall(r"(?<!\\)&", line)) + 1 - len(spans) + sum(spans) == 12, line
    assert r"\multicolumn{6}{c}{Cardiovascular disease} & \multicolumn{2}{c}{Further disease}" in rows[0]
    assert rows[2].endswith(r"ours & paper & ours & ours \\") and r"\cmidrule(lr){11-12}" in text


def test_latex_escapes_what_it_would_read_as_a_command():
    assert escape_latex("a_b & 5 %") == r"a\_b \& 5 \%"
    assert escape_latex("✓✗±–\\{") == r"\checkmark$\times$$\pm$--\textbackslash{}\{"


@pytest.mark.parametrize(
    ("text", "escaped"),
    [("mmcl_colder", "mmcl_colder"), ("_a_", r"\_a\_"), ("a__b", r"a\_\_b"), ("f(_x)", r"f(\_x)")],
)
def test_markdown_escapes_underscores_at_the_edges_of_words_only(text, escaped):
    assert escape_markdown(text) == escaped


def test_html_escapes_all_it_is_given():
    text = page(SIGNS, {SIGNS: ODD, "Settings": SIGNS})
    assert text.count("&lt;b&gt;&amp;&#34;&#39;|*_") == 8 and SIGNS not in text
    assert "<b>&lt;b&gt;&amp;&#34;&#39;|*_</b><sup>a</sup></td>" in text


def test_markdown_and_latex_escape_cells_head_caption_and_notes():
    assert markdown(ODD).count("\\<b\\>&\"'\\|\\*\\_") == 6
    assert latex(ODD).count("<b>\\&\"'|*\\_") == 6


def test_a_table_without_rows_says_so():
    table = Table("x", "Caption.", ["A", "B"], [])
    assert markdown(table).endswith("| --- | ---: |\n\nNothing of this was run.\n")
    assert "</tbody></table>\n<p>Nothing of this was run.</p>\n</body>" in page("x", {"": table})


@pytest.mark.parametrize("name", SUPPLEMENTS)
def test_labels_are_no_text(name):
    r"""A \_ in a label ends LaTeX, as soon as it reads its own .aux file."""
    assert rf"\label{{tab:cmr2ecg-{name}}}" in latex(Table(name, "Caption.", ["A", "B"], [["a", "1"]]))


@given(st.text(alphabet="&%$#_{}~^\\±–†✓✗ab"))
def test_latex_of_any_text_is_balanced(text):
    bare = re.sub(r"\\[\\{}]", "", escape_latex(text))
    assert bare.count("{") == bare.count("}") and re.search(r"[^\x00-\x7f]", bare) is None


def test_an_interval_is_printed_with_its_value_or_said_to_be_absent():
    nan = float("nan")
    assert interval((0.412, 0.39, 0.433)) == "0.41 [0.39, 0.43]"
    assert interval((0.412, -0.02, 0.84), sign="+") == "+0.41 [-0.02, +0.84]"
    assert interval((71.23, nan, nan), digits=1) == "71.2 [–]" and interval((nan, 0.1, 0.2)) == "–"
