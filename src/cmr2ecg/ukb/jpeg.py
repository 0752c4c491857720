"""Decode one image of JPEG lossless (process 14) whose sizes were checked before a pixel is decoded.

Source: ITU-T T.81, annex B (markers and frame header), annex H (lossless); DICOM PS3.5, annex A.4 (encapsulation).
"""

import struct

import libjpeg
import numpy as np

from cmr2ecg.ukb.rejection import Rejection

SEQUENCE_END, IMAGE_END = b"\xfe\xff\xdd\xe0", b"\xff\xd9"
LOSSLESS_FRAME, SCAN = 0xC3, 0xDA
# Other kinds of frames and hierarchical images: what follows them could be larger than what was checked.
OTHER_FRAMES = frozenset({*range(0xC0, 0xD0)} - {LOSSLESS_FRAME, 0xC4, 0xC8, 0xCC}) | {0xDC, 0xDE, 0xDF}


def join_fragments(content: bytes) -> bytes:
    """Return the one image in encapsulated pixels, whose first item is the table of offsets.

    Raises:
        Rejection: if the items do not follow each other up to the sequence's end.
    """
    fragments, at = [], 0
    while content.startswith(b"\xfe\xff\x00\xe0", at) and at + 8 <= len(content):
        (length,) = struct.unpack_from("<I", content, at + 4)
        at += 8 + length
        fragments.append(content[at - length : at])
    if not content.startswith(SEQUENCE_END, at) or len(fragments) < 2:
        raise Rejection("undecodable DICOM", "fragments of the pixels")
    return b"".join(fragments[1:])


def decode_lossless(stream: bytes, shape: tuple[int, int]) -> np.ndarray:
    """Return pixels (rows, columns), uint8 or uint16.

    Raises:
        Rejection: the header disagrees with `shape`, or the stream is not one grey lossless image.
    """
    if not stream.rstrip(b"\0").endswith(IMAGE_END):  # the decoder would fill what is missing and say nothing
        raise Rejection("undecodable DICOM", "JPEG ends early")
    precision, rows, columns, components = _frame_header(stream)
    if (rows, columns) != shape:
        raise Rejection("absurd image size", "JPEG and DICOM headers disagree")
    if components != 1 or not 2 <= precision <= 16:
        raise Rejection("not a single grey image", f"JPEG of {components} components")
    try:
        pixels = libjpeg.decode(stream)
    except Exception as error:  # the decoder raises whatever a damaged stream leads to
        raise Rejection("undecodable DICOM", type(error).__name__) from error
    if pixels.shape != shape:
        raise Rejection("undecodable DICOM", "JPEG size")
    return pixels


def _frame_header(stream: bytes) -> tuple[int, int, int, int]:
    """Return bits, rows, columns and components of the only frame header in front of the scan."""
    found, at = None, 2
    while stream.startswith(b"\xff\xd8") and at + 10 <= len(stream) and stream[at] == 0xFF:
        marker = stream[at + 1]
        if marker == SCAN and found:
            return found
        if marker in OTHER_FRAMES or (marker == LOSSLESS_FRAME and found):
            break
        if marker == LOSSLESS_FRAME:
            found = struct.unpack_from(">BHHB", stream, at + 4)
        at += 1 if marker == 0xFF else 2 + struct.unpack_from(">H", stream, at + 2)[0]  # 0xFF: fill byte
    raise Rejection("undecodable DICOM", "JPEG markers")
