"""The values of a lossless JPEG: Huffman codes of differences, and the predictions that these are added to.

The codes at all bits of the stream are looked up at once; only stepping from one code to the next is a loop.

Source: ITU-T T.81, annexes C (Huffman tables), F.2.2 (decoding), H (lossless).
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from cmr2ecg.raw.rejection import Rejection

MAX_CODE_BITS, MAX_DIFFERENCE_BITS = 16, 16  # bits of a code, and of a difference
MAX_STEP_BITS = MAX_CODE_BITS + MAX_DIFFERENCE_BITS  # bits from one code to the next


@dataclass(frozen=True)
class HuffmanTable:
    """For each 16 bits: the length of the leading code (0: no code) and the bits of the difference after it."""

    length: np.ndarray
    size: np.ndarray


def huffman_table(counts: bytes, sizes: bytes) -> HuffmanTable:
    """Return a table of its codes by length (16 counts) and their meanings, in order.

    Raises:
        Rejection: if these are not a valid code.
    """
    length, size = np.zeros(1 << MAX_CODE_BITS, np.uint8), np.zeros(1 << MAX_CODE_BITS, np.uint8)
    place, meanings = 0, iter(sizes)
    for bits, count in enumerate(counts, 1):
        for meaning in [next(meanings) for _ in range(count)]:
            end = place + (1 << MAX_CODE_BITS - bits)
            if end > 1 << MAX_CODE_BITS or meaning > MAX_DIFFERENCE_BITS:
                raise Rejection("undecodable DICOM", "JPEG Huffman table")
            length[place:end], size[place:end] = bits, meaning
            place = end
    return HuffmanTable(length, size)


def decode_rows(
    coded: np.ndarray, shape: tuple[int, int], table: HuffmanTable, selection: int, precision: int
) -> np.ndarray:
    """Return pixels of `shape` from the bytes (uint8) between two restarts.

    Raises:
        Rejection: if the bytes have a different number of codes, or values of more bits than `precision`.
    """
    found = predicted(differences(coded, shape[0] * shape[1], table).reshape(shape), selection, precision)
    if precision < MAX_DIFFERENCE_BITS and (found >> precision).any():
        raise Rejection("undecodable DICOM", "JPEG of damaged values")
    return found


def differences(coded: np.ndarray, count: int, table: HuffmanTable) -> np.ndarray:
    """Return `count` differences (int64), which use all bytes except less than eight bits.

    Raises:
        Rejection: if they do not.
    """
    wide = np.concatenate([coded, np.zeros(MAX_STEP_BITS // 8 + 4, np.uint8)]).astype(np.uint32)
    three = wide[:-2] << 16 | wide[1:-1] << 8 | wide[2:]
    window = (three[:, None] >> np.arange(8, 0, -1, dtype=np.uint32)).astype(np.uint16).ravel()  # 16 bits from each bit
    length, size = table.length[window], table.size[window]
    step = np.where(length > 0, length + size * (size < MAX_DIFFERENCE_BITS), 0).astype(np.uint8)
    step[8 * len(coded) :] = 0  # nothing begins after the end
    steps, place, places = step.tobytes(), 0, []
    for _ in range(count):
        places.append(place)
        place += steps[place]
    at = np.array(places)
    if not step[at].all() or not 0 <= 8 * len(coded) - place < 8:
        raise Rejection("undecodable DICOM", "JPEG of damaged codes")
    size = size[at].astype(np.int64)
    bits = window[at + length[at]].astype(np.int64) >> (MAX_DIFFERENCE_BITS - size)
    negative = bits < 1 << np.maximum(size - 1, 0)
    return np.where(size == MAX_DIFFERENCE_BITS, 1 << 15, np.where(negative, bits - (1 << size) + 1, bits))


def predicted(difference: np.ndarray, selection: int, precision: int) -> np.ndarray:
    """Return pixels (rows, columns), uint16, from differences to what `selection` predicts (T.81, table H.1).

    The first row is predicted from the left, the first column from above, the first pixel as half the range.
    """
    found = difference.copy()
    found[0, 0] += 1 << precision - 1
    if selection == 1:  # left
        found[:, 0] = found[:, 0].cumsum()
        found = found.cumsum(axis=1)
    elif selection == 2:  # above
        found[0] = found[0].cumsum()
        found = found.cumsum(axis=0)
    elif selection == 4:  # left + above - above left
        found = found.cumsum(axis=0).cumsum(axis=1)
    else:
        found[0], found[:, 0] = found[0].cumsum(), found[:, 0].cumsum()
        found &= 0xFFFF  # as in T.81: modulo 2^16
        for above, row in pairwise(found):
            row[:] = _row(above, row, selection) & 0xFFFF
    return (found & 0xFFFF).astype(np.uint16)


def _row(above: np.ndarray, row: np.ndarray, selection: int) -> np.ndarray:
    """Return one row from its first pixel and the other differences, for predictions that are not sums."""
    if selection == 3:  # above left
        return np.concatenate([row[:1], row[1:] + above[:-1]])
    if selection == 5:  # left + (above - above left) / 2
        return np.concatenate([row[:1], row[1:] + (np.diff(above) >> 1)]).cumsum()
    left, done = int(row[0]), [int(row[0])]
    for difference, up, corner in zip(row[1:].tolist(), above[1:].tolist(), above[:-1].tolist(), strict=True):
        guess = up + ((left - corner) >> 1) if selection == 6 else (left + up) >> 1
        left = (guess + difference) & 0xFFFF
        done.append(left)
    return np.array(done)
