"""The figure of what MMCL depends on: which ablations stand in it, and where."""

import json

import numpy as np
import pandas as pd
import pytest

from cmr2ecg.report.figures.ablations import ROWS, draw
from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.ablations import references, varied

BASE = {"mask_ratio": 0.8, "temperature": 0.1, "image_weight": 0.75}
ABLATIONS = {
    "few": {"pairs": 500},
    "fewer": {"pairs": 50, "finetune": True},
    "warm": {"mmcl": {"temperature": 0.5}},
    "strangers": {"shuffle_images": "once"},
    "both": {"mmcl": {"temperature": 0.2, "image_weight": 0.5}},
    "few_strangers": {"pairs": 500, "shuffle_images": "once"},
    "longer": {"mmcl": {"epochs": 5}},
    "own_mae": {"mae": {"mask_ratio": 0.5}},
}


def test_only_what_is_changed_alone_is_varied():
    assert varied(ABLATIONS, {**BASE, "pairs": 2000}) == {
        ("pairs",): {"mmcl_fewer": 50, "mmcl_few": 500, "mmcl": 2000},
        ("mae", "mask_ratio"): {"mmcl_own_mae": 0.5, "mmcl": 0.8},
        ("mmcl", "temperature"): {"mmcl": 0.1, "mmcl_warm": 0.5},
    }
    assert varied({"strangers": {"shuffle_images": "once"}}, BASE) == {}


def test_short_runs_are_compared_with_a_short_mmcl():
    short = {
        "short": {"mmcl": {"epochs": 20}},
        "warm": {"mmcl": {"epochs": 20, "temperature": 0.5}},
        "own_mae": {"mae": {"mask_ratio": 0.5}, "mmcl": {"epochs": 20}},
        "shorter_warm": {"mmcl": {"epochs": 10, "temperature": 0.5}},  # nothing to compare it with
    }
    assert references(short) == {20: "mmcl_short", None: "mmcl"}
    assert varied(short, BASE) == {
        ("mae", "mask_ratio"): {"mmcl_own_mae": 0.5, "mmcl_short": 0.8},
        ("mmcl", "temperature"): {"mmcl_short": 0.1, "mmcl_warm": 0.5},
    }


@pytest.fixture
def inputs(tmp_path):
    rows = [
        {"fit": fit, "encoder": encoder, "target": target, "fraction": fraction, "mean": 0.6 + place / 100 + add}
        for place, encoder in enumerate(["mmcl", *(f"mmcl_{name}" for name in ABLATIONS)])
        for fit, fraction, add in (("probe", 100, 0), ("probe", 10, -0.3), ("finetune", 100, 0.3))
        for target in ("cad", "af", "dm", "lv", "rv", "wt", "ecc", "err")
    ]
    table = pd.DataFrame(rows).assign(low=lambda t: t["mean"] - 0.02, high=lambda t: t["mean"] + 0.02)
    table.to_csv(tmp_path / "intervals.csv", index=False)
    (tmp_path / "result.json").write_text(json.dumps({"n_train": 2000}))
    return {"intervals": [tmp_path / "intervals.csv"], "result": [tmp_path / "result.json"]}


def test_probes_of_all_training_subjects_are_drawn_at_their_setting(inputs):
    figure = draw({"ablations": ABLATIONS, "base": BASE}, inputs)
    grid = np.array(figure.axes).reshape(len(ROWS), 3)
    assert [axes.get_xlabel() for axes in grid[-1]] == ["Training pairs", "Mask ratio of the MDM", "Temperature τ"]
    curve, own = grid[1, 0].get_lines()[:2]
    np.testing.assert_array_equal(curve.get_xdata(), [50, 500, 2000])
    np.testing.assert_allclose(curve.get_ydata(), [62, 61, 60])
    assert curve.get_label() == "CAD" and list(own.get_xdata()) == [2000]
    assert len(grid[0, 0].get_lines()) == 2 * 5
    np.testing.assert_allclose(grid[0, 2].get_lines()[0].get_ydata(), [0.60, 0.63])
    assert all(axes.get_ylabel() for axes in grid[:, 0])


def test_nothing_to_draw_is_one_line(inputs):
    with pytest.raises(InputError, match="none varies pairs"):
        draw({"ablations": {"strangers": {"shuffle_images": "once"}}, "base": BASE}, inputs)
