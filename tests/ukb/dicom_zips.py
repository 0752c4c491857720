"""Copies of a short-axis zip with something changed in its DICOM files."""

import io
import struct
import zipfile

import numpy as np
import pydicom
from data.raw_files import stack

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


def jpeg_lossless(pixels):
    """Encode 16-bit pixels as JPEG process 14, selection value 1, with a Huffman code of 5 bits for every size."""
    rows, columns = pixels.shape
    image = pixels.astype(int)
    guess = np.empty_like(image)
    guess[:, 1:] = image[:, :-1]
    guess[1:, 0] = image[:-1, 0]
    guess[0, 0] = 1 << 15
    bits = []
    for difference in (image - guess).ravel().tolist():
        size = abs(difference).bit_length()
        low = difference if difference >= 0 else difference + (1 << size) - 1
        bits.append(f"{size:05b}" + (f"{low:0{size}b}" if 0 < size < 16 else ""))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    frame = struct.pack(">BHHB3B", 16, rows, columns, 1, 1, 0x11, 0)
    huffman = bytes([0, *[0] * 4, 17, *[0] * 11, *range(17)])
    scan = bytes([1, 1, 0, 1, 0, 0])
    segments = [(0xC3, frame), (0xC4, huffman), (0xDA, scan)]
    header = b"".join(struct.pack(">BBH", 0xFF, code, len(body) + 2) + body for code, body in segments)
    return b"\xff\xd8" + header + data + b"\xff\xd9"
