import io
import zipfile

import numpy as np
import pydicom
import pytest
from cmr.dicom_zips import FRAMES, MIDDLE, SLICES, VOLUME, jpeg_lossless, present, rewritten
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian, JPEGLosslessSV1

from cmr2ecg.cmr.archive import open_archive
from cmr2ecg.cmr.series import slice_number
from cmr2ecg.cmr.short_axis import read_middle_slice
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.simulate.sax_zip import write_sax_zip


def without_manifest(name):
    return not name.startswith("manifest")


def reason_of(path, minimum=8):
    with pytest.raises(Rejection) as caught:
        read_middle_slice(path, minimum)
    return caught.value.reason


@pytest.mark.parametrize("manifest", ["manifest.csv", "manifest.cvs", None])
def test_the_middle_slice_comes_back(tmp_path, manifest):
    path = tmp_path / "x.zip"
    write_sax_zip(path, VOLUME, pixel_spacing_mm=1.83, manifest=manifest, seed=3)
    cine = read_middle_slice(path, 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[SLICES // 2])
    assert (cine.spacing_mm, cine.slice_index, cine.slices, cine.missing) == ((1.83, 1.83), 4, 8, 0)


def test_only_the_middle_slice_is_decompressed(good, monkeypatch):
    opened = []
    original = zipfile.ZipFile.open

    def spy(self, name, *args, **kwargs):
        opened.append(getattr(name, "filename", name))
        return original(self, name, *args, **kwargs)

    monkeypatch.setattr(zipfile.ZipFile, "open", spy)
    read_middle_slice(good, 8)
    assert len(opened) == 1 + SLICES + 2 + FRAMES  # the manifest, the start of one file a series, the middle slice


def test_a_manifest_that_lies_is_noticed(good, tmp_path):
    def change(dataset):
        if dataset.SeriesDescription == MIDDLE:
            dataset.SeriesDescription = "CINE_segmented_SAX_InlineVF"

    cine = read_middle_slice(rewritten(good, tmp_path / "x.zip", change), 7)
    np.testing.assert_array_equal(cine.pixels, VOLUME[SLICES // 2 - 1])
    assert (cine.slices, cine.notes) == (7, ("gap in the slice numbers", "gap in the stack"))


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_other_encodings_give_the_same_pixels(good, tmp_path, syntax):
    def change(dataset):
        if syntax == ExplicitVRBigEndian:
            dataset.PixelData = dataset.pixel_array.astype(">u2").tobytes()
        dataset.file_meta.TransferSyntaxUID = syntax

    path = rewritten(good, tmp_path / "x.zip", change, without_manifest)
    np.testing.assert_array_equal(read_middle_slice(path, 8).pixels, VOLUME[SLICES // 2])


def test_jpeg_lossless_gives_the_same_pixels(good, tmp_path):
    def change(dataset):
        dataset.PixelData = encapsulate([jpeg_lossless(dataset.pixel_array)])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1

    path = rewritten(good, tmp_path / "x.zip", change)
    np.testing.assert_array_equal(read_middle_slice(path, 8).pixels, VOLUME[SLICES // 2])

    def enlarge(dataset):
        data = jpeg_lossless(dataset.pixel_array)
        place = data.index(b"\xff\xc3") + 5
        change(dataset)
        dataset.PixelData = encapsulate([data[:place] + b"\xff\xff\xff\xff" + data[place + 4 :]])

    assert reason_of(rewritten(good, tmp_path / "big.zip", enlarge)) == "absurd image size"


def test_names_in_other_spelling():
    assert slice_number("CINE_segmented_SAX_b12") == 12
    assert slice_number("cine segmented sax B3a") == 3
    assert slice_number("CINE_segmented_SAX_InlineVF") is None
    assert slice_number("CINE_segmented_LAX_4Ch") is None


def test_one_mixed_series_is_sorted_by_position(good, tmp_path):
    def change(dataset):
        if "_b" in dataset.SeriesDescription:
            dataset.SeriesDescription = "CINE_segmented_SAX"

    path = rewritten(good, tmp_path / "x.zip", change, without_manifest)
    np.testing.assert_array_equal(read_middle_slice(path, 8).pixels, VOLUME[SLICES // 2])


def test_frames_are_sorted_by_trigger_time_and_of_two_acquisitions_the_last_counts(good, tmp_path):
    rng = np.random.default_rng(0)

    def change(dataset):
        if dataset.SeriesDescription == MIDDLE:
            dataset.InstanceNumber = int(rng.integers(1, 10**6))

    path = rewritten(good, tmp_path / "x.zip", change)
    with zipfile.ZipFile(path, "a") as archive:
        for name in archive.namelist():
            if name.endswith(".dcm"):
                dataset = pydicom.dcmread(io.BytesIO(archive.read(name)))
                if dataset.SeriesDescription == MIDDLE:
                    dataset.SeriesInstanceUID += ".1"
                    dataset.PixelData = (dataset.pixel_array + 1).tobytes()
                    buffer = io.BytesIO()
                    dataset.save_as(buffer)
                    archive.writestr(f"again_{name}", buffer.getvalue())
    np.testing.assert_array_equal(read_middle_slice(path, 8).pixels, VOLUME[SLICES // 2] + 1)


def test_a_few_damaged_frames_are_counted_and_many_are_too_many(good, tmp_path):
    def damage(limit):
        seen = []

        def change(dataset):
            if dataset.SeriesDescription == MIDDLE and len(seen) < limit:
                seen.append(1)
                return b"rubbish"
            return None

        return change

    cine = read_middle_slice(rewritten(good, tmp_path / "few.zip", damage(2)), 8)
    assert (len(present(cine)), cine.missing) == (FRAMES - 2, 2)
    assert reason_of(rewritten(good, tmp_path / "many.zip", damage(4))) == "too few frames"
    assert reason_of(rewritten(good, tmp_path / "all.zip", damage(99))) == "not DICOM"


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        ("Rows", 65535, "absurd image size"),
        ("Columns", 2, "absurd image size"),
        ("Rows", 1000, "undecodable DICOM"),
        ("NumberOfFrames", 100_000, "not a single grey image"),
        ("PhotometricInterpretation", "RGB", "not a single grey image"),
        ("PixelSpacing", None, "no pixel spacing"),
        ("PixelSpacing", [1e9, 1.0], "no pixel spacing"),
    ],
)
def test_absurd_headers_are_rejected(good, tmp_path, tag, value, reason):
    def change(dataset):
        setattr(dataset, tag, value)

    assert reason_of(rewritten(good, tmp_path / "x.zip", change)) == reason


def test_too_few_slices_and_no_short_axis_series(good, tmp_path):
    assert reason_of(good, minimum=9) == "too few slices"

    def change(dataset):
        dataset.SeriesDescription = "CINE_segmented_SAX_InlineVF"

    assert reason_of(rewritten(good, tmp_path / "x.zip", change, without_manifest)) == "no short-axis series"


def test_zips_that_are_none_or_dangerous(tmp_path, good):
    empty, cut, text = tmp_path / "empty.zip", tmp_path / "cut.zip", tmp_path / "text.zip"
    empty.touch()
    cut.write_bytes(good.read_bytes()[:-1000])
    text.write_bytes(b"no zip " * 1000)
    assert {reason_of(path) for path in (empty, cut, text)} == {"not a zip"}
    assert reason_of(tmp_path / "absent.zip") == "file cannot be opened"
    for name in ("/etc/x.dcm", "../x.dcm", "a\\..\\..\\x.dcm", "C:\\x.dcm"):
        path = tmp_path / "paths.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, b"")
        assert reason_of(path) == "zip member leads out of the archive"


def test_zip_bombs_are_refused_unopened(tmp_path):
    bomb, many = tmp_path / "bomb.zip", tmp_path / "many.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.dcm", bytes(20_000_000))
    with zipfile.ZipFile(many, "w") as archive:
        for number in range(5001):
            archive.writestr(f"{number}.dcm", b"")
    assert reason_of(bomb) == "zip member too large"
    assert reason_of(many) == "too many zip members"


def test_random_damage_is_rejected_or_harmless(good, tmp_path):
    content, path = good.read_bytes(), tmp_path / "x.zip"
    rng = np.random.default_rng(0)
    for _ in range(40):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), rng.integers(1, 200)):
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            cine = read_middle_slice(path, 8)
        except Rejection as error:
            assert error.reason
        else:
            assert cine.pixels.shape[1:] == (48, 48) and 10 <= len(cine.pixels) <= FRAMES


def test_open_archive_writes_nothing(good, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_archive(good) as archive:
        assert len(archive.namelist()) > SLICES * FRAMES
    read_middle_slice(good, 8)
    assert not list(tmp_path.iterdir())
