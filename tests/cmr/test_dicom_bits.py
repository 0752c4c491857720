"""Which bits of a stored number are its pixel, and compressions of it: right pixels, or a refusal."""

import io
import struct

import numpy as np
import pydicom
import pytest
from cmr.dicom_zips import jpeg_lossless
from cmr.test_dicom import NATIVE, SHAPE, _write, dataset, encode, preamble, reason_of
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGLosslessSV1, RLELossless

from cmr2ecg.cmr.dicom import read_frame, read_header


def smooth(stored, signed=False):
    """Pixels (20, 24) that use all of `stored` bits and change little from one to the next, as images do."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    share = 0.5 + 0.5 * np.sin(rows / 6) * np.cos(columns / 6)
    return np.rint(share * ((1 << stored) - 1)).astype(int) - (1 << stored - 1 if signed else 0)


def with_pixels(pixels, bits=16, stored=12, signed=False, high=None):
    found = dataset(bits, stored, signed)
    found.HighBit = stored - 1 if high is None else high
    found.PixelData = (np.asarray(pixels) & ((1 << bits) - 1)).astype(f"u{bits // 8}").tobytes()
    return found


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("bits", "stored", "high"), [(16, 12, 15), (16, 12, 13), (16, 10, 15), (8, 6, 7)])
def test_values_that_do_not_start_at_the_lowest_bit(syntax, signed, bits, stored, high):
    values = smooth(stored, signed)
    found = with_pixels(values << (high + 1 - stored), bits, stored, signed, high)
    np.testing.assert_array_equal(read_frame(encode(found, syntax)).pixels, values)


def test_a_high_bit_that_contradicts_the_pixels_is_refused():
    """Values at the low end under a header of the high end would lose their last bits."""
    for values, options in (
        (smooth(12), {"high": 15}),
        (smooth(12), {"high": 7}),
        (smooth(12), {"high": 16}),
        (smooth(12), {"stored": 16, "high": 11}),
    ):
        found = with_pixels(values, **options)
        assert reason_of(encode(found, ExplicitVRLittleEndian)) == "undecodable DICOM"


def test_a_file_that_does_not_name_its_high_bit():
    found = with_pixels(smooth(12))
    del found.HighBit
    np.testing.assert_array_equal(read_frame(encode(found, ExplicitVRLittleEndian)).pixels, smooth(12))


@pytest.mark.parametrize("stored", [6, 8, 10, 11])
def test_more_bits_than_the_header_says_do_not_wrap(stored):
    assert reason_of(encode(with_pixels(smooth(12), stored=stored), ExplicitVRLittleEndian)) == "undecodable DICOM"


def test_an_overlay_in_the_upper_bits_is_dropped():
    values, rows = smooth(12), np.arange(SHAPE[0])[:, None]
    overlay = np.where((rows + np.arange(SHAPE[1])) % 7 == 0, 0x8000, 0) | np.where(rows > 9, 0x1000, 0)
    np.testing.assert_array_equal(
        read_frame(encode(with_pixels(values | overlay), ExplicitVRLittleEndian)).pixels, values
    )


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        *(("PhotometricInterpretation", kind) for kind in ("MONOCHROME1", "PALETTE COLOR", "YBR_FULL")),
        *(("SamplesPerPixel", 3), ("BitsAllocated", 32), ("BitsAllocated", 1), ("PixelRepresentation", 2)),
        *(("BitsStored", 17), ("BitsStored", 0), ("NumberOfFrames", 2)),
    ],
)
def test_what_is_not_one_grey_image_is_refused(tag, value):
    found = with_pixels(smooth(12))
    setattr(found, tag, value)
    assert reason_of(encode(found, ExplicitVRLittleEndian)) == "not a single grey image"


def test_a_scale_of_brightness_that_is_no_number_is_refused():
    content = encode(scaled("7.5"), ExplicitVRLittleEndian)
    assert read_frame(content).rescale == (7.5, 0.0)
    assert reason_of(content.replace(b"7.5 ", b"7,5 ")) == "absurd brightness scale"
    assert read_frame(content.replace(b"7.5 ", b"    ")).rescale == (1.0, 0.0)


def scaled(slope):
    found = with_pixels(smooth(12))
    found.RescaleSlope, found.RescaleIntercept = slope, "0"
    return found


def rle(found, change=lambda stream: stream):
    """Compress a data set with pydicom; `change` edits the image's stream."""
    found.file_meta = pydicom.dataset.FileMetaDataset()
    found.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    found.compress(RLELossless, encoding_plugin="pydicom")
    found.PixelData = encapsulate([change(next(pydicom.encaps.generate_frames(found.PixelData, number_of_frames=1)))])
    return _write(found, RLELossless)


@pytest.mark.parametrize(
    ("bits", "stored", "signed"), [(16, 12, False), (16, 16, False), (16, 12, True), (16, 16, True), (8, 8, False)]
)
@pytest.mark.parametrize("noise", [False, True])
def test_rle_lossless_the_same_as_pydicom(bits, stored, signed, noise):
    found = dataset(bits, stored, signed)
    if not noise:
        found = with_pixels(smooth(stored, signed) // 64 * 64, bits, stored, signed)
    content = rle(found)
    np.testing.assert_array_equal(read_frame(content).pixels, pydicom.dcmread(io.BytesIO(content)).pixel_array)


@pytest.mark.parametrize(
    "change",
    [
        lambda stream: stream[:40],
        lambda stream: stream[:-20],
        lambda stream: stream + b"\x05",
        lambda stream: struct.pack("<I", 1) + stream[4:],
        lambda stream: struct.pack("<I", 15) + stream[4:],
        lambda stream: stream[:8] + struct.pack("<I", 2**32 - 1) + stream[12:],
        lambda stream: stream[:4] + struct.pack("<2I", 70, 66) + stream[12:],
        lambda stream: stream[:64] + b"\x81\0" * 4_000_000,  # 500 MB of zeros in 8 MB
    ],
)
def test_damaged_rle_is_refused(change):
    assert reason_of(rle(dataset(), change)) == "undecodable DICOM"


def test_jpeg_of_values_that_do_not_start_at_the_lowest_bit():
    found = with_pixels(smooth(12) << 4, high=15)
    found.PixelData = encapsulate([jpeg_lossless((smooth(12) << 4).astype(np.uint16))])
    found["PixelData"].VR = "OB"
    np.testing.assert_array_equal(read_frame(_write(found, JPEGLosslessSV1)).pixels, smooth(12))
    found.BitsAllocated = found.BitsStored = 8
    found.HighBit = 7
    assert reason_of(_write(found, JPEGLosslessSV1)) == "undecodable DICOM"


ZEROS = [
    b"\0\0" + struct.pack("<H", 6) + b"ANONYM",
    b"\0\0\0\0" + struct.pack("<I", 6) + b"ANONYM",
    b"\0\0\0\0",
    struct.pack("<I", 6) + b"ANONYM",  # as without representations
]


@pytest.mark.parametrize("rest", ZEROS)
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_representation_of_zeros(rest, syntax):
    """In an element nobody asked for, at the top and in a sequence, in front of what is wanted."""
    if syntax == ExplicitVRBigEndian:
        rest = rest.replace(b"\6\0\0\0", b"\0\0\0\6").replace(b"\6\0", b"\0\6")
    order = "<" if syntax == ExplicitVRLittleEndian else ">"
    frame = dataset()
    for inner in (inner for outer in frame.ReferencedImageSequence for inner in outer.ReferencedImageSequence):
        inner.is_undefined_length_sequence_item = True
    content = encode(frame, syntax, undefined=True)
    place = content.index(struct.pack(f"{order}2H2s", 0x0008, 0x103E, b"LO"))
    changed = content[:place] + struct.pack(f"{order}2H", 0x0008, 0x1030) + rest + content[place:]
    item = changed.index(b"not this one") + len(b"not this one")
    changed = changed[:item] + struct.pack(f"{order}2H", 0x0008, 0x1040) + rest + changed[item:]
    sound, found = read_frame(content), read_frame(changed)
    np.testing.assert_array_equal(found.pixels, sound.pixels)
    assert (found.series, found.instance, found.spacing_mm) == (sound.series, sound.instance, sound.spacing_mm)
    assert read_header(changed) == read_header(content)


def test_a_representation_of_zeros_at_the_end_of_what_was_read_asks_for_more():
    head = preamble() + b"\x08\x00\x40\x11\0\0" + struct.pack("<H", 5000)
    assert not read_header(head + bytes(100)).complete
    assert reason_of(head + bytes(100)) == "undecodable DICOM"


@pytest.mark.parametrize("position", [[0, 0, 0], ["0.0", "-0", "0"], [1, 2, 9e30]])
def test_a_position_that_cannot_be_one(position):
    found = dataset()
    found.ImagePositionPatient = position
    assert read_header(encode(found, ExplicitVRLittleEndian)).position is None
