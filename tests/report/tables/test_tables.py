"""Cells, marks and footnotes of the paper's tables."""

import numpy as np
import pandas as pd
import pytest
from report.tables.made_up_metrics import (
    FULL,
    OWN,
    SKIPPED,
    metrics,
    of_layout,
    to_html,
    to_latex,
    to_markdown,
    with_own,
)

from cmr2ecg.report.tables.cells import NOT_RUN, UNDEFINED, Cell, make_cells, usual_seeds
from cmr2ecg.report.tables.names import DISEASES, MODELS, TARGETS
from cmr2ecg.report.tables.paper_table import letters_of, to_csv
from cmr2ecg.report.tables.sheet import number
from cmr2ecg.report.tables.table_layouts import LAYOUTS
from cmr2ecg.runtime.command import InputError


def test_mean_is_in_percent_and_std_is_of_a_sample():
    cell = make_cells(LAYOUTS[3], metrics(FULL))[0][0]
    assert (cell.mean, cell.n_seeds, cell.n, cell.n_positive) == (pytest.approx(67), 2, 6007, 438)
    assert cell.std == pytest.approx(np.std([66, 68], ddof=1))


def test_best_and_second_are_marked_in_every_column():
    marks = [[cell.mark for cell in row] for row in make_cells(LAYOUTS[3], metrics(FULL))]
    assert marks == [[""] * 3, ["second"] * 3, [""] * 3, ["best"] * 3]


def test_a_model_beyond_the_papers_has_a_row_only_where_it_was_fitted_and_may_be_the_best():
    assert LAYOUTS[3].with_fitted({"mmcl"}) == LAYOUTS[3]
    assert [number for number in LAYOUTS if LAYOUTS[number].beyond] == [2, 3, 4]
    layout = LAYOUTS[3].with_fitted({"mmcl", "supervised_cnn"})
    cells = make_cells(layout, metrics(FULL | {"supervised_cnn": [0.8, 0.82]}))
    assert [row[0].mark for row in cells] == ["", "", "", "second", "best"]
    last = to_markdown(layout, cells, "demo").splitlines()[-1]
    assert last.startswith("| ECG | Supervised CNN (not in the paper) | ✗ | ✗ | **81.00±1.41** | – |")
    body = to_latex(layout, cells, "demo").splitlines()
    assert body[body.index(next(line for line in body if "Supervised CNN" in line)) - 1] == r"\midrule"


def test_values_printed_alike_share_a_mark():
    values = FULL | {"mmcl": [0.720001, 0.720001], "mmcl_without_mdm": [0.7, 0.7]}
    marks = [row[0].mark for row in make_cells(LAYOUTS[3], metrics(values))]
    assert marks == ["", "best", "second", "best"]


def test_a_lone_value_is_not_called_best():
    cells = make_cells(LAYOUTS[3], metrics({"mmcl": [0.7, 0.8]}))
    assert {cell.mark for row in cells for cell in row} == {""}


def test_missing_undefined_and_fewer_seeds_are_footnotes():
    values = {"supervised": [0.6, 0.7], "tabular": [0.7], "mmcl": [0.7, float("nan")]}
    cells = make_cells(LAYOUTS[1], metrics(values))
    assert [row[0].note for row in cells] == ["", "one seed", NOT_RUN, UNDEFINED["auroc"]]
    text = to_markdown(LAYOUTS[1], cells, "demo (synthetic)")
    assert "| Tabular | **70.00**<sup>a</sup> | 71.97±0.14 |" in text
    assert "| CMR | –<sup>b</sup> | 71.88±0.64 |" in text
    assert "| ECG (ours) | –<sup>c</sup> | 73.00±0.30 |" in text
    assert text.endswith(
        "<sup>a</sup> one seed; <sup>b</sup> not run; <sup>c</sup> undefined: the test split holds one class only\n"
    )


def test_a_table_without_any_result_is_dashes():
    cells = make_cells(LAYOUTS[1], metrics({}))
    assert usual_seeds(cells) == 0
    assert {cell.note for row in cells for cell in row} == {NOT_RUN}
    assert "no model was run" in to_markdown(LAYOUTS[1], cells, "demo")


def test_number_format_is_the_papers():
    assert number(66.9, 2, 0.47) == "66.90±0.47"
    assert number(72.22, 2, 0.0) == "72.22±0.00"
    assert number(72.225, 1) == "72.2"
    assert number(float("nan")) == "–"


def test_a_disease_of_ones_own_is_a_column_after_the_papers_without_a_published_value():
    layout, cells = with_own(3, metrics(FULL, OWN))
    assert layout.targets == ("cad", "af", "dm", "copd", "hf") and layout.own_targets == ("copd", "hf")
    assert [cell.mark for row in cells for cell in row[3:]] == [*[""] * 2, *["second"] * 2, *[""] * 2, *["best"] * 2]
    text = to_markdown(layout, cells, "demo")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert table[0].endswith("| CAD | CAD, paper | AF | AF, paper | DM | DM, paper | COPD | HF |")
    assert {line.count("|") for line in table} == {13}
    assert table[5].endswith("| 75.56±0.16 | **75.00±1.41** | **75.00±1.41** |")
    assert "(which has none on COPD and HF)" in text and "438 of 6007 with HF" in text
    page = to_html(layout, cells, "demo")
    assert page.count("</th>") == 12 and "<td>67.00±1.41</td><td>67.00±1.41</td></tr>" in page
    assert page.count('<td class="paper">') == 3 * len(layout.rows)
    tidy = to_csv(layout, cells, "demo").query("target == 'hf' and encoder == 'mmcl'").iloc[0]
    assert tidy["mean"] == 75 and np.isnan(tidy["paper_mean"])


def test_only_diseases_that_a_model_of_the_table_was_fine_tuned_on_get_a_column():
    table = metrics({"mmcl": [0.7, 0.8], "tabular": [0.6]}, ("cad", "lv", "hf"))
    assert with_own(1, table)[0].targets == ("cad", "af", "dm", "hf")
    assert with_own(5, table)[0] == LAYOUTS[5] and with_own(4, table)[0] == LAYOUTS[4]
    assert with_own(1, table[table["encoder"] == "tabular"])[0] == LAYOUTS[1]
    assert with_own(1, table.assign(fit="probe"))[0] == LAYOUTS[1]
    assert with_own(1, table.assign(fraction=10))[0] == LAYOUTS[1]


def test_a_disease_of_ones_own_that_could_not_be_trained_on_is_a_column_of_reasons():
    skipped = pd.DataFrame([("finetune", "mmcl", "hf", 100, "hf has 1 positive")], columns=SKIPPED.columns)
    layout, cells = with_own(3, metrics(FULL), skipped)
    assert layout.targets[-1] == "hf" and [row[-1].note for row in cells] == [NOT_RUN] * 3 + ["hf has 1 positive"]


@pytest.mark.parametrize(("key", "name"), [("cad", "CAD"), ("lv", "LV"), ("hf", "HF"), ("copd", "COPD")])
def test_short_keys_of_diseases_are_abbreviations(key, name):
    assert TARGETS[key] == name


def test_long_keys_of_diseases_are_words_and_models_keep_their_names():
    assert TARGETS["heart_failure"] == DISEASES["heart_failure"] == "Heart failure"
    assert MODELS["mmcl_colder"] == "mmcl_colder"


def test_csv_is_tidy():
    table = to_csv(LAYOUTS[1], make_cells(LAYOUTS[1], metrics(FULL)), "demo")
    assert len(table) == 12
    ours = table[(table["encoder"] == "mmcl") & (table["target"] == "dm")].iloc[0]
    assert (ours["modality"], ours["mean"], ours["mark"], ours["n_seeds"]) == ("ECG (ours)", 75.0, "best", 2)
    assert (ours["paper_mean"], ours["paper_std"]) == (75.56, 0.16)
    assert table[table["encoder"] == "tabular"]["mean"].isna().all()


def test_metrics_without_a_column_are_refused():
    with pytest.raises(InputError, match="n_positive"):
        make_cells(LAYOUTS[1], metrics(FULL).drop(columns="n_positive"))


def test_the_reference_row_of_table_iv_takes_no_part_in_who_is_best():
    layout = LAYOUTS[4]
    table = of_layout(layout)
    table.loc[table["encoder"] == "reference", "encoder"] = "cmr_supervised"
    marks = {
        row.encoder: {cell.mark for cell in line}
        for row, line in zip(layout.rows, make_cells(layout, table), strict=True)
    }
    assert marks["mmcl"] == {"best"} and marks["cmr_supervised"] == {""}
    text = to_markdown(layout, make_cells(layout, table), "demo")
    assert "| **0.75** | 0.63 |" in text and "±" not in text


def test_single_phenotypes_and_probes_are_no_cells_of_the_papers_tables():
    layout = LAYOUTS[4]
    table = of_layout(layout)
    single = table.assign(output="LVEDV", value=0.99)
    probe = table.assign(fit="probe", value=0.99)
    found, wanted = make_cells(layout, pd.concat([single, table, probe])), make_cells(layout, table)
    assert repr(found) == repr(wanted)  # NaN in a cell equals nothing


def test_the_reason_of_a_fit_that_could_not_be_made_is_its_footnote():
    reason = "cad has 1 positive in the 1 % subset"
    skipped = pd.DataFrame(
        [("finetune", "mae", "cad", 100, reason)], columns=["fit", "encoder", "target", "fraction", "reason"]
    )
    values = {name: rows for name, rows in FULL.items() if name != "mae"}
    cells = make_cells(LAYOUTS[3], metrics(values), skipped)
    assert [cell.note for cell in cells[1]] == [reason, NOT_RUN, NOT_RUN]
    assert reason in to_markdown(LAYOUTS[3], cells, "demo")


MODEL = ["fit", "encoder", "target", "fraction"]
ALL = [("finetune", encoder, target, 100) for encoder in FULL for target in ("cad", "af", "dm")]


REASON = "few steps: 36 where 300 are the least; no spread: one for everybody"


def untrained(*models):
    return pd.DataFrame(
        [(*model, REASON) for model in models],
        columns=[*MODEL, "reason"],
    )


def tuned(trials):
    """models.csv in which every model has the number of trials of its encoder, as a column with a gap is read."""
    rows = [(*model, trials.get(model[1])) for model in ALL]
    return pd.DataFrame(rows, columns=[*MODEL, "tuned_trials"]).astype({"tuned_trials": float})


def test_a_model_that_was_not_trained_keeps_its_number_and_is_not_the_best():
    marked = untrained(("finetune", "mmcl", "cad", 100), ("finetune", "mmcl", "af", 10), ("probe", "mae", "dm", 100))
    cells = make_cells(LAYOUTS[3], metrics(FULL), untrained=marked)
    assert [row[0].mark for row in cells] == ["", "best", "second", ""]
    assert [row[1].mark for row in cells] == ["", "second", "", "best"]
    for render, cell, note in (
        (to_markdown, "75.00±1.41<sup>a</sup> | 73.00", "<sup>a</sup> not trained (few steps, no spread)\n"),
        (to_html, "75.00±1.41<sup>a</sup></td>", "<sup>a</sup> not trained (few steps, no spread)</p>"),
        (to_latex, r"75.00$\pm$1.41\textsuperscript{a} &", r"\textsuperscript{a}\,not trained (few steps, no spread)"),
    ):
        text = render(LAYOUTS[3], cells, "demo")
        assert text.count(cell) == 1 and note in text
    table = to_csv(LAYOUTS[3], cells, "demo").set_index(["encoder", "target"])["untrained"]
    assert table["mmcl", "cad"] == REASON and set(table.drop(("mmcl", "cad"))) == {""}


def test_a_cell_with_two_notes_has_two_letters():
    values = FULL | {"mmcl": [0.75]}
    cells = make_cells(LAYOUTS[3], metrics(values), untrained=untrained(("finetune", "mmcl", "cad", 100)))
    text = to_markdown(LAYOUTS[3], cells, "demo")
    assert "| 75.00<sup>a,b</sup> | 73.00±0.30 |" in text and "<sup>a</sup> one seed; <sup>b</sup> not trained" in text


@pytest.mark.parametrize(
    ("trials", "words"),
    [
        (0, "All have the settings of the config, none was tuned."),
        (16, "Each model is the best of 16 trials on validation."),
        (None, ""),
    ],
)
def test_the_caption_says_who_was_tuned_where_all_were_alike(trials, words):
    cells = make_cells(LAYOUTS[3], metrics(FULL), models=tuned(dict.fromkeys(FULL, trials)))
    text = to_markdown(LAYOUTS[3], cells, "demo")
    assert words in text and ("tuned" in text or "trials" in text) == bool(words) and "<sup>" not in text
    assert to_csv(LAYOUTS[3], cells, "demo")["tuned_trials"].fillna(-1).eq(-1 if trials is None else trials).all()


@pytest.mark.parametrize(
    ("trials", "notes"),
    [
        ({"mmcl": 270}, ["", "", "", "best of 270 trials on validation (others: settings of the config)"]),
        ({"supervised": 0, "mae": 8, "mmcl": 8}, ["settings of the config (others: best of 8 trials on validation)"]),
        ({"mae": 8, "mmcl": 270}, ["", "best of 8 trials on validation (most others: settings of the config)"]),
    ],
)
def test_a_cell_that_was_tuned_otherwise_than_the_others_has_a_note(trials, notes):
    known = dict.fromkeys(FULL, 8 if trials.get("supervised") == 0 else 0) | trials
    cells = make_cells(LAYOUTS[3], metrics(FULL), models=tuned(known))
    assert [row[0].tuning for row in cells][: len(notes)] == notes
    assert "none was tuned" not in to_markdown(LAYOUTS[3], cells, "demo")


def test_more_notes_than_the_alphabet_has_letters():
    rows = [[Cell(note=f"note {number}") for number in range(60)]]
    letters = list(letters_of(rows).values())
    assert letters[:2] + letters[25:28] + letters[-1:] == ["a", "b", "z", "aa", "ab", "bh"] and len(set(letters)) == 60
