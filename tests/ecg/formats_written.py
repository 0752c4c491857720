"""Write one ECG in the formats of hospitals, as their standards say and with names that no result may show."""

import base64
import binascii
import io
import struct
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

from cmr2ecg.ecg.recording import LEADS

UV = 5.0  # of one count
RATE = 500
EIGHT = (0, 1, *range(6, 12))  # the leads that MUSE and others store
SECRET = "Mustermann"  # the patient's name in every file
SCP_CODES = (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8)


def base64_of(content: bytes) -> str:
    text = base64.b64encode(content).decode()
    return "\n".join(text[at : at + 76] for at in range(0, len(text), 76))


def muse(counts: np.ndarray, rows: Sequence[int] = EIGHT, uv: float = UV, doctype: str = "") -> bytes:
    """A rhythm, after an averaged beat."""

    def wave(kind: str, values: np.ndarray) -> str:
        leads = ""
        for row in rows:
            content = values[row].astype("<i2").tobytes()
            leads += (
                f"<LeadData><LeadByteCountTotal>{len(content)}</LeadByteCountTotal><LeadTimeOffset>0</LeadTimeOffset>"
                f"<LeadSampleCountTotal>{values.shape[1]}</LeadSampleCountTotal>"
                f"<LeadAmplitudeUnitsPerBit>{uv:g}</LeadAmplitudeUnitsPerBit>"
                f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{LEADS[row]}</LeadID>"
                f"<LeadOffsetFirstSample>0</LeadOffsetFirstSample><LeadSampleSize>2</LeadSampleSize>"
                f"<LeadDataCRC32>{zlib.crc32(content)}</LeadDataCRC32>"
                f"<WaveFormData>\n{base64_of(content)}\n</WaveFormData></LeadData>"
            )
        return (
            f"<Waveform><WaveformType>{kind}</WaveformType><NumberofLeads>{len(rows)}</NumberofLeads>"
            f"<SampleBase>{RATE}</SampleBase><SampleExponent>0</SampleExponent>{leads}</Waveform>"
        )

    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>'
        f'{doctype or """<!DOCTYPE RestingECG SYSTEM "restecg.dtd">"""}<RestingECG>'
        f"<PatientDemographics><PatientLastName>{SECRET}</PatientLastName></PatientDemographics>"
        "<Diagnosis><DiagnosisStatement><StmtText>Sinus rhythm</StmtText></DiagnosisStatement></Diagnosis>"
        f"{wave('Median', counts[:, :600] * 2)}{wave('Rhythm', counts)}</RestingECG>"
    ).encode("latin-1")


def aecg(counts: np.ndarray, rows: Sequence[int] = range(12), uv: float = UV) -> bytes:
    """A rhythm series with a derived representative beat."""

    def series(values: np.ndarray, kind: str) -> str:
        sequences = "".join(
            f'<component><sequence><code code="MDC_ECG_LEAD_{LEADS[row].upper()}"/><value xsi:type="SLIST_PQ">'
            f'<origin value="0" unit="uV"/><scale value="{uv:g}" unit="uV"/>'
            f"<digits>{' '.join(map(str, values[row].tolist()))}</digits></value></sequence></component>"
            for row in rows
        )
        return (
            f'<code code="{kind}" codeSystem="2.16.840.1.113883.5.4"/><component><sequenceSet><component><sequence>'
            f'<code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head value="20250101"/>'
            f'<increment value="{1 / RATE}" unit="s"/></value></sequence></component>{sequences}'
            "</sequenceSet></component>"
        )

    beat = series(counts[:, :600] * 2, "REPRESENTATIVE_BEAT")
    return (
        '<?xml version="1.0" encoding="UTF-8"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><componentOf><timepointEvent><name>'
        f"{SECRET}</name></timepointEvent></componentOf><component><series>{series(counts, 'RHYTHM')}"
        f"<derivation><derivedSeries>{beat}</derivedSeries></derivation></series></component></AnnotatedECG>"
    ).encode()


def lzw(content: bytes) -> bytes:
    """LZW with codes of 10 bits and a table that is never emptied."""
    table = {bytes([byte]): byte for byte in range(256)}
    codes, word = [], b""
    for byte in content:
        longer = word + bytes([byte])
        if longer in table:
            word = longer
            continue
        codes.append(table[word])
        if len(table) < 1023:
            table[longer] = len(table)
        word = bytes([byte])
    codes += [table[word], 1023]
    bits = "".join(f"{code:010b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def xli(leads: np.ndarray) -> bytes:
    """Philips' compression of leads (12, n) of whole numbers: what is left of the derived ones, in differences."""
    one, two, three = leads[:3]
    left = [
        *(one, two, two - one - three, -((one + two) // 2) - leads[3]),
        *((one - three) // 2 - leads[4], (two + three) // 2 - leads[5], *leads[6:]),
    ]
    content = b""
    for lead in left:
        errors = 2 * lead[1:-1] - lead[:-2] - lead[2:]  # e[i - 1] = 2 x[i - 1] - x[i - 2] - x[i]
        stored = np.concatenate([lead[:2], errors[1:] + 64, [64]]).astype(">i2")
        halves = stored.view(np.uint8).reshape(-1, 2).T
        chunk = lzw(halves.tobytes())
        content += struct.pack("<iHh", len(chunk), 0, int(errors[0])) + chunk
    return content


def sierra(counts: np.ndarray, compressed: bool = True, uv: float = UV) -> bytes:
    content = xli(counts) if compressed else counts.astype("<i2").tobytes()
    return (
        '<?xml version="1.0" encoding="utf-16"?><restingecgdata xmlns="http://www3.medical.philips.com">'
        "<documentinfo><documenttype>PhilipsECG</documenttype><documentversion>1.04</documentversion></documentinfo>"
        f"<patient><generalpatientdata><name><lastname>{SECRET}</lastname></name></generalpatientdata></patient>"
        f"<dataacquisition><signalcharacteristics><samplingrate>{RATE}</samplingrate><resolution>{uv:g}</resolution>"
        "<bitspersample>16</bitspersample></signalcharacteristics></dataacquisition><waveforms>"
        f'<parsedwaveforms dataencoding="Base64" compression="{"XLI" if compressed else "Uncompressed"}" '
        f'numberofleads="12" leadlabels="{" ".join(LEADS)}" durationperchannel="{1000 * counts.shape[1] // RATE}" '
        f'samplespersecond="{RATE}" resolution="{uv:g}" signalsigned="True" bitspersample="16">'
        f"{base64_of(content)}</parsedwaveforms></waveforms></restingecgdata>"
    ).encode("utf-16")


def coded(value: str, scheme: str, meaning: str) -> Items:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Items([item])


def dicom(counts: np.ndarray, rows: Sequence[int] = range(12), uv: float = UV, implicit: bool = False) -> bytes:
    """A rhythm and a median beat."""

    def group(values: np.ndarray, label: str, originality: str) -> Dataset:
        group = Dataset()
        group.MultiplexGroupLabel, group.WaveformOriginality = label, originality
        group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = len(rows), values.shape[1]
        group.SamplingFrequency = str(RATE)
        channels = []
        for row in rows:
            channel = Dataset()
            channel.ChannelSourceSequence = coded(f"5.6.3-9-{SCP_CODES[row]}", "SCPECG", f"Lead {LEADS[row]}")
            channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = f"{uv:g}", "1"
            channel.ChannelSensitivityUnitsSequence = coded("uV", "UCUM", "microvolt")
            channel.ChannelBaseline, channel.ChannelSampleSkew, channel.WaveformBitsStored = "0", "0", 16
            channels.append(channel)
        group.ChannelDefinitionSequence = Items(channels)
        group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
        group.add_new(0x54001010, "OW", values[list(rows)].T.astype("<i2").tobytes())
        return group

    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.9.1.1"
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = generate_uid()
    data.PatientName, data.Modality = SECRET, "ECG"
    data.WaveformSequence = Items(
        [group(counts, "RHYTHM", "ORIGINAL"), group(counts[:, :600] * 2, "MEDIAN BEAT", "DERIVED")]
    )
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def edf(counts: np.ndarray, rows: Sequence[int] = range(12), uv: float = UV, width: int = 2) -> bytes:
    """Records of one second; width 3 is BDF."""
    records, half = counts.shape[1] // RATE, 1 << (15 if width == 2 else 18)
    labels = [f"ECG {LEADS[row]}" for row in rows]
    columns = [
        (labels, 16),
        ([""] * len(labels), 80),
        (["uV"] * len(labels), 8),
        ([f"{-half * uv:.8g}"[:8]] * len(labels), 8),
        ([f"{half * uv:.8g}"[:8]] * len(labels), 8),
        ([str(-half)] * len(labels), 8),
        ([str(half)] * len(labels), 8),  # one more than a sample can be, so that the scale is exact
        ([""] * len(labels), 80),
        ([str(RATE)] * len(labels), 8),
        ([""] * len(labels), 32),
    ]
    start = b"\xffBIOSEMI" if width == 3 else b"0       "
    fixed = [(SECRET, 80), ("", 80), ("01.01.25", 8), ("00.00.00", 8), (str(256 * (1 + len(labels))), 8), ("", 44)]
    header = start + b"".join(
        text.ljust(size).encode() for text, size in [*fixed, (str(records), 8), ("1", 8), (str(len(labels)), 4)]
    )
    header += b"".join(text.ljust(size).encode() for texts, size in columns for text in texts)
    data = counts[list(rows), : records * RATE].reshape(len(rows), records, RATE).swapaxes(0, 1)
    content = data.astype("<i4").reshape(-1, 1).view(np.uint8)[:, :width]
    return header + content.tobytes()


def bdf(counts: np.ndarray, rows: Sequence[int] = range(12), uv: float = UV) -> bytes:
    return edf(counts, rows, uv, width=3)


def huffman(values: np.ndarray) -> bytes:
    """The standard's table."""
    bits = "".join(
        "0"
        if value == 0
        else f"{'1' * abs(value)}0{int(value < 0)}"
        if abs(value) <= 8
        else f"1111111110{value & 0xFF:08b}"
        if abs(value) < 128
        else f"1111111111{value & 0xFFFF:016b}"
        for value in values.tolist()
    )
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8)


def section(number: int, body: bytes) -> bytes:
    head = struct.pack("<HIBB6x", number, 16 + len(body), 20, 20)
    return struct.pack("<H", binascii.crc_hqx(head + body, 0xFFFF)) + head + body


def scp_block(leads: np.ndarray, compressed: bool, uv: float, differences: int = 2) -> bytes:
    chunks = []
    for lead in leads:
        stored = np.concatenate([lead[:differences], np.diff(lead, differences)]) if differences else lead
        chunks.append(huffman(stored) if compressed else stored.astype("<i2").tobytes())
    sizes = struct.pack(f"<{len(chunks)}H", *map(len, chunks))
    return struct.pack("<HHBB", round(uv * 1000), 1_000_000 // RATE, differences, 0) + sizes + b"".join(chunks)


def scp(
    counts: np.ndarray,
    rows: Sequence[int] = EIGHT,
    uv: float = UV,
    compressed: bool = True,
    beats: Sequence[int] = (),
) -> bytes:
    """The rhythm, less a reference beat of 0.4 s at each of the samples `beats` where there are some."""
    leads = counts[list(rows)].astype(np.int64)
    places = b"".join(struct.pack("<IIB", 1, counts.shape[1], SCP_CODES[row]) for row in rows)
    name = SECRET.encode() + b"\0"
    parts = {1: struct.pack("<BH", 0, len(name)) + name + struct.pack("<BH", 255, 0)}
    if beats:
        reference = leads[:, beats[0] - 100 : beats[0] + 100].copy()
        zones = b""
        for fiducial in beats:  # sample 101 of the reference lies on it; both count from 1
            leads[:, fiducial - 100 : fiducial + 100] -= reference
            zones += struct.pack("<HIII", 0, fiducial - 99, fiducial + 1, fiducial + 100)
        parts[4] = struct.pack("<HHH", 400, 101, len(beats)) + zones
        parts[5] = scp_block(reference, compressed, uv)
    parts[3] = struct.pack("<BB", len(rows), 4 | bool(beats) | len(rows) << 3) + places
    parts[6] = scp_block(leads, compressed, uv)
    if compressed:
        parts[2] = struct.pack("<H", 19999)
    return assemble(parts)


def assemble(parts: dict[int, bytes]) -> bytes:
    """An SCP-ECG file of the bodies of its sections, with right checksums."""
    size = 16 + 10 * (1 + len(parts))
    at = 7 + size
    pointers = struct.pack("<HII", 0, size, 7)
    bodies = b""
    for number, body in sorted(parts.items()):
        content = section(number, body)
        pointers += struct.pack("<HII", number, len(content), at)
        bodies += content
        at += len(content)
    whole = struct.pack("<I", at - 1) + section(0, pointers) + bodies
    return struct.pack("<H", binascii.crc_hqx(whole, 0xFFFF)) + whole


WRITERS: dict[str, tuple[str, Callable[[np.ndarray], bytes]]] = {
    "muse": (".xml", muse),
    "aecg": (".xml", aecg),
    "sierra": (".xml", sierra),
    "sierra, not compressed": (".xml", lambda counts: sierra(counts, compressed=False)),
    "dicom": (".dcm", dicom),
    "dicom, implicit": (".dcm", lambda counts: dicom(counts, implicit=True)),
    "scp": (".scp", scp),
    "scp, not compressed": (".scp", lambda counts: scp(counts, compressed=False)),
    "edf": (".edf", edf),
    "bdf": (".bdf", bdf),
}
