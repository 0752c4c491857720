"""Read a 12-lead ECG from any file format known here."""

from pathlib import Path

from cmr2ecg.ecg.cardiosoft import read_cardiosoft
from cmr2ecg.ecg.recording import Ecg
from cmr2ecg.ecg.wfdb_record import read_wfdb


def read_ecg(path: Path | str) -> Ecg:
    """Read a CardioSoft XML file, or the WFDB record of a `.hea` header.

    Raises:
        Rejection: if the file cannot be used.
    """
    return read_wfdb(path) if Path(path).suffix.lower() == ".hea" else read_cardiosoft(path)
