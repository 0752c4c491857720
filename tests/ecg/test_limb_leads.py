import numpy as np
import pytest

from cmr2ecg.ecg.limb_leads import derive, einthoven_error, suspect
from cmr2ecg.ecg.recording import LIMB_LEADS
from cmr2ecg.simulate.ecg import with_derived_leads

RNG = np.random.default_rng(0)
COUNTS = np.cumsum(RNG.normal(0, 9, (8, 2000)), axis=1).round().astype(int)
LIMB = with_derived_leads(COUNTS)[:6].astype(float)
WINDOW, LIMIT = 500, 0.1


def judge(change):
    limb = LIMB.copy()
    change(limb)
    error = einthoven_error(limb, WINDOW, 1.0)
    return error, suspect(limb, WINDOW, 1.0, LIMIT)


def test_rounding_to_counts_is_no_error_and_offsets_are_none():
    assert einthoven_error(LIMB, WINDOW, 1.0) < 0.01
    assert einthoven_error(LIMB + np.arange(6)[:, None] * 100, WINDOW, 1.0) < 0.01
    small = with_derived_leads((COUNTS / 40).round().astype(int))[:6].astype(float)  # a few counts high
    assert einthoven_error(small, WINDOW, 1.0) < 0.05 < einthoven_error(small, WINDOW, 0.0)
    assert einthoven_error(np.zeros((6, 100)), WINDOW, 1.0) == 0


def test_any_two_leads_give_the_others():
    for kept in ([0, 1], [2, 5], [3, 4]):
        missing = [row for row in range(6) if row not in kept]
        limb = LIMB.copy()
        limb[missing] = np.nan
        np.testing.assert_allclose(derive(limb, missing), LIMB, atol=2.5)


def test_absent_leads_are_computed_from_what_is_not_blank():
    limb = LIMB.copy()
    limb[2] = np.nan
    limb[0, 10:20] = limb[[3, 4], 15:25] = np.nan
    limb[[0, 1, 3, 4], 30] = np.nan
    found = derive(limb, [2])
    np.testing.assert_allclose(np.delete(found[2], 30), np.delete(LIMB[2], 30), atol=2.5)
    assert np.isnan(found[2, 30]) and np.isnan(found[0, 10:20]).all()


@pytest.mark.parametrize("row", range(6))
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda lead: 2 * lead, "scaled by 2"),
        (lambda lead: -lead, "inverted"),
        (lambda lead: -lead / 2, "inverted and scaled by 0.5"),
        (lambda lead: np.roll(lead, 700), "is another signal"),
    ],
)
def test_one_wrong_lead_is_named(row, change, told):
    error, words = judge(lambda limb: limb.__setitem__(row, change(limb[row])))
    assert error > LIMIT and words == f"{LIMB_LEADS[row]} {told}"


@pytest.mark.parametrize(("first", "second"), [(0, 1), (1, 2), (3, 4), (4, 5), (0, 5)])
def test_two_swapped_leads_are_named(first, second):
    error, words = judge(lambda limb: limb.__setitem__([first, second], limb[[second, first]]))
    assert error > LIMIT and words == f"{LIMB_LEADS[first]} and {LIMB_LEADS[second]} swapped"


def test_a_short_fault_is_seen_and_more_than_one_change_is_not_explained():
    assert judge(lambda limb: limb[5, 1000:1150].__imul__(-1))[0] > LIMIT
    error, words = judge(lambda limb: limb[[0, 4]].__imul__(1) is None or limb.__setitem__([0, 4], -3 * limb[[0, 4]]))
    assert error > LIMIT and words == ""


@pytest.mark.parametrize(
    "electrodes",
    [
        lambda limb: limb.__imul__(3),  # a wrong unit
        lambda limb: limb.__setitem__(slice(None), np.vstack([-limb[0], limb[[2, 1, 4, 3, 5]]])),  # both arms
    ],
)
def test_what_changes_all_leads_alike_cannot_be_seen(electrodes):
    error, words = judge(electrodes)
    assert error < LIMIT and words in ("", "I inverted")
