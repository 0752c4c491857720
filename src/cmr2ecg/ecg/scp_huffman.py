"""Decode the Huffman codes of SCP-ECG, the standard's table or the file's own.

The bits are matched by a regular expression that branches as the tree of codes: no loop in Python over bits.
"""

import re
import struct
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from cmr2ecg.raw.rejection import Rejection

DEFAULT = 19999  # in place of a number of tables
MAX_CODES = 256
ENTRY = struct.Struct("<BBBhI")  # bits of the prefix, of the whole, mode, value, prefix with its first bit last
SWITCH = 0  # mode of a code that changes the table
DAMAGED = "undecodable SCP-ECG"


class Code(NamedTuple):
    """The value of a prefix, to which so many more bits are added as a signed number."""

    value: int
    more: int


STANDARD = {
    "0": Code(0, 0),
    **{"1" * size + "0" + sign: Code(value * size, 0) for size in range(1, 9) for sign, value in (("0", 1), ("1", -1))},
    "1111111110": Code(0, 8),
    "1111111111": Code(0, 16),
}


def read_table(body: bytes) -> dict[str, Code]:
    """Return the codes of section 2 by their prefix.

    Raises:
        Rejection: several tables, or not a table of codes none of which begins another.
    """
    count = struct.unpack_from("<H", body)[0]
    if count == DEFAULT:
        return STANDARD
    if count != 1:
        raise Rejection("unsupported SCP-ECG compression", "several Huffman tables")
    size = struct.unpack_from("<H", body, 2)[0]
    if not 0 < size <= MAX_CODES:
        raise Rejection(DAMAGED, "section 2")
    table: dict[str, Code] = {}
    for number in range(size):
        bits, whole, mode, value, code = ENTRY.unpack_from(body, 4 + ENTRY.size * number)
        bits, whole = min(bits, whole), max(bits, whole)  # some devices exchange them
        if mode == SWITCH:
            raise Rejection("unsupported SCP-ECG compression", "several Huffman tables")
        if not 0 < bits <= 32 or whole - bits > 16:
            raise Rejection(DAMAGED, "section 2")
        table[f"{code & (1 << bits) - 1:0{bits}b}"[::-1]] = Code(value, whole - bits)
    ordered = sorted(table)
    if len(table) < size or any(b.startswith(a) for a, b in pairwise(ordered)):
        raise Rejection(DAMAGED, "section 2")
    return table


def decode_huffman(content: bytes, count: int, table: dict[str, Code]) -> np.ndarray:
    """Return `count` values (count,) int64.

    Raises:
        Rejection: fewer values, or bits that are no code.
    """
    bits = f"{int.from_bytes(content):0{8 * len(content)}b}" if content else ""
    codes = sorted(table, key=len)
    words = re.findall(_tree(table), bits)[:count]
    if len(words) < count or not bits.startswith("".join(words)):
        raise Rejection("sample count differs from the header", f"{len(words)} samples")
    values = {word: _value(word, table, codes) for word in set(words)}
    return np.array([values[word] for word in words], np.int64)


def _tree(table: dict[str, Code], start: str = "") -> str:
    """Return a regular expression of the codes that begin with `start`, without it: (?:0|1(?:0.{8}|1.{16}))."""
    if start in table:
        return f".{{{table[start].more}}}"
    nexts = sorted({code[len(start)] for code in table if code.startswith(start)})
    return f"(?:{'|'.join(bit + _tree(table, start + bit) for bit in nexts)})"


def _value(word: str, table: dict[str, Code], codes: list[str]) -> int:
    code = next(code for code in codes if word.startswith(code))
    value, more = table[code]
    if not more:
        return value
    number = int(word[len(code) :], 2)
    return value + number - (1 << more if number >> (more - 1) else 0)
