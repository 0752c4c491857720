"""Walk through the elements of an untrusted DICOM file, without recursion and in bounded time.

Only the few requested elements are kept; everything else is skipped. On a short-axis frame this takes a
tenth of the time of a general parser. Short-axis frames and waveforms of ECGs are read through it.

Source: DICOM PS3.5, section 7 (elements, sequences); PS3.10, section 7 (file).
"""

import struct
from typing import NamedTuple

from cmr2ecg.raw.rejection import Rejection

IMPLICIT_LITTLE, EXPLICIT_BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
PIXELS = 0x7FE00010
WAVEFORMS, CHANNELS, CHANNEL_SOURCE, CHANNEL_UNITS = 0x54000100, 0x003A0200, 0x003A0208, 0x003A0211
SEQUENCES = frozenset((WAVEFORMS, CHANNELS, CHANNEL_SOURCE, CHANNEL_UNITS))  # whose items can be read
MAX_ELEMENTS = 20_000  # a frame has about 150; a file of empty elements would take seconds
UNDEFINED = 0xFFFFFFFF
UNKNOWN = -1  # length of an element without a known representation
_SYNTAX, _META_END = 0x00020010, 0x0002FFFF
_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
_LONG = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())  # with a length of four bytes
_REPRESENTATIONS = _SHORT | _LONG | {b"\0\0"}
_ITEMS = 0xFFFE  # group of items and item delimiters
_BEFORE_ITEMS = 0xFFFDFFFF
MAX_ITEMS = 256  # of a sequence


class Elements(NamedTuple):
    """Elements of one file.

    syntax: TransferSyntaxUID; little: byte order of numbers.
    values: bytes of the requested elements, by tag; those of encapsulated pixels still contain their items.
    complete: the walk reached its last tag, not just the end of `content`.
    rest: bytes from there on.
    """

    syntax: str
    little: bool
    values: dict[int, bytes]
    complete: bool
    rest: bytes

    def ends_well(self) -> bool:
        """Return whether the pixels are followed only by whole elements or padding; otherwise bytes have shifted."""
        return not any(self.rest) or _whole_elements(self.rest, _CODINGS.get(self.syntax, _EXPLICIT_LITTLE))


class _Coding(NamedTuple):
    explicit: bool
    short: struct.Struct
    long: struct.Struct
    implicit: struct.Struct


def _coding(explicit: bool, order: str) -> _Coding:
    return _Coding(explicit, *(struct.Struct(order + code) for code in ("HH2sH", "I", "HHI")))


_CODINGS = {IMPLICIT_LITTLE: _coding(False, "<"), EXPLICIT_BIG: _coding(True, ">")}
_EXPLICIT_LITTLE = _coding(True, "<")  # every other syntax


def read_elements(content: bytes, wanted: frozenset[int], last: int) -> Elements:
    """Return the `wanted` elements up to the tag `last`.

    Args:
        content: a DICOM file, or its first bytes.
        wanted: tags (group << 16 | element).
        last: where to stop; nothing after the pixels is read.

    Raises:
        Rejection: not DICOM, deflated, or malformed before `last`.
    """
    if content[128:132] != b"DICM":
        raise Rejection("not DICOM")
    meta, at = _walk(content, 132, _EXPLICIT_LITTLE, frozenset((_SYNTAX,)), _META_END)
    if at is None or _SYNTAX not in meta:
        raise Rejection("not DICOM", "no transfer syntax")
    syntax = meta[_SYNTAX].strip(b" \0").decode("latin-1")
    if syntax == DEFLATED:  # would have to be inflated to an unknown size
        raise Rejection("unsupported DICOM compression", "deflated")
    values, at = _walk(content, at, _CODINGS.get(syntax, _EXPLICIT_LITTLE), wanted, last)
    rest = b"" if at is None else content[at:]
    return Elements(syntax, syntax != EXPLICIT_BIG, values, at is not None, rest)


def read_items(content: bytes, syntax: str, wanted: frozenset[int]) -> list[dict[int, bytes]]:
    """Return the `wanted` elements of each item of a sequence.

    Args:
        content: the sequence's value, as `read_elements` or this function returns it.
        syntax: TransferSyntaxUID of the file.

    Raises:
        Rejection: more than MAX_ITEMS, or malformed.
    """
    coding = _CODINGS.get(syntax, _EXPLICIT_LITTLE)
    items: list[dict[int, bytes]] = []
    at = 0
    while at + 8 <= len(content) and len(items) < MAX_ITEMS:
        group, number, length = coding.implicit.unpack_from(content, at)
        at += 8
        if (group, number) != (_ITEMS, 0xE000):
            break
        if length != UNDEFINED:
            items.append(_walk(content[at : at + length], 0, coding, wanted, _BEFORE_ITEMS)[0])
            at += length
            continue
        values, end = _walk(content, at, coding, wanted, _BEFORE_ITEMS)
        if end is None:
            break
        items.append(values)
        at = end + 8
    else:
        if at == len(content):
            return items
    raise Rejection("undecodable DICOM", "a sequence")


def _walk(
    content: bytes, at: int, coding: _Coding, wanted: frozenset[int], last: int
) -> tuple[dict[int, bytes], int | None]:
    """Return the wanted elements and the start of the first one after `last`, None if the content ends earlier."""
    values: dict[int, bytes] = {}
    end = len(content)
    for _ in range(MAX_ELEMENTS):
        tag, vr, length, start = _element(content, at, coding)
        if tag > last:
            return values, at
        if start > end:
            return values, None
        if length == UNKNOWN:
            raise Rejection("undecodable DICOM", "no value representation")
        if tag == PIXELS and length == UNDEFINED:
            values[tag] = content[start:]
            return values, end
        if length == UNDEFINED:
            at = _after_sequence(content, start, _CODINGS[IMPLICIT_LITTLE] if vr == b"UN" else coding)
            if tag in SEQUENCES and tag in wanted and at <= end:
                values[tag] = content[start : at - 8]  # without the delimiter
        else:
            at = start + length
            if tag in wanted and at <= end:
                values[tag] = content[start:at]
        if tag == last and at <= end:
            return values, at
    raise Rejection("undecodable DICOM", "too many elements")


def _element(content: bytes, at: int, coding: _Coding) -> tuple[int, bytes, int, int]:
    """Return tag, value representation, length (or UNKNOWN) and start of the value.

    The start is beyond the content if that ends here.
    """
    if at + 8 > len(content):
        return 0, b"", 0, at + 8
    if not coding.explicit:
        group, number, length = coding.implicit.unpack_from(content, at)
        return group << 16 | number, b"", length, at + 8
    group, number, vr, length = coding.short.unpack_from(content, at)
    if vr in _SHORT:
        return group << 16 | number, vr, length, at + 8
    if vr not in _LONG:
        return group << 16 | number, vr, *_length_of_unknown(content, at, coding)
    if at + 12 > len(content):
        return 0, b"", 0, at + 12
    return group << 16 | number, vr, coding.long.unpack_from(content, at + 8)[0], at + 12


def _length_of_unknown(content: bytes, at: int, coding: _Coding) -> tuple[int, int]:
    """Return length (or UNKNOWN) and start of the value of an element with an unknown value representation.

    Some scanners write zeros there. The length may have two bytes, four, or also replace the representation;
    the first of these after which another element starts is used. If the content ends earlier, the start
    is beyond the content.
    """
    group, number, _, short = coding.short.unpack_from(content, at)
    tag, end = group << 16 | number, len(content)
    lengths = [(short, at + 8), (coding.implicit.unpack_from(content, at)[2], at + 8)]
    if short == 0 and at + 12 <= end:
        lengths.insert(1, (coding.long.unpack_from(content, at + 8)[0], at + 12))
    cut = False
    for length, start in lengths:
        following = start + length
        if following + 8 > end:
            cut = length != UNDEFINED
            continue
        next_group, next_number, vr, _ = coding.short.unpack_from(content, following)
        if next_group == _ITEMS or (tag < (next_group << 16 | next_number) and vr in _REPRESENTATIONS):
            return length, start
    return UNKNOWN, end + 8 if cut else at + 8


def _whole_elements(content: bytes, coding: _Coding) -> bool:
    at = 0
    while at < len(content):
        tag, _, length, start = _element(content, at, coding)
        if tag <= PIXELS or length in (UNKNOWN, UNDEFINED) or start + length > len(content):
            return False
        at = start + length
    return True


def _after_sequence(content: bytes, at: int, coding: _Coding) -> int:
    """Return the end of a sequence of undefined length whose items start at `at`; beyond the content if truncated."""
    nested = [coding]  # a list instead of recursion, since the depth is untrusted
    for _ in range(MAX_ELEMENTS):
        if at + 8 > len(content):
            break
        group, number, length = nested[-1].implicit.unpack_from(content, at)  # tags of items have no representation
        if group == 0xFFFE:
            at += 8
            if number == 0xE0DD:
                nested.pop()
                if not nested:
                    return at
            elif number == 0xE000 and length != UNDEFINED:
                at += length
            continue
        _, vr, length, at = _element(content, at, nested[-1])
        if at > len(content):
            break
        if length == UNKNOWN:
            raise Rejection("undecodable DICOM", "no value representation")
        if length == UNDEFINED:
            nested.append(_CODINGS[IMPLICIT_LITTLE] if vr == b"UN" else nested[-1])
        else:
            at += length
    else:
        raise Rejection("undecodable DICOM", "too many elements")
    return len(content) + 8
