"""The four figures of the data's quality say what the files say, name nobody, and stop where files disagree."""

import io
import re

import h5py
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from cmr2ecg.cmr.short_axis import Cine
from cmr2ecg.cohort.flow import KEPT, Flow, write_flow
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.report.figures import cmr_sheet, distributions, ecg_sheet, exclusion_flow
from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.phenotypes import phenotype_fields

N = 40
EIDS = 9000101 + np.arange(N)


def words(figure: Figure) -> str:
    """Return all text of a figure; drawing it first fills in the tick labels."""
    figure.savefig(io.BytesIO(), format="svg")
    parts = [text for axes in figure.axes for text in axes.texts]
    parts += [axes.title for axes in figure.axes]
    parts += [text for legend in figure.legends for text in legend.get_texts()]
    labels = [axes.get_xlabel() + "\n" + axes.get_ylabel() for axes in figure.axes]
    return "\n".join([*(part.get_text() for part in parts), *labels])


@pytest.fixture
def cohort(tmp_path):
    """Files of 40 subjects as the data steps write them; the images' pixels are ramps, the boxes known."""
    rng = np.random.default_rng(0)
    names = np.repeat(["train", "val", "test"], [24, 8, 8])
    pd.DataFrame({"eid": EIDS, "split": names}).to_csv(tmp_path / "split.csv", index=False)
    with h5py.File(tmp_path / "dataset.h5", "w") as file:
        file["eid"] = EIDS
        file["ecg"] = rng.standard_normal((N, 12, 500)).astype(np.float32)
        file["cmr"] = rng.random((N, 3, 20, 20)).astype(np.float16)
    for shard in (0, 1):
        chosen = EIDS[shard == EIDS % 2]
        with h5py.File(tmp_path / f"{shard}.h5", "w") as file:
            file["eid"] = chosen
            file["box"] = np.tile(np.float32([4, 6, 10, 12]), (len(chosen), 1))
            file["frames"] = np.tile(np.int16([5, 2, 3]), (len(chosen), 1))
    pd.DataFrame({"eid": EIDS, "cmr_path": [f"{eid}.zip" for eid in EIDS]}).to_parquet(tmp_path / "visits.parquet")
    covariates = {"age": rng.normal(64, 8, N), "sex": np.arange(N) % 2}
    covariates |= {"weight": rng.normal(76, 9, N), "height": rng.normal(169, 9, N)}
    pd.DataFrame({"eid": EIDS, **covariates}).to_parquet(tmp_path / "covariates.parquet")
    labels = {name: (np.arange(N) % step == 0).astype(int) for name, step in (("af", 4), ("cad", 2), ("dm", 8))}
    pd.DataFrame({"eid": EIDS, **labels}).to_parquet(tmp_path / "labels.parquet")
    phenotypes = {name: rng.normal(100, 10, N) for name in phenotype_fields()}
    phenotypes["LVEDV"][::2] = np.nan
    pd.DataFrame({"eid": EIDS, **phenotypes}).to_parquet(tmp_path / "phenotypes.parquet")
    flow = Flow(52)
    for step, reason, count in (
        ("index_cohort", "with an ECG or a CMR file", 0),
        ("index_cohort", "no ECG file", 3),
        ("index_cohort", "withdrawn", 2),
        ("assemble_dataset", "ECG: flat lead", 4),
        ("assemble_dataset", "CMR: not a zip", 1),
        ("assemble_dataset", "CMR: too few slices", 2),
        ("assemble_dataset", "no row in the tables", 0),
    ):
        flow.exclude(step, reason, count)
    write_flow(tmp_path / "flow.csv", flow)
    return tmp_path


def inputs_of(cohort, *names):
    endings = {"split": "csv", "flow": "csv", "dataset": "h5"}
    return {name: [cohort / f"{name}.{endings.get(name, 'parquet')}"] for name in names}


def test_flow_counts_every_stage_and_reason(cohort):
    text = words(exclusion_flow.draw({}, inputs_of(cohort, "flow", "split")))
    for line in (
        "Subjects with an ECG or a CMR file\nn = 52",
        "Excluded (n = 5)\n   no ECG file (n = 3)\n   withdrawn (n = 2)",
        "ECG and CMR at one imaging visit\nn = 47",
        "ECG passed quality control\nn = 43",
        "Excluded (n = 3)\n   not a zip (n = 1)\n   too few slices (n = 2)",
        "the data set\nn = 40",
        "Training\nn = 24 (60.0%)",
        "Test\nn = 8 (20.0%)",
    ):
        assert line in text
    assert "no row in the tables" not in text  # it cost nobody


def test_flow_says_whose_ecg_is_kept(cohort):
    flow = Flow(52)
    for step, reason, count in (
        ("index_cohort", "with an ECG or a CMR file", 0),
        ("index_cohort", "no visit asked for", 2),
        ("assemble_dataset", "ECG: flat lead", 1),
        ("assemble_dataset", f"CMR: no file of the ECG's visit{KEPT}", 7),
        ("assemble_dataset", f"CMR: not a zip{KEPT}", 1),
        ("assemble_dataset", "no row in the tables", 1),
    ):
        flow.exclude(step, reason, count)
    write_flow(cohort / "kept.csv", flow)
    text = words(exclusion_flow.draw({}, {"flow": [cohort / "kept.csv"], "split": [cohort / "split.csv"]}))
    for line in (
        "ECG at an imaging visit\nn = 50",
        "Excluded (n = 1)\n   flat lead (n = 1)",
        "No image, ECG kept for masked modelling (n = 8)\n   no file of the ECG's visit (n = 7)\n   not a zip (n = 1)",
        "Excluded (n = 1)\n   no row in the tables (n = 1)",
    ):
        assert line in text
    assert "ECG and CMR at one imaging visit" not in text


def test_flow_of_ecgs_alone_says_who_is_set_aside_for_pre_trainings_and_nothing_of_images(cohort):
    flow = Flow(52)
    for step, reason, count in (
        ("index_cohort", "with an ECG file", 0),
        ("index_cohort", "no visit asked for", 0),
        ("index_cohort", "for pre-trainings alone", 10),
        ("assemble_dataset", "ECG: flat lead", 1),
        ("assemble_dataset", "no row in the tables", 1),
    ):
        flow.exclude(step, reason, count)
    write_flow(cohort / "alone.csv", flow)
    text = words(exclusion_flow.draw({}, {"flow": [cohort / "alone.csv"], "split": [cohort / "split.csv"]}))
    for line in (
        "ECGs of the cohort\nn = 42",
        "Set aside (n = 10)\n   for pre-trainings alone (n = 10)",
        "Excluded (n = 1)\n   flat lead (n = 1)",
        "In the tables: the data set\nn = 40",
    ):
        assert line in text
    assert "visit" not in text and "Paired" not in text


def test_a_split_of_another_cohort_stops_the_flow(cohort):
    pd.read_csv(cohort / "split.csv").iloc[1:].to_csv(cohort / "split.csv", index=False)
    with pytest.raises(InputError, match=r"holds 39 subjects, .* ends with 40"):
        exclusion_flow.draw({}, inputs_of(cohort, "flow", "split"))


def test_ecg_sheet_draws_training_subjects_over_seconds(cohort):
    settings = {"sheet_subjects": 5, "seed": 1, "sampling_rate_hz": 50}
    figure = ecg_sheet.draw(settings, inputs_of(cohort, "dataset", "split"))
    panels = [axes for axes in figure.axes if axes.axison]
    assert len(panels) == 5
    with h5py.File(cohort / "dataset.h5") as file:
        train = file["ecg"][:24]
    for axes in panels:
        lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 500]
        assert len(lines) == 12
        np.testing.assert_allclose(lines[0].get_xdata()[[0, -1]], [0, 9.98])
        shown = np.stack([line.get_ydata() for line in lines])
        shown -= -ecg_sheet.STEP_SD * np.arange(12)[:, None]
        assert np.isclose(train, shown, atol=1e-5).all(axis=(1, 2)).sum() == 1
    again = ecg_sheet.draw({**settings, "seed": 2}, inputs_of(cohort, "dataset", "split"))
    assert not np.allclose(again.axes[0].get_lines()[1].get_ydata(), panels[0].get_lines()[1].get_ydata())


def whole_frame(path, **limits):
    assert limits == {"minimum_slices": 8}
    if int(path.removesuffix(".zip")) % 3 == 0:
        raise Rejection("not a zip")
    return Cine(np.tile(np.arange(30, dtype=np.uint16), (8, 40, 1)), (2.0, 1.5), 4, 9, 0)


def test_cmr_sheet_puts_the_box_in_mm_on_the_whole_frame(cohort, monkeypatch):
    monkeypatch.setattr(cmr_sheet, "read_middle_slice", whole_frame)
    settings = {"sheet_subjects": 9, "seed": 0, "channels": ["es", "ed", "mid"], "read": {"minimum_slices": 8}}
    inputs = inputs_of(cohort, "dataset", "split", "visits") | {"cmr": [cohort / "0.h5", cohort / "1.h5"]}
    figure = cmr_sheet.draw(settings, inputs)
    boxes = [patch for axes in figure.axes for patch in axes.patches]
    unreadable = words(figure).count("not readable")
    assert len(boxes) + unreadable == 9
    assert unreadable
    for box in boxes:
        assert box.get_bbox().bounds == pytest.approx((6 * 1.5, 4 * 2.0, 12 * 1.5, 10 * 2.0))
        assert box.axes.images[0].get_extent() == [0, 45, 80, 0]
    assert [axes.get_title() for axes in figure.axes[:4]] == [
        "whole frame, end-diastole",
        "end-systole",
        "end-diastole",
        "mid-phase",
    ]
    with pytest.raises(InputError, match="of 9 subjects of the split have no box"):
        cmr_sheet.draw(settings, inputs | {"cmr": [cohort / "0.h5"]})


def test_distributions_hold_every_column_with_its_unit(cohort):
    figure = distributions.draw({}, inputs_of(cohort, "split", "covariates", "labels", "phenotypes"))
    text = words(figure)
    for label in ("Age [years]", "Weight [kg]", "Height [cm]", "LVEDV [mL]", "RVEF [%]", "Wall thickness [mm]"):
        assert label in text
    assert "training (n = 24)" in text
    segments = [len(axes.get_xticks()) for axes in figure.axes[-3:]]
    assert segments == [17, 17, 17]
    assert "missing in 50%" in "\n".join(axes.get_title("right") for axes in figure.axes)
    lvedv = next(axes for axes in figure.axes if axes.get_xlabel().startswith("LVEDV"))
    assert [patch.get_data().values.sum() for patch in lvedv.patches] == pytest.approx([100, 100, 100])


def test_a_phenotype_nobody_has_is_said(cohort):
    table = pd.read_parquet(cohort / "phenotypes.parquet").assign(LVM=np.nan)
    table.to_parquet(cohort / "phenotypes.parquet")
    figure = distributions.draw({}, inputs_of(cohort, "split", "covariates", "labels", "phenotypes"))
    assert "nobody has it" in words(figure)


def test_no_participant_is_named(cohort, monkeypatch):
    monkeypatch.setattr(cmr_sheet, "read_middle_slice", whole_frame)
    settings = {"sheet_subjects": 4, "seed": 0, "sampling_rate_hz": 50, "channels": ["es", "ed", "mid"]}
    settings["read"] = {"minimum_slices": 8}
    drawn = [
        exclusion_flow.draw(settings, inputs_of(cohort, "flow", "split")),
        ecg_sheet.draw(settings, inputs_of(cohort, "dataset", "split")),
        cmr_sheet.draw(
            settings, inputs_of(cohort, "dataset", "split", "visits") | {"cmr": [cohort / "0.h5", cohort / "1.h5"]}
        ),
        distributions.draw(settings, inputs_of(cohort, "split", "covariates", "labels", "phenotypes")),
    ]
    for figure in drawn:
        assert not re.search(r"9000\d{3}", words(figure))
