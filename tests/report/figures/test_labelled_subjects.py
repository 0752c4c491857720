"""The figure of labelled subjects: its panels and lines, at which numbers, and the ring of untrained models."""

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.metrics.scores import MODEL_COLUMNS
from cmr2ecg.report.figures.labelled_subjects import LOOKS, NOTHING, draw

SIZES = {"cad": {100: 400, 10: 40, 1: 4}, "lv": {100: 900, 10: 90}, "rv": {100: 900}}
MODELS = [("finetune", "supervised", 0.6), ("finetune", "mmcl", 0.8), ("probe", "mmcl", 0.7)]
MODELS += [("train_tabular", "tabular", 0.55), ("finetune", "cmr_mmcl", 0.9), ("probe", "mmcl_half", 0.5)]


@pytest.fixture
def inputs(tmp_path):
    rows = [
        (fit, encoder, target, fraction, "auroc" if target == "cad" else "r", mean, mean - 0.05, mean + 0.05, n)
        for target, sizes in SIZES.items()
        for fraction, n in sizes.items()
        for fit, encoder, mean in MODELS
    ]
    table = pd.DataFrame(rows, columns=[*MODEL_COLUMNS, "metric", "mean", "low", "high", "n_train"])
    table.to_csv(tmp_path / "intervals.csv", index=False)
    marked = pd.DataFrame([("finetune", "supervised", "cad", 1)], columns=MODEL_COLUMNS)
    marked.assign(reason="few").to_csv(tmp_path / "untrained.csv", index=False)
    return {name: [tmp_path / f"{name}.csv"] for name in ("intervals", "untrained")}


def line(axes, label):
    (found,) = (line for line in axes.get_lines() if line.get_label() == label)
    return found


def test_a_panel_a_target_that_was_learnt_from_several_numbers(inputs):
    cad, lv = draw({}, inputs).axes
    assert (cad.get_title(), lv.get_title()) == ("Coronary artery disease (CAD)", "LV")
    assert cad.get_xscale() == "log"
    assert [tick.get_text() for tick in cad.get_xticklabels()] == ["4\n1 %", "40\n10 %", "400\n100 %"]
    assert [tick.get_text() for tick in lv.get_xticklabels()] == ["90\n10 %", "900\n100 %"]


def test_lines_are_means_at_the_sizes_probes_are_dashed_and_intervals_shaded(inputs):
    cad, lv = draw({}, inputs).axes
    tuned, probe = line(cad, "finetune/mmcl"), line(cad, "probe/mmcl")
    np.testing.assert_allclose(tuned.get_xdata(), [4, 40, 400], rtol=0.06)
    np.testing.assert_allclose(tuned.get_ydata(), 80)
    np.testing.assert_allclose(line(lv, "finetune/mmcl").get_ydata(), 0.8)
    assert tuned.get_linestyle() == "-" and probe.get_linestyle() == "--" and tuned.get_color() == probe.get_color()
    bands = [band.get_datalim(cad.transData) for band in cad.collections]
    assert len(bands) == 4
    np.testing.assert_allclose(sorted((band.y0, band.y1) for band in bands)[-1], (75, 85))
    drawn = {line.get_label() for line in cad.get_lines()}
    assert not drawn & {"finetune/cmr_mmcl", "probe/mmcl_half"}


def test_a_ring_is_a_model_that_was_not_trained(inputs):
    figure = draw({}, inputs)
    cad, lv = figure.axes
    (ring,) = (line for line in cad.get_lines() if line.get_markerfacecolor() == "white")
    np.testing.assert_allclose([ring.get_xdata(), ring.get_ydata()], [[4], [60]], rtol=0.06)
    assert all(line.get_markerfacecolor() != "white" for line in lv.get_lines())
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == [
        *("MMCL (ours)", "Supervised ViT", "XGBoost (tabular)"),
        *("fine-tuned", "linear probe", "trees without an ECG", "not trained"),
    ]


def test_small_fits_that_were_all_skipped_do_not_end_the_run(inputs):
    path = inputs["intervals"][0]
    pd.read_csv(path).query("fraction == 100").to_csv(path, index=False)
    figure = draw({}, inputs)
    assert [text.get_text() for text in figure.texts] == [NOTHING] and not figure.axes


def test_markers_and_colours_tell_encoders_apart():
    assert len({marker for _, marker in LOOKS.values()}) == len({colour for colour, _ in LOOKS.values()}) == len(LOOKS)
