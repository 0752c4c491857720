"""Figure 5 shows every model and size, in colours and markers that differ, and the same bytes each time."""

import io

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.report.figures.figure_5 import draw
from cmr2ecg.report.figures.style import MODELS
from cmr2ecg.runtime.command import InputError


@pytest.fixture
def intervals(tmp_path):
    rows = [
        (
            encoder,
            target,
            fraction,
            "test",
            "auroc",
            mean,
            0.01,
            mean - 0.05,
            mean + 0.05,
            5,
            400,
            20,
            4 * fraction,
        )
        for target in ("cad", "af", "dm")
        for mean, encoder in ((0.6, "supervised"), (0.8, "mmcl"))
        for fraction in (1, 10, 100)
    ]
    names = ["encoder", "target", "fraction", "split", "metric", "mean", "std", "low", "high"]
    names += ["n_seeds", "n", "n_positive", "n_train"]
    path = tmp_path / "intervals.csv"
    pd.DataFrame(rows, columns=names).to_csv(path, index=False)
    return path


def lines(axes, encoder):
    return [line for line in axes.get_lines() if line.get_label() == encoder]


def test_lines_are_the_means_over_the_real_sizes(intervals):
    figure = draw({}, {"intervals": [intervals]})
    assert [axes.get_title() for axes in figure.axes] == [
        "Coronary artery disease (CAD)",
        "Atrial fibrillation (AF)",
        "Diabetes mellitus (DM)",
    ]
    for axes in figure.axes:
        (ours,) = lines(axes, "MMCL (ours)")
        np.testing.assert_allclose(ours.get_xdata(), [4, 40, 400], rtol=0.05)  # drawn a little apart
        np.testing.assert_allclose(ours.get_ydata(), 80)
        labels = [tick.get_text() for tick in axes.get_xticklabels()]
        assert labels == ["4\n1 %", "40\n10 %", "400\n100 %"]
        assert axes.get_xscale() == "log"
        low, high = axes.get_ylim()
        assert low < 50 and high > 85
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["MMCL (ours)", "Supervised ViT"]


def test_a_ring_is_a_model_that_was_not_trained(intervals, tmp_path):
    rows = [("finetune", "supervised", "cad", 10), ("probe", "mmcl", "cad", 1), ("finetune", "mae", "cad", 1)]
    table = pd.DataFrame(rows, columns=["fit", "encoder", "target", "fraction"]).assign(reason="36 steps")
    table.to_csv(tmp_path / "untrained.csv", index=False)
    cad, *others = draw({}, {"intervals": [intervals], "untrained": [tmp_path / "untrained.csv"]}).axes
    (ring,) = (line for line in cad.get_lines() if line.get_markerfacecolor() == "white")
    np.testing.assert_allclose(ring.get_xdata(), [40], rtol=0.05)
    np.testing.assert_allclose(ring.get_ydata(), [60])
    assert "ring: not trained" in [text.get_text() for text in cad.texts]
    for axes in others:
        assert "ring: not trained" not in [text.get_text() for text in axes.texts]
        assert all(line.get_markerfacecolor() != "white" for line in axes.get_lines())


def test_models_differ_in_marker_or_line_so_that_grey_is_enough():
    assert len({(marker, str(line)) for _, marker, line in MODELS.values()}) >= len(MODELS) - 2  # CMR stars share
    ecg = [look for name, look in MODELS.items() if not name.startswith("cmr_")]
    assert len({marker for _, marker, _ in ecg}) == len({colour for colour, _, _ in ecg}) == len(ecg)


@pytest.mark.parametrize("kind", ["png", "pdf"])
def test_same_bytes_again(intervals, kind):
    def picture():
        buffer = io.BytesIO()
        metadata = {"Software": None} if kind == "png" else {"CreationDate": None, "Producer": None}
        draw({}, {"intervals": [intervals]}).savefig(buffer, format=kind, dpi=50, metadata=metadata)
        return buffer.getvalue()

    assert picture() == picture()


def test_sizes_that_coincide_share_a_tick_and_undefined_models_are_left_out(intervals):
    table = pd.read_csv(intervals)
    table.loc[table["fraction"] == 1, "n_train"] = 40
    table.loc[table["target"] == "dm", "mean"] = np.nan
    table.to_csv(intervals, index=False)
    figure = draw({}, {"intervals": [intervals]})
    assert len(figure.axes) == 2
    assert [tick.get_text() for tick in figure.axes[0].get_xticklabels()] == ["40\n1, 10 %", "400\n100 %"]


def own(intervals, *names):
    """Add diseases of one's own, in front of the paper's."""
    table = pd.read_csv(intervals)
    cad = table[table["target"] == "cad"]
    pd.concat([*(cad.assign(target=name) for name in names), table]).to_csv(intervals, index=False)


def test_a_disease_of_ones_own_is_a_panel_after_the_papers(intervals):
    own(intervals, "hf")
    figure = draw({}, {"intervals": [intervals]})
    assert [axes.get_title()[-4:] for axes in figure.axes] == ["CAD)", "(AF)", "(DM)", "HF"]
    np.testing.assert_allclose(lines(figure.axes[3], "MMCL (ours)")[0].get_ydata(), 80)
    assert [axes.get_ylabel() != "" for axes in figure.axes] == [True, False, False, False]


def test_more_than_four_diseases_go_to_further_rows(intervals):
    own(intervals, "hf", "copd")
    figure = draw({}, {"intervals": [intervals]})
    assert [axes.get_title() for axes in figure.axes[3:]] == ["COPD", "HF"]
    assert [axes.get_ylabel() != "" for axes in figure.axes] == [True, False, False, True, False]
    assert [bool(axes.texts) for axes in figure.axes] == [False, False, True, False, False]  # "chance"


def test_groups_of_phenotypes_are_no_panels(intervals):
    table = pd.read_csv(intervals)
    pd.concat([table, table.assign(target="lv", metric="r")]).to_csv(intervals, index=False)
    assert len(draw({}, {"intervals": [intervals]}).axes) == 3


@pytest.mark.parametrize(("column", "message"), [("mean", "no AUROC"), ("n_train", "--results")])
def test_nothing_to_draw_is_said(intervals, column, message):
    pd.read_csv(intervals).assign(**{column: np.nan}).to_csv(intervals, index=False)
    with pytest.raises(InputError, match=message):
        draw({}, {"intervals": [intervals]})


def test_linear_probes_are_left_out(intervals):
    table = pd.read_csv(intervals).assign(fit="finetune")
    probes = table.assign(fit="probe", mean=0.99)
    pd.concat([table, probes]).to_csv(intervals, index=False)
    for axes in draw({}, {"intervals": [intervals]}).axes:
        (ours,) = lines(axes, "MMCL (ours)")
        np.testing.assert_allclose(ours.get_ydata(), 80)


def test_thirteen_models_stay_apart(intervals):
    one = pd.read_csv(intervals).query("encoder == 'mmcl'")
    pd.concat([one.assign(encoder=name) for name in MODELS]).to_csv(intervals, index=False)
    figure = draw({}, {"intervals": [intervals]})
    assert len(figure.legends[0].get_texts()) == len(MODELS) == 13
    drawn = [line.get_xdata() for line in figure.axes[0].get_lines() if len(line.get_xdata()) == 3]
    assert len(drawn) == 13  # no edges beside the means
    assert len({x[1] for x in drawn}) == 13
    assert all(32 < x[1] < 50 for x in drawn)
