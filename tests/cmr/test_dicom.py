"""Our reader of DICOM against pydicom, and files that were made to hurt."""

import io
import struct
import time

import numpy as np
import pydicom
import pytest
from cmr.dicom_zips import jpeg_lossless
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian, JPEGLossless

from cmr2ecg.cmr.dicom import read_frame, read_header
from cmr2ecg.raw.rejection import Rejection

NATIVE = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
SHAPE = (20, 24)


def dataset(bits=16, stored=12, signed=False, shape=SHAPE, seed=0):
    """A frame with what scanners put in front of the pixels: private elements and nested sequences."""
    rng = np.random.default_rng(seed)
    found = Dataset()
    found.SeriesDescription, found.SeriesInstanceUID = "CINE_segmented_SAX_b3", "1.2.3"
    found.InstanceNumber, found.TriggerTime, found.CardiacNumberOfImages = 7, 123.5, 50
    found.ImagePositionPatient = [-1.5, 2.25, 1e2]
    found.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    found.PixelSpacing = [1.5, 2.5]
    found.Rows, found.Columns = shape
    found.SamplesPerPixel, found.PhotometricInterpretation = 1, "MONOCHROME2"
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = bits, stored, stored - 1, signed
    low, high = (-(1 << stored - 1), 1 << stored - 1) if signed else (0, 1 << stored)
    found.PixelData = rng.integers(low, high, shape).astype(f"{'i' if signed else 'u'}{bits // 8}").tobytes()
    inner, outer = Dataset(), Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3.4"
    inner.SeriesDescription = "not this one"
    outer.ReferencedImageSequence = Sequence([inner, inner])
    found.ReferencedImageSequence = Sequence([outer, outer])
    block = found.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x08, "CS", "IMAGE NUM 4")
    block.add_new(0x0B, "OB", rng.bytes(50_000))
    return found


def encode(found, syntax, undefined=False):
    """Return a DICOM file; `undefined` gives sequences and items undefined lengths."""
    if syntax == ExplicitVRBigEndian and found.BitsAllocated == 16:
        found.PixelData = np.frombuffer(found.PixelData, "<u2").astype(">u2").tobytes()
    if undefined:
        found["ReferencedImageSequence"].is_undefined_length = True
        for item in found.ReferencedImageSequence:
            item.is_undefined_length_sequence_item = True
            item["ReferencedImageSequence"].is_undefined_length = True
    return _write(found, syntax)


def _write(found, syntax):
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = syntax
    found.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4"
    found.file_meta.MediaStorageSOPInstanceUID = "1.2.3.5"
    found.SOPClassUID, found.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.4", "1.2.3.5"
    buffer = io.BytesIO()
    kinds = {"implicit_vr": syntax.is_implicit_VR, "little_endian": syntax.is_little_endian}
    found.preamble = bytes(128)
    pydicom.dcmwrite(buffer, found, **kinds, force_encoding=True)
    return buffer.getvalue()


def reason_of(content):
    with pytest.raises(Rejection) as caught:
        read_frame(content)
    return caught.value.reason


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("undefined", [False, True])
@pytest.mark.parametrize(
    ("bits", "stored", "signed"), [(16, 12, False), (16, 16, False), (16, 12, True), (16, 16, True), (8, 8, False)]
)
def test_the_same_as_pydicom(syntax, undefined, bits, stored, signed):
    content = encode(dataset(bits, stored, signed), syntax, undefined)
    theirs, ours = pydicom.dcmread(io.BytesIO(content)), read_frame(content)
    np.testing.assert_array_equal(ours.pixels, theirs.pixel_array)
    assert ours.pixels.dtype == theirs.pixel_array.dtype.newbyteorder("=")
    assert (ours.series, ours.series_uid) == (theirs.SeriesDescription, theirs.SeriesInstanceUID)
    assert (ours.trigger_ms, ours.instance, ours.frames) == (123.5, 7, 50)
    assert (ours.spacing_mm, ours.rescale) == ((1.5, 2.5), (1.0, 0.0))
    header = read_header(content)
    assert header.complete and header.series == theirs.SeriesDescription
    assert header.position == tuple(theirs.ImagePositionPatient)
    assert header.orientation == tuple(theirs.ImageOrientationPatient)


@pytest.mark.parametrize("syntax", NATIVE)
def test_the_start_of_a_file_says_what_it_lacks(syntax):
    content = encode(dataset(), syntax)
    assert not read_header(content[:4096]).complete  # 50 kB of private data stand in front of the position
    assert read_header(content[:65_536]).complete


def test_bits_beyond_those_stored_are_dropped():
    """Old files keep overlays in the upper bits; pydicom leaves them to the caller."""
    found = dataset()
    pixels = np.frombuffer(found.PixelData, np.uint16).reshape(SHAPE)
    found.PixelData = (pixels | 0x8000).tobytes()
    np.testing.assert_array_equal(read_frame(encode(found, ExplicitVRLittleEndian)).pixels, pixels)
    found = dataset(signed=True)
    pixels = np.frombuffer(found.PixelData, np.int16).reshape(SHAPE)
    found.PixelData = (pixels & 0x0FFF).tobytes()
    np.testing.assert_array_equal(read_frame(encode(found, ExplicitVRLittleEndian)).pixels, pixels)


def test_the_scale_of_brightness_is_kept():
    found = dataset()
    found.RescaleSlope, found.RescaleIntercept = 2.5, -10
    assert read_frame(encode(found, ExplicitVRLittleEndian)).rescale == (2.5, -10.0)
    found.RescaleSlope = 0
    assert reason_of(encode(found, ExplicitVRLittleEndian)) == "absurd brightness scale"


def jpeg(found, stream=None):
    pixels = np.frombuffer(found.PixelData, np.uint16).reshape(found.Rows, found.Columns)
    found.PixelData = encapsulate([jpeg_lossless(pixels) if stream is None else stream])
    found["PixelData"].VR = "OB"
    return _write(found, JPEGLossless)


def test_jpeg_lossless_the_same_as_pydicom():
    content = jpeg(dataset())
    np.testing.assert_array_equal(read_frame(content).pixels, pydicom.dcmread(io.BytesIO(content)).pixel_array)


def test_truncated_jpeg():
    stream = jpeg_lossless(np.frombuffer(dataset().PixelData, np.uint16).reshape(SHAPE))
    content = jpeg(dataset())
    for length in range(100, 1400, 100):
        assert reason_of(content[:-length]) == "undecodable DICOM"
    for share in (0.02, 0.3, 0.6):  # the stream ends early in a file that is whole
        assert reason_of(jpeg(dataset(), stream[: int(share * len(stream))] + b"\0")) == "undecodable DICOM"


@pytest.mark.parametrize("syntax", NATIVE)
def test_truncated_or_longer_pixels(syntax):
    content = encode(dataset(), syntax)
    assert reason_of(content[:-2]) == "undecodable DICOM"
    assert reason_of(content + b"\1\2\3\4") == "undecodable DICOM"
    assert read_frame(content + bytes(6)).pixels.shape == SHAPE  # padding
    found = dataset()
    found.add_new(0xFFFCFFFC, "OB", bytes(100))  # trailing padding, the standard's way
    assert read_frame(encode(found, syntax)).pixels.shape == SHAPE


@pytest.mark.parametrize("shape", [(65535, 65535), (20, 65535), (2, 24), (0, 0)])
def test_absurd_dimensions_decode_nothing(shape):
    found = dataset()
    found.Rows, found.Columns = shape
    assert reason_of(encode(found, ExplicitVRLittleEndian)) == "absurd image size"


def preamble():
    """The start of a file up to the data set, explicit little endian."""
    content = encode(dataset(), ExplicitVRLittleEndian)
    return content[: content.index(b"\x08\x00\x16\x00UI")]


def timed(content):
    begin = time.perf_counter()
    reason = reason_of(content)
    assert time.perf_counter() - begin < 2
    return reason


def test_sequences_within_sequences_without_end():
    deep = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    assert timed(preamble() + deep * 200_000) == "undecodable DICOM"


def test_a_million_empty_elements_and_items():
    element = b"\x08\x00\x40\x11LO\0\0"
    assert timed(preamble() + element * 1_000_000) == "undecodable DICOM"
    items = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\0\0\0\0" * 1_000_000
    assert timed(preamble() + items) == "undecodable DICOM"


def test_lengths_behind_the_end():
    for length in (0xFFFFFFFE, 0x7FFFFFFF, 4096):
        assert timed(preamble() + b"\x08\x00\x40\x11OB\0\0" + struct.pack("<I", length)) == "undecodable DICOM"
    assert timed(preamble() + b"\x08\x00\x40\x11??\0\0") == "undecodable DICOM"
    assert timed(preamble()) == "not DICOM"
    assert timed(b"\0" * 128 + b"DICM") == "not DICOM"
    assert timed(b"") == "not DICOM"


def test_deflated_and_lossy_files():
    content = encode(dataset(), ExplicitVRLittleEndian)
    for uid in (b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.4.90"):
        place = content.index(b"\x02\x00\x10\x00UI")
        (length,) = struct.unpack_from("<H", content, place + 6)
        value = uid + bytes(len(uid) % 2)
        changed = content[: place + 6] + struct.pack("<H", len(value)) + value + content[place + 8 + length :]
        assert reason_of(changed) == "unsupported DICOM compression"


@pytest.mark.parametrize("syntax", [*NATIVE, JPEGLossless])
def test_random_damage_is_rejected_or_gives_a_frame_of_sane_size(syntax):
    whole = jpeg(dataset()) if syntax == JPEGLossless else encode(dataset(), syntax)
    rng = np.random.default_rng(0)
    for _ in range(150):
        content = bytearray(whole)
        front = rng.random() < 0.7  # where the numbers are that matter
        for place in rng.integers(132, 1500 if front else len(content), rng.integers(1, 8)):
            content[place] = rng.integers(256)
        try:
            frame = read_frame(bytes(content[: rng.integers(len(content) // 2, 2 * len(content))]))
        except Rejection as error:
            assert error.reason
        else:
            assert frame.pixels.ndim == 2 and frame.pixels.size <= 1024**2
