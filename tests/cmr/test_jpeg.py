"""JPEG lossless: every prediction and restarts give back the pixels, as another decoder does; damage is refused."""

import io
import struct
import tracemalloc

import gdcm
import numpy as np
import pydicom
import pytest
from cmr.dicom_zips import jpeg_lossless
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLossless

from cmr2ecg.cmr.jpeg import decode_lossless
from cmr2ecg.raw.rejection import Rejection

SELECTIONS = range(1, 8)
SHAPE = (24, 20)


def image(precision, smooth):
    rng = np.random.default_rng(precision)
    if smooth:
        found = (1 << precision - 1) + rng.normal(0, (1 << precision) / 200, SHAPE).cumsum(axis=1)
    else:
        found = rng.integers(0, 1 << precision, SHAPE)
    return found.clip(0, (1 << precision) - 1).astype(np.uint8 if precision <= 8 else np.uint16)


@pytest.mark.parametrize("restart", [0, 1, 5, 24])
@pytest.mark.parametrize("selection", SELECTIONS)
@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("precision", [2, 8, 12, 16])
def test_the_pixels_come_back(precision, smooth, selection, restart):
    pixels = image(precision, smooth)
    found = decode_lossless(jpeg_lossless(pixels, selection, precision, restart), SHAPE)
    assert found.dtype == pixels.dtype
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("restart", [0, 5])
@pytest.mark.parametrize("selection", SELECTIONS)
def test_the_same_as_gdcm(selection, restart):
    assert gdcm.Version.GetVersion()
    found, stream = Dataset(), jpeg_lossless(image(16, True), selection, 16, restart)
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = JPEGLossless
    found.Rows, found.Columns = SHAPE
    found.SamplesPerPixel, found.PhotometricInterpretation, found.PixelRepresentation = 1, "MONOCHROME2", 0
    found.BitsAllocated, found.BitsStored, found.HighBit = 16, 16, 15
    found.PixelData = encapsulate([stream])
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, found)
    theirs = pydicom.dcmread(io.BytesIO(buffer.getvalue()), force=True)
    theirs.pixel_array_options(decoding_plugin="gdcm")
    np.testing.assert_array_equal(decode_lossless(stream, SHAPE), theirs.pixel_array)


def refusal(stream, shape=SHAPE):
    with pytest.raises(Rejection) as error:
        decode_lossless(stream, shape)
    return error.value.reason, error.value.detail


def changed(stream, place, value):
    return stream[:place] + bytes([value]) + stream[place + 1 :]


def test_what_is_no_whole_grey_lossless_image_is_refused():
    stream = jpeg_lossless(image(12, True), precision=12)
    frame, huffman, scan = (stream.index(bytes([0xFF, code])) for code in (0xC3, 0xC4, 0xDA))
    undecodable = "undecodable DICOM"
    assert refusal(stream[:-2]) == (undecodable, "JPEG ends early")
    assert refusal(stream, (20, 24)) == ("absurd image size", "JPEG and DICOM headers disagree")
    assert refusal(changed(stream, frame + 9, 3)) == ("not a single grey image", "JPEG of 3 components")
    assert refusal(changed(stream, frame + 1, 0xC0)) == (undecodable, "JPEG markers")  # a baseline image
    assert refusal(stream[:huffman] + stream[scan:]) == (undecodable, "JPEG markers")  # no table
    assert refusal(changed(stream, huffman + 5, 3)) == (undecodable, "JPEG Huffman table")  # three codes of one bit
    assert refusal(changed(stream, scan + 7, 8)) == (undecodable, "JPEG scan header")
    assert refusal(jpeg_lossless(image(12, True), precision=12, shift=2)) == (undecodable, "JPEG that is not lossless")
    assert refusal(jpeg_lossless(image(16, False), precision=12)) == (undecodable, "JPEG of damaged values")
    assert refusal(stream[: scan + 30] + stream[scan + 31 :])[0] == undecodable  # a byte is lost
    assert refusal(stream[:-2] + b"\0" + stream[-2:]) == (undecodable, "JPEG of damaged codes")  # one too many


def test_restarts_in_another_order_are_refused():
    stream = jpeg_lossless(image(12, True), precision=12, restart=5)
    first, second = stream.index(b"\xff\xd0"), stream.index(b"\xff\xd1")
    swapped = changed(changed(stream, first + 1, 0xD1), second + 1, 0xD0)
    assert refusal(swapped) == ("undecodable DICOM", "JPEG restarts")
    assert refusal(stream[:first] + stream[second:]) == ("undecodable DICOM", "JPEG restarts")


def bomb(kind):
    """15 MB that say they are 24 x 20 pixels; zipped they are some kilobytes."""
    stream = jpeg_lossless(image(12, True), precision=12, restart=1)
    huffman, scan = (stream.index(bytes([0xFF, code])) for code in (0xC4, 0xDA))
    start, size = scan + 10, 15_000_000
    if kind == "pixels":
        return stream[:start] + bytes(size) + stream[-2:]
    if kind == "restarts":
        return stream[:start] + b"".join(bytes([0xFF, 0xD0 + k % 8]) for k in range(size // 2)) + stream[-2:]
    if kind == "tables in one segment":
        body = bytes(17) * (65533 // 17)
        return stream[:huffman] + (b"\xff\xc4" + struct.pack(">H", len(body) + 2) + body) + stream[huffman:]
    return stream[:huffman] + (b"\xff\xc4\x00\x13" + bytes(17)) * (size // 21) + stream[huffman:]


@pytest.mark.parametrize("kind", ["pixels", "restarts", "tables in one segment", "tables"])
def test_a_small_image_claims_little_memory(kind):
    stream = bomb(kind)
    tracemalloc.start()
    try:
        assert refusal(stream)[0] == "undecodable DICOM"
        assert tracemalloc.get_traced_memory()[1] < 2.5 * len(stream)  # the stream itself is copied twice
    finally:
        tracemalloc.stop()


def test_most_damage_is_found():
    stream, rng, accepted = jpeg_lossless(image(12, True), precision=12), np.random.default_rng(0), 0
    start = stream.index(b"\xff\xda") + 10
    for _ in range(500):
        place = int(rng.integers(start, len(stream) - 2))
        try:
            found = decode_lossless(changed(stream, place, int(rng.integers(256))), SHAPE)
        except Rejection:
            continue
        accepted += not np.array_equal(found, image(12, True))
    assert accepted < 100  # a bit of a difference is another difference
