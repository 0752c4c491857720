"""Decode one grey image of RLE Lossless (PackBits) into no more bytes than its size.

Source: DICOM PS3.5, annex G.
"""

import struct

import numpy as np

from cmr2ecg.raw.rejection import Rejection

RLE_LOSSLESS = "1.2.840.10008.1.2.5"
HEADER_BYTES = 64  # number of segments, offsets of up to 15


def decode_rle(stream: bytes, shape: tuple[int, int], item_bytes: int) -> np.ndarray:
    """Return pixels (rows, columns), unsigned; a segment holds one byte of every pixel, the highest first.

    Raises:
        Rejection: unexpected segments, or one whose length differs from the image.
    """
    if len(stream) < HEADER_BYTES:
        raise Rejection("undecodable DICOM", "RLE header")
    count, *offsets = struct.unpack_from("<16I", stream)
    starts = offsets[:item_bytes]
    ends = [*starts[1:], len(stream)]
    if count != item_bytes or any(not HEADER_BYTES <= a < b for a, b in zip(starts, ends, strict=True)):
        raise Rejection("undecodable DICOM", "RLE header")
    size = shape[0] * shape[1]
    planes = [_unpacked(stream[start:end], size) for start, end in zip(starts, ends, strict=True)]
    whole = np.stack([np.frombuffer(plane, np.uint8) for plane in planes], axis=-1)
    kind = np.dtype(f">u{item_bytes}")
    return whole.view(kind).reshape(shape).astype(kind.newbyteorder("="))


def _unpacked(segment: bytes, size: int) -> bytearray:
    """Return `size` bytes; a segment may end in one byte of padding."""
    found, at, end = bytearray(), 0, len(segment)
    while at < end and len(found) < size:
        code = segment[at]
        if code < 128:
            found += segment[at + 1 : at + 2 + code]
            at += 2 + code
        elif code > 128:
            found += segment[at + 1 : at + 2] * (257 - code)
            at += 2
        else:
            at += 1
    if len(found) != size or at > end or any(segment[at:]):
        raise Rejection("undecodable DICOM", "RLE segment")
    return found
