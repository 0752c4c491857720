"""Decode XLI, the compression of Philips Sierra ECG: LZW codes of 10 bits, over second differences.

Source: the open implementations in sixlettervariables/sierra-ecg-tools (MIT); tests compare with ecgdatakit's.
"""

import numpy as np

from cmr2ecg.ecg.recording import MAX_SAMPLES
from cmr2ecg.raw.rejection import Rejection

HEADER_BYTES = 8  # of a chunk: size (4), unused (2), first value (2)
CODE_BITS = 10
LAST_CODE = 2**CODE_BITS - 2  # the code after it ends the stream
MAX_CHUNKS = 32
BIAS = 64  # added to each stored difference


def decode_xli(content: bytes) -> list[np.ndarray]:
    """Return the samples (n,) int64 of each chunk, one a lead.

    Raises:
        Rejection: a chunk is cut, malformed, or has more than MAX_SAMPLES.
    """
    chunks: list[np.ndarray] = []
    at = 0
    while at < len(content):
        header = content[at : at + HEADER_BYTES]
        size = int.from_bytes(header[:4], "little", signed=True)
        at += HEADER_BYTES + size
        if len(header) < HEADER_BYTES or size <= 0 or at > len(content) or len(chunks) == MAX_CHUNKS:
            raise Rejection("undecodable waveform", "a chunk's size")
        first = int.from_bytes(header[6:], "little", signed=True)
        chunks.append(_samples(_unpacked(content[at - size : at]), first))
    return chunks


def _unpacked(content: bytes) -> bytes:
    """Return the bytes that the LZW codes of one chunk stand for; the table is never emptied."""
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    codes = bits[: bits.size // CODE_BITS * CODE_BITS].reshape(-1, CODE_BITS) @ (1 << np.arange(CODE_BITS)[::-1])
    table = [bytes([byte]) for byte in range(256)]
    found: list[bytes] = []
    size, before = 0, b""
    for code in codes.tolist():
        if code > LAST_CODE:
            break
        if code < len(table):
            text = table[code]
        elif code == len(table) and before:
            text = before + before[:1]
        else:
            raise Rejection("undecodable waveform", "a code that is not in the table")
        if before and len(table) <= LAST_CODE:
            table.append(before + text[:1])
        found.append(text)
        before = text
        size += len(text)
        if size > 2 * MAX_SAMPLES:
            raise Rejection("file too large", f"more than {MAX_SAMPLES} samples per lead")
    return b"".join(found)


def _samples(content: bytes, first: int) -> np.ndarray:
    """Return samples (n,) of their differences: the high bytes of all, then the low bytes.

    The first two are stored as they are; x[i] = 2 x[i-1] - x[i-2] - e[i-1], where e[1] is `first` and e[i] the stored
    number less BIAS.
    """
    if len(content) < 4:
        raise Rejection("undecodable waveform", "fewer than two samples")
    halves = np.frombuffer(content + bytes(len(content) % 2), np.uint8).reshape(2, -1).astype(np.int64)
    stored = ((halves[0] << 8 | halves[1]) ^ 0x8000) - 0x8000
    errors = stored - BIAS
    errors[1] = first
    steps = np.concatenate([[stored[1] - stored[0]], -errors[1:-1]]).cumsum()
    return np.concatenate([[stored[0]], stored[0] + steps.cumsum()])
