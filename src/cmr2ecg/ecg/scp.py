"""Read a 12-lead ECG from an SCP-ECG file (EN 1064, ISO 11073-91064): the rhythm of section 6.

All integers are little-endian. Of the other sections only those are read that the rhythm needs: 0 (where the others
are), 2 (Huffman table), 3 (leads), 4 and 5 (the reference beat, where it was subtracted). The patient's, section 1, is
skipped. Not read are bimodal compression (samples between beats decimated), several Huffman tables and version 3's
long rhythms (section 12).
"""

import binascii
import math
import struct
from typing import NamedTuple

import numpy as np

from cmr2ecg.ecg.recording import MAX_SAMPLES, Ecg, add_lead, ecg_of
from cmr2ecg.ecg.scp_huffman import Code, decode_huffman, read_table
from cmr2ecg.raw.rejection import Rejection

MAX_BYTES = 8_000_000  # a real file has 30 kB
SECTION_HEADER, POINTER = 16, struct.Struct("<HII")  # bytes; a section's number, length and place from 1
FIRST = 6  # byte at which section 0 begins
MAX_LEADS, MAX_BEATS = 85, 10_000
LEAD_OF_CODE = {
    **{1: "i", 2: "ii", 61: "iii", 62: "avr", 63: "avl", 64: "avf"},
    **{2 + number: f"v{number}" for number in range(1, 7)},
}
SUBTRACTED = 1  # flag of section 3
DAMAGED = "undecodable SCP-ECG"


class Lead(NamedTuple):
    """A lead of section 3: its first and last sample, from 1, and its code."""

    first: int
    last: int
    code: int


class Block(NamedTuple):
    """Section 5 or 6: nanovolts of a count, microseconds of a sample, and the counts (n,) of each lead."""

    nanovolts: int
    interval_us: int
    leads: list[np.ndarray]


class Beats(NamedTuple):
    """Section 4: milliseconds of the reference beat, its fiducial sample, and beats as type, start, fiducial, end."""

    length_ms: int
    fiducial: int
    found: list[tuple[int, int, int, int]]


def looks_like_scp(content: bytes) -> bool:
    """Return whether section 0 is where it must be and points to itself."""
    return (
        len(content) >= FIRST + SECTION_HEADER + POINTER.size
        and content[8:10] == b"\0\0"
        and POINTER.unpack_from(content, FIRST + SECTION_HEADER)[::2] == (0, FIRST + 1)
    )


def read_scp(content: bytes) -> Ecg:
    """Return the rhythm of a file's content.

    Raises:
        Rejection: damaged, compressed in a way that is not read, no scale, or leads that are not simultaneous.
    """
    if len(content) > MAX_BYTES:
        raise Rejection("file too large", f"more than {MAX_BYTES} bytes")
    try:
        return _ecg(_sections(content))
    except struct.error as error:
        raise Rejection(DAMAGED, "a section is cut") from error


def _ecg(sections: dict[int, bytes]) -> Ecg:
    if 3 not in sections or 6 not in sections:
        raise Rejection("no rhythm", "no section 3 or 6")
    leads, subtracted = _leads(sections[3])
    table = read_table(sections[2]) if 2 in sections else None
    counts = [lead.last - lead.first + 1 for lead in leads]
    rhythm = _block(sections[6], table, counts)
    nanovolts, signals = rhythm.nanovolts, rhythm.leads
    if sections[6][5]:
        raise Rejection("unsupported SCP-ECG compression", "bimodal")
    if subtracted:
        beats = _beats(sections.get(4, b""))
        samples = round(beats.length_ms * 1000 / max(1, rhythm.interval_us))
        reference = _block(sections.get(5, b""), table, [min(samples, MAX_SAMPLES)] * len(leads))
        if reference.interval_us != rhythm.interval_us or not reference.nanovolts or not rhythm.nanovolts:
            raise Rejection("unsupported SCP-ECG compression", "a reference beat of another rate")
        nanovolts = math.gcd(reference.nanovolts, rhythm.nanovolts)
        signals = [
            _add_beats(signal * (rhythm.nanovolts // nanovolts), beat * (reference.nanovolts // nanovolts), lead, beats)
            for signal, beat, lead in zip(signals, reference.leads, leads, strict=True)
        ]
    if not nanovolts:
        raise Rejection("unknown amplitude unit", "nanovolts are 0")
    if not rhythm.interval_us:
        raise Rejection("unknown sampling rate", "the interval is 0")
    found: dict[str, np.ndarray] = {}
    starts = set()
    for lead, signal in zip(leads, signals, strict=True):
        if lead.code in LEAD_OF_CODE:
            add_lead(found, LEAD_OF_CODE[lead.code], signal * (nanovolts / 1e6))
            starts.add(lead.first)
    if len(starts) > 1:
        raise Rejection("leads are not simultaneous")
    return ecg_of(found, _rate(rhythm.interval_us), [rhythm.nanovolts / 1e6])


def _rate(interval_us: int) -> float:
    """Return samples per second: a whole number if its interval rounds to the stated one (1667 us: 600 Hz)."""
    whole = round(1e6 / interval_us)
    return float(whole) if whole and round(1e6 / whole) == interval_us else 1e6 / interval_us


def _sections(content: bytes) -> dict[int, bytes]:
    """Return the body of each section in use; a Rejection if a checksum is wrong."""
    if not looks_like_scp(content):
        raise Rejection("not SCP-ECG")
    end = FIRST + struct.unpack_from("<I", content, 10)[0]
    found: dict[int, bytes] = {}
    for at in range(FIRST + SECTION_HEADER, min(end, len(content)) - POINTER.size + 1, POINTER.size):
        number, length, place = POINTER.unpack_from(content, at)
        if number not in (2, 3, 4, 5, 6) or not length:
            continue
        section = content[place - 1 : place - 1 + length] if place else b""
        if number in found or len(section) < max(length, SECTION_HEADER):
            raise Rejection(DAMAGED, f"section {number}")
        crc, stated, size = struct.unpack_from("<HHI", section)
        if stated != number or size > length:
            raise Rejection(DAMAGED, f"section {number}")
        if binascii.crc_hqx(section[2:size], 0xFFFF) != crc:
            raise Rejection("checksum is wrong")
        found[number] = section[SECTION_HEADER:size]
    return found


def _leads(body: bytes) -> tuple[list[Lead], bool]:
    """Return the leads of section 3, and whether the reference beat was subtracted."""
    count, flags = struct.unpack_from("<BB", body)
    leads = [Lead(*struct.unpack_from("<IIB", body, 2 + 9 * number)) for number in range(count)]
    if not 0 < len(leads) <= MAX_LEADS or any(not 0 < lead.first <= lead.last for lead in leads):
        raise Rejection(DAMAGED, "section 3")
    longest = max(lead.last - lead.first + 1 for lead in leads)
    if longest > MAX_SAMPLES:
        raise Rejection("file too large", f"{longest} samples per lead")
    return leads, bool(flags & SUBTRACTED)


def _block(body: bytes, table: dict[str, Code] | None, counts: list[int]) -> Block:
    """Return section 5 or 6 with so many counts of each lead."""
    nanovolts, interval, differences, _ = struct.unpack_from("<HHBB", body)
    sizes = struct.unpack_from(f"<{len(counts)}H", body, 6)
    at = 6 + 2 * len(counts)
    if differences > 2 or at + sum(sizes) > len(body):
        raise Rejection(DAMAGED, "a block of samples")
    leads = []
    for size, count in zip(sizes, counts, strict=True):
        content = body[at : at + size]
        at += size
        if table is None:
            if size < 2 * count:
                raise Rejection("sample count differs from the header", f"{size // 2} samples")
            values = np.frombuffer(content, "<i2", count).astype(np.int64)
        else:
            values = decode_huffman(content, count, table)
        leads.append(_undone(values, differences))
    return Block(nanovolts, interval, leads)


def _undone(values: np.ndarray, differences: int) -> np.ndarray:
    """Return samples (n,) of their first or second differences, of which the first one or two are the samples.

    Devices compute with 16 bits, so that sums wrap around.
    """
    if differences == 2 and values.size > 1:
        steps = np.concatenate([[values[1] - values[0]], values[2:]]).cumsum()
        values = np.concatenate([values[:1], steps])
    if differences:
        values = values.cumsum().astype(np.int16).astype(np.int64)
    return values


def _beats(body: bytes) -> Beats:
    length, fiducial, count = struct.unpack_from("<HHH", body)
    if count > MAX_BEATS:
        raise Rejection(DAMAGED, "section 4")
    return Beats(length, fiducial, [struct.unpack_from("<HIII", body, 6 + 14 * beat) for beat in range(count)])


def _add_beats(signal: np.ndarray, reference: np.ndarray, lead: Lead, beats: Beats) -> np.ndarray:
    """Return a lead (n,) with the reference beat (m,) added at each beat of type 0, within the beat's limits."""
    signal = signal.copy()
    for kind, start, fiducial, end in beats.found:
        zero = fiducial - beats.fiducial + 1  # sample at which the reference begins
        first, last = max(start, lead.first, zero), min(end, lead.last, zero + reference.size - 1)
        if kind == 0 and first <= last:
            signal[first - lead.first : last - lead.first + 1] += reference[first - zero : last - zero + 1]
    return signal
