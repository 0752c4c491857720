"""docs/update_yardstick.py: reading, counting and choosing on small made-up inputs."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from cohort.raw_files import CLEAN, cine, counts

sys.path += [str(Path(__file__).parents[1] / folder) for folder in ("docs", "docs/real_ecgs")]
import hearts
import pages
import quality
import update_yardstick
from quality import Limits, Measured

from cmr2ecg.ecg.recording import LEADS, Ecg

SOUND = counts(0)  # limb leads obey the equations


def write(path: Path, signal: np.ndarray) -> None:
    """Write counts (12, n) in the order of LEADS as the challenge does."""
    rows = [signal[LEADS.index(lead)] for lead in quality.COLUMNS]
    path.write_text("\n".join(",".join(map(str, line)) for line in np.vstack([np.arange(signal.shape[1]), rows]).T))


def spiked(height: int) -> np.ndarray:
    signal = SOUND.copy()
    signal[8, 100] = height
    return signal


def flat(*leads: str) -> np.ndarray:
    signal = SOUND.copy()
    signal[[LEADS.index(lead) for lead in leads]] = 0
    return signal


def measured(signal: np.ndarray) -> Measured:
    return quality.measure(Ecg(signal * 0.005, 500.0, 5.0))


def test_columns_are_put_in_the_order_of_leads_and_in_millivolts(tmp_path):
    write(tmp_path / "1.txt", SOUND)
    ecg = quality.read_cinc(tmp_path / "1.txt")
    np.testing.assert_allclose(ecg.signal, SOUND * 0.005)
    assert quality.reason_of_prepare(ecg) == "" and (ecg.sampling_rate_hz, ecg.resolution_uv) == (500, 5)
    write(tmp_path / "2.txt", SOUND[:, :4999])
    (tmp_path / "3.txt").write_text((tmp_path / "1.txt").read_text().replace(",", ".5,", 1))
    for name in ("2.txt", "3.txt"):
        with pytest.raises(ValueError, match="whole numbers"):
            quality.read_cinc(tmp_path / name)


def test_labels_are_those_of_the_lists(tmp_path):
    (tmp_path / "RECORDS-acceptable").write_text("a\nb\n")
    (tmp_path / "RECORDS-unacceptable").write_text("c")
    assert quality.labels(tmp_path) == {"a": False, "b": False, "c": True}
    (tmp_path / "RECORDS-unacceptable").write_text("c\na\n")
    with pytest.raises(ValueError, match="both"):
        quality.labels(tmp_path)


def test_counts_and_their_shares():
    found = quality.count(
        [True, True, False, True, False, False, False], [True, True, True, False, False, False, False]
    )
    assert found == quality.Counts(caught=2, missed=1, lost=1, kept=3)
    assert (found.sensitivity[0], found.specificity[0], found.accuracy[0]) == (2 / 3, 3 / 4, 5 / 7)
    assert found.balanced == pytest.approx((2 / 3 + 3 / 4) / 2)
    for share, low, high in (found.sensitivity, found.specificity, found.accuracy):
        assert 0 <= low < share < high <= 1


def test_halves_have_half_of_both_kinds_and_repeat():
    truth = np.arange(30) % 3 == 0
    first = quality.halves(truth, 1)
    assert (first[truth].sum(), first[~truth].sum()) == (5, 10)
    assert (first == quality.halves(truth, 1)).all() and (first != quality.halves(truth, 2)).any()


@pytest.mark.parametrize(
    ("signal", "reason"),
    [
        (SOUND, ""),
        (flat("I"), "flat lead"),
        (flat("V1", "V2", "V3"), ""),
        (spiked(4500), "implausible amplitude"),
        (SOUND[:, :4000], "record too short"),
    ],
    ids=["sound", "limb", "chest", "spike", "short"],
)
def test_limits_are_applied_as_the_pipeline_does(signal, reason):
    assert measured(signal).reason(Limits()) == reason
    assert quality.reason_of_prepare(Ecg(signal * 0.005, 500.0, 5.0)) == reason
    assert Limits().quality == CLEAN.quality


def test_changed_limits_and_the_rule_that_was_tried():
    assert measured(flat("V1")).reason(Limits({"max_flat_chest_leads": 0})) == "flat lead"
    assert measured(spiked(4500)).reason(Limits({"max_mv": 50.0})) == ""
    jump = SOUND.copy()
    jump[9, 1000:1100] = 2400 + np.arange(100)  # 12 mV for 2 % of the time
    assert [measured(jump).reason(Limits({}, share)) for share in (1, 0.02, 0.01)] == ["", "", "off the scale"]
    assert measured(jump).reason(Limits({"max_mv": 5.0}, 0.01)) == "implausible amplitude"
    gap = np.full((1, 1000), np.nan)
    gap[0, :10] = (9, *[0] * 9)
    assert quality.off_scale_share(np.vstack([gap, gap * np.nan]), 5.0).tolist() == [0.1, 0]


def test_the_best_candidate_is_chosen_and_of_equals_the_first():
    sound, one_flat = measured(SOUND), measured(flat("V1"))
    assert quality.tune([sound, sound], [False, True], off_scale=True) == next(quality.candidates(False))
    best = quality.tune([sound, one_flat], [False, True], off_scale=False)
    assert best.changes["max_flat_chest_leads"] == 0 and best.changes["max_mv"] == 20 and best.max_off_scale == 1
    tried = list(quality.candidates(True))
    assert len(tried) == 48 * 21 and len(set(map(repr, tried))) == len(tried)
    assert tried[0].quality == CLEAN.quality


def test_signs_of_a_record():
    assert quality.signs(measured(SOUND)) == [quality.NO_SIGN]
    assert quality.signs(measured(flat("V1"))) == ["a flat chest lead"]
    assert quality.signs(measured(SOUND[:, :100])) == []
    opposed = SOUND.copy()
    opposed[11] = -SOUND[0]
    assert quality.signs(measured(opposed)) == ["I opposes V6"]


def test_a_margin_is_that_of_the_outermost_pixel():
    mask = np.zeros((20, 20), bool)
    mask[5:8, 6:12] = True
    assert hearts.margin((3, 2, 10, 14), mask) == 2
    assert hearts.margin((6, 2, 10, 14), mask) == -1
    assert hearts.margin((0, 0, 1, 1), np.zeros((3, 3), bool)) == np.inf


def write_heart(folder: Path) -> None:
    """A subject whose left ventricle is at row 44, column 52; the frames' longer side is 384 mm."""
    frames = cine(20, es=10).astype(np.float32) / 4095
    rows, columns = np.mgrid[:96, :96]
    radius = np.hypot(rows - 44, columns - 52) * 4.0
    label = np.where(radius < 26, 3, np.where(radius < 36, 2, 0))
    label[(label == 0) & (np.hypot(rows - 44, (columns - 43.5) / 1.1) * 4 < 34)] = 1
    for name, frame in (("frame01", 0), ("frame02", 10)):
        with h5py.File(folder / f"patient001_{name}.h5", "w") as file:
            file["image"], file["label"] = np.stack([0 * frames[0], frames[frame]]), np.stack([0 * label, label])


def test_a_heart_is_found_where_its_label_is(tmp_path):
    write_heart(tmp_path)
    found = hearts.measure_all(tmp_path, 384.0)
    row = found.iloc[0]
    assert len(found) == 1 and row[["found", "in_pool", "left_5", "right_5", "systole"]].all()
    assert row["centre"] < 0.05


def test_a_still_picture_is_not_found_and_passes_nothing():
    still, label = np.full((2, 96, 96), 0.5, np.float32), np.full((2, 96, 96), 3, np.uint8)
    found = hearts.measure(still, label, 380.0)
    assert found.pop("centre") == np.inf and not any(found.values())


def test_the_page_is_written_from_a_folder(tmp_path, monkeypatch):
    folder = tmp_path / "cinc2011/set-a"
    folder.mkdir(parents=True)
    signals = {"a": SOUND, "b": counts(1), "c": spiked(4500), "d": flat("I"), "e": flat("V1"), "f": flat("V1", "V2")}
    for name, signal in signals.items():
        write(folder / f"{name}.txt", signal)
    (folder / "RECORDS-acceptable").write_text("a\nb\nc")
    (folder / "RECORDS-unacceptable").write_text("d\ne\nf")
    (tmp_path / "acdc").mkdir()
    write_heart(tmp_path / "acdc")
    page = tmp_path / "quality_yardstick.md"
    page.write_text(update_yardstick.PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    values = update_yardstick.values(
        update_yardstick.rate(folder), {"some ECGs": [measured(SOUND), measured(flat("V1"))]}, tmp_path / "acdc"
    )
    pages.rewrite(page, values)
    text = page.read_text(encoding="utf-8")
    assert "| unacceptable | 1 | 2 | sensitivity 33.3 [6.1, 79.2] % |" in text
    assert "| acceptable | 1 | 2 | specificity 66.7 [20.8, 93.9] % |" in text
    assert "| flat lead | 1 | 0 |" in text and "| implausible amplitude | 0 | 1 |" in text
    assert "| sign | unacceptable, 2 kept | acceptable, 2 kept |" in text and "| a flat chest lead | 2 | 0 |" in text
    assert "2 ECGs (seed 2011) were for choosing, the 4 others are reported" in text
    assert "of 2 recordings of some ECGs." in text and "| heart found | 1 | 1 | 1 |" in text
    (flat_row,) = (line for line in text.splitlines() if line.startswith("| `max_flat_chest_leads: 0` |"))
    assert flat_row.endswith("| 50.0 |")
