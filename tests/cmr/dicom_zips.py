"""Copies of a short-axis zip with something changed in its DICOM files."""

import io
import struct
import zipfile

import numpy as np
import pydicom
from cohort.raw_files import stack

SLICES, FRAMES, SIDE = 8, 12, 48
VOLUME = stack(SLICES, FRAMES, SIDE)
MIDDLE = "CINE_segmented_SAX_b5"


def present(cine):
    """Return the frames of a beat that are no copies."""
    return cine.pixels[np.array(cine.taken) == np.arange(len(cine.pixels))] if cine.taken else cine.pixels


def rewritten(source, target, change, keep=lambda name: True):
    """Copy a zip; `change(dataset)` edits each DICOM file or returns bytes in its place."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in filter(keep, old.namelist()):
            content = old.read(name)
            if name.endswith(".dcm"):
                dataset = pydicom.dcmread(io.BytesIO(content))
                result = change(dataset)
                if isinstance(result, bytes):
                    content = result
                else:
                    buffer = io.BytesIO()
                    syntax = dataset.file_meta.TransferSyntaxUID
                    pydicom.dcmwrite(
                        buffer,
                        dataset,
                        implicit_vr=syntax.is_implicit_VR,
                        little_endian=syntax.is_little_endian,
                        force_encoding=True,
                    )
                    content = buffer.getvalue()
            new.writestr(name, content)
    return target


def jpeg_lossless(pixels, selection=1, precision=16, restart=0, shift=0):
    """Encode pixels as JPEG process 14, with a Huffman code of 5 bits for every size; `restart`: rows between."""
    image = pixels.astype(int)
    rows, columns = image.shape
    step = restart or rows
    pieces = [image[first : first + step] for first in range(0, rows, step)]
    coded = [_huffman(piece - _predictions(piece, selection, precision)) for piece in pieces]
    data = b"".join(bytes([0xFF, 0xD0 + (k - 1) % 8]) * (k > 0) + piece for k, piece in enumerate(coded))
    frame = struct.pack(">BHHB3B", precision, rows, columns, 1, 1, 0x11, 0)
    huffman = bytes([0, *[0] * 4, 17, *[0] * 11, *range(17)])
    scan = bytes([1, 1, 0, selection, 0, shift])
    segments = [(0xC3, frame), (0xC4, huffman), *[(0xDD, struct.pack(">H", restart * columns))] * (restart > 0)]
    header = b"".join(struct.pack(">BBH", 0xFF, code, len(body) + 2) + body for code, body in [*segments, (0xDA, scan)])
    return b"\xff\xd8" + header + data + b"\xff\xd9"


def _predictions(image, selection, precision):
    """T.81, table H.1; the first row from the left, the first column from above."""
    left, above, corner = (np.zeros_like(image) for _ in range(3))
    left[:, 1:], above[1:], corner[1:, 1:] = image[:, :-1], image[:-1], image[:-1, :-1]
    guess = {
        1: left,
        2: above,
        3: corner,
        4: left + above - corner,
        5: left + ((above - corner) >> 1),
        6: above + ((left - corner) >> 1),
        7: (left + above) >> 1,
    }[selection].copy()
    guess[0, 1:], guess[1:, 0], guess[0, 0] = image[0, :-1], image[:-1, 0], 1 << precision - 1
    return guess


def _huffman(differences):
    bits = []
    for difference in differences.ravel().tolist():
        wrapped = (difference + 32767) % 65536 - 32767  # T.81, H.1.2.1: modulo 2^16
        size = abs(wrapped).bit_length()
        low = wrapped if wrapped >= 0 else wrapped + (1 << size) - 1
        bits.append(f"{size:05b}" + (f"{low:0{size}b}" if 0 < size < 16 else ""))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
