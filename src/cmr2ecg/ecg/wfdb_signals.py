"""Decode WFDB signal files: whole numbers packed in one of the plain (not compressed) formats.

Source: signal(5) of the WFDB Applications Guide, https://physionet.org/physiotools/wag/signal-5.htm. The wfdb package
also decodes them, but parses the header again, by its own rules and from the lower-case name; the tests compare both.
"""

import numpy as np

PLAIN = {8: "i1", 16: "<i2", 32: "<i4", 61: ">i2", 80: "u1", 160: "<u2"}  # one number per sample, as stored
OFFSET = {80: 128, 160: 32768}  # subtracted, so that the middle is 0
PACKED = {24: (3, 1), 212: (3, 2), 310: (4, 3), 311: (4, 3)}  # bytes and samples per block
FORMATS = frozenset(PLAIN) | frozenset(PACKED)
BITS = {16: 16, 24: 24, 32: 32, 61: 16, 80: 8, 160: 16, 212: 12, 310: 10, 311: 10}
INVALID = {form: -(2 ** (bits - 1)) for form, bits in BITS.items()}  # marks an invalid sample; format 8 has no mark


def samples_in(size: int, form: int) -> int:
    """Return the number of samples in `size` bytes of a format."""
    length, number = PACKED.get(form) or (np.dtype(PLAIN[form]).itemsize, 1)
    return size * number // length


def decode(content: bytes, form: int, offset: int, frames: int, width: int) -> np.ndarray:
    """Return the numbers (frames, width) that begin at byte `offset`: int16, int32 in formats 24 and 32.

    Format 8 stores differences; they are returned as such. There must be enough bytes, see `samples_in`.
    """
    if form in PLAIN:
        values = np.frombuffer(content, PLAIN[form], frames * width, offset)
        values = values.astype(np.int32) - OFFSET[form] if form in OFFSET else values
        return values.astype(np.int32 if form == 32 else np.int16).reshape(frames, width)
    length, number = PACKED[form]
    blocks = -(-frames * width // number)
    data = np.zeros(blocks * length, np.uint8)  # the last block may lack bytes
    rest = np.frombuffer(content, np.uint8, offset=offset)[: data.size]
    data[: rest.size] = rest
    parts = _unpacked(data.reshape(blocks, length), form)
    half = 2 ** (BITS[form] - 1)
    values = np.empty((blocks, number), np.int32 if form == 24 else np.int16)
    for place, part in enumerate(parts):
        values[:, place] = (part ^ half) - half  # two's complement
    return values.reshape(-1)[: frames * width].reshape(frames, width)


def _unpacked(data: np.ndarray, form: int) -> tuple[np.ndarray, ...]:
    """Return the samples (blocks,) at each place of a block, without their sign, from bytes (blocks, length)."""
    if form == 24:
        low, middle, high = data.astype(np.int32).T
        return (low | middle << 8 | high << 16,)
    data = data.astype(np.int16)
    if form == 212:
        first, both, second = data.T
        return first | (both & 15) << 8, second | both >> 4 << 8
    one, two, three, four = data.T
    if form == 310:
        return one >> 1 | (two & 7) << 7, three >> 1 | (four & 7) << 7, two >> 3 | four >> 3 << 5
    return one | (two & 3) << 8, two >> 2 | (three & 15) << 6, three >> 4 | (four & 63) << 4
