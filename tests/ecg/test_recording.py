import numpy as np
import pytest

from cmr2ecg.ecg.recording import LEADS, lead_key, stack_leads
from cmr2ecg.raw.rejection import Rejection


@pytest.mark.parametrize("name", ["aVR", " AVR ", "ECG Lead aVR", "lead-aVR", "Lead  avr", "ECG_aVR", "ecg lead_aVR"])
def test_a_lead_is_known_in_front_of_its_name_and_in_any_case(name):
    assert lead_key(name) == "avr"


@pytest.mark.parametrize("name", ["-aVR", "Lead -aVR", "ECG Lead -aVR", "\N{MINUS SIGN}aVR", "aVR-", "_I"])
def test_a_sign_belongs_to_the_name(name):
    assert lead_key(name) not in {lead.lower() for lead in LEADS}


def test_leads_without_a_sample_are_absent():
    leads = {lead.lower(): np.full(9, float(row)) for row, lead in enumerate(LEADS)}
    signal, missing = stack_leads({**leads, "iii": np.empty(0), "avf": np.full(4, np.nan)})
    assert missing == ("III", "aVF") and np.isnan(signal[[2, 5]]).all() and (signal[11] == 11).all()
    with pytest.raises(Rejection, match="missing lead"):
        stack_leads({**leads, "v2": np.full(9, np.nan)})
    with pytest.raises(Rejection, match="leads of unequal length"):
        stack_leads({**leads, "v2": np.ones(8)})
