"""A 12-lead ECG as it was read, whatever its file format."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from cmr2ecg.raw.rejection import Rejection

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
LIMB_LEADS = LEADS[:6]
LEAD_KEYS = frozenset(lead.lower() for lead in LEADS)  # see `lead_key`
MAX_SAMPLES = 200_000  # per lead
RATES_HZ = (50.0, 10_000.0)  # rates outside are damaged numbers
RESOLUTIONS_UV = (1e-6, 1e6)  # of one count; devices have 0.1 to 10
MV_OF_UNIT = {"v": 1e3, "mv": 1.0, "uv": 1e-3, "µv": 1e-3, "μv": 1e-3, "nv": 1e-6}
# as in "ECG Lead I" and "lead-I", but the sign of "-aVR", which is aVR inverted, belongs to the name
PREFIX = re.compile(r"^(ecg(\s+|[_-])?)?(lead(\s+|[_-])?)?", re.IGNORECASE)


@dataclass(frozen=True)
class Ecg:
    """One record.

    signal: (12, n) float64 in mV, leads in the order of LEADS, NaN where a cell was blank and in `missing` leads.
    sampling_rate_hz: samples per second.
    resolution_uv: microvolts of one ADC count, of the coarsest lead.
    missing: limb leads that are absent or entirely blank.
    poor_quality: the device reported poor data quality.
    """

    signal: np.ndarray
    sampling_rate_hz: float
    resolution_uv: float
    missing: tuple[str, ...] = ()
    poor_quality: bool = False


def lead_key(name: str) -> str:
    """Return a lead's name for comparison: lower case, without "ECG" or "Lead" in front."""
    return PREFIX.sub("", name.strip()).lower()


def mv_per_unit(unit: str) -> float:
    """Return how many mV a unit is, in any case; a Rejection if it is missing or unknown."""
    found = MV_OF_UNIT.get(unit.strip().lower())
    if found is None:
        raise Rejection("unknown amplitude unit", "" if unit.strip() else "none is stated")
    return found


def add_lead(leads: dict[str, np.ndarray], name: str, mv: np.ndarray) -> None:
    """Add one lead (n,) in mV by its `lead_key`; a Rejection if it is there already or too long."""
    if name in leads:
        raise Rejection("duplicate lead", name)
    if mv.size > MAX_SAMPLES:
        raise Rejection("file too large", f"{mv.size} samples per lead")
    leads[name] = mv


def ecg_of(leads: Mapping[str, np.ndarray], rate_hz: float, resolutions_mv: Iterable[float]) -> Ecg:
    """Return an ECG of leads (n,) in mV by `lead_key`.

    Args:
        resolutions_mv: of one count of each lead.

    Raises:
        Rejection: see `stack_leads`, `check_rate` and `check_resolution`; no lead has a known name.
    """
    if not leads:
        raise Rejection("missing lead", "no lead has a known name")
    check_rate(rate_hz)
    resolution_uv = 1000 * max(map(abs, resolutions_mv))
    check_resolution(resolution_uv)
    signal, missing = stack_leads(leads)
    return Ecg(signal, rate_hz, resolution_uv, missing)


def stack_leads(leads: Mapping[str, np.ndarray]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return the leads (12, n) in the order of LEADS and the names of absent limb leads, which are NaN.

    A lead that is empty or entirely blank counts as absent.

    Args:
        leads: samples (n,) by `lead_key`; other leads are ignored.

    Raises:
        Rejection: a chest lead is missing, fewer than two limb leads are present, or lengths differ.
    """
    leads = {name: lead for name, lead in leads.items() if not np.isnan(lead).all()}
    missing = [lead for lead in LEADS if lead.lower() not in leads]
    if not set(missing) <= set(LIMB_LEADS) or len(missing) > len(LIMB_LEADS) - 2:
        raise Rejection("missing lead", " ".join(missing))
    sizes = {leads[lead.lower()].size for lead in LEADS if lead not in missing}
    if len(sizes) > 1:
        raise Rejection("leads of unequal length", " ".join(map(str, sorted(sizes))))
    absent = np.full(sizes.pop(), np.nan)
    return np.stack([leads.get(lead.lower(), absent) for lead in LEADS]), tuple(missing)


def check_rate(rate_hz: float) -> None:
    """Raise Rejection unless samples per second are within RATES_HZ."""
    if not RATES_HZ[0] <= rate_hz <= RATES_HZ[1]:
        raise Rejection("unknown sampling rate", f"{rate_hz:g} Hz")


def check_resolution(resolution_uv: float) -> None:
    """Raise Rejection unless microvolts per count are within RESOLUTIONS_UV."""
    if not RESOLUTIONS_UV[0] <= resolution_uv <= RESOLUTIONS_UV[1]:
        raise Rejection("unknown amplitude unit", f"{resolution_uv:g} uV per count")
