"""Read a 12-lead ECG from any file format known here, by what the file contains."""

from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

from cmr2ecg.ecg import aecg, cardiosoft, muse, sierra, xml_tree
from cmr2ecg.ecg.code_hdf5 import read_code
from cmr2ecg.ecg.dicom_waveform import read_dicom
from cmr2ecg.ecg.edf import BDF, EDF, read_edf
from cmr2ecg.ecg.recording import Ecg
from cmr2ecg.ecg.scp import looks_like_scp, read_scp
from cmr2ecg.ecg.wfdb_record import read_wfdb
from cmr2ecg.raw.listed import file_of
from cmr2ecg.raw.plain_file import read_plain
from cmr2ecg.raw.rejection import Rejection

MAX_BYTES = 50_000_000  # a BDF file of half an hour
XML_ENDING = ".xml"
KNOWN = "known are CardioSoft, MUSE, HL7 aECG and Sierra XML, DICOM, SCP-ECG, EDF, BDF, WFDB (.hea)"
XML_READERS: dict[str, tuple[frozenset[str], Callable[[Element], Ecg]]] = {
    "CardiologyXML": (cardiosoft.BRANCHES, cardiosoft.ecg_of_cardiosoft),
    muse.ROOT: (muse.BRANCHES, muse.ecg_of_muse),
    aecg.ROOT: (aecg.BRANCHES, aecg.ecg_of_aecg),
    sierra.ROOT: (sierra.BRANCHES, sierra.ecg_of_sierra),
}
XML_BRANCHES = {root: branches for root, (branches, _) in XML_READERS.items()}
XML_STARTS = (b"<", b"\xef\xbb\xbf<", b"\xff\xfe<\0", b"\xfe\xff\0<")  # UTF-8 and UTF-16, with their marks


def read_ecg(path: Path | str) -> Ecg:
    """Read the WFDB record of a `.hea` header, or a file whose content is of a known format, whatever its ending.

    Raises:
        Rejection: if the file cannot be used.
    """
    if file_of(str(path)) != str(path):  # an exam in an HDF5 file
        return read_code(path)
    path = Path(path)
    ending = path.suffix.lower()
    if ending == ".hea":
        return read_wfdb(path)
    content = read_plain(path, xml_tree.MAX_BYTES if ending == XML_ENDING else MAX_BYTES)
    return parse_ecg(content, ending == XML_ENDING)


def parse_ecg(content: bytes, is_xml: bool = False) -> Ecg:
    """Return the ECG in a file's content.

    Args:
        is_xml: what is no other format is XML, to be told what is wrong with it.
    """
    if content[128:132] == b"DICM":
        return read_dicom(content)
    if content.startswith((EDF, BDF)):
        return read_edf(content)
    if looks_like_scp(content):
        return read_scp(content)
    if not is_xml and not content[:200].lstrip().startswith(XML_STARTS):
        raise Rejection("unknown file format" if content.strip() else "empty file", KNOWN if content.strip() else "")
    return _read_xml(content)


def _read_xml(content: bytes) -> Ecg:
    """Return the ECG of an XML file by its root; one of another root may still be CardioSoft's."""
    if len(content) > xml_tree.MAX_BYTES:
        raise Rejection("file too large", f"more than {xml_tree.MAX_BYTES} bytes")
    root = xml_tree.parse_xml(content, XML_BRANCHES, cardiosoft.BRANCHES)
    if root.tag not in XML_READERS and root.find("StripData") is None:
        raise Rejection("unknown file format", KNOWN)
    _, reader = XML_READERS.get(root.tag, XML_READERS["CardiologyXML"])
    return reader(root)
