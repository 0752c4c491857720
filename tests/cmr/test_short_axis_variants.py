"""Short-axis zips as they are met in practice: each with one thing different from the usual."""

import io
import tracemalloc
import zipfile

import numpy as np
import pydicom
import pytest
from cmr.dicom_zips import FRAMES, MIDDLE, SLICES, VOLUME, jpeg_lossless, present, rewritten
from cohort.raw_files import stack

from cmr2ecg.cmr.crop import crop_heart
from cmr2ecg.cmr.short_axis import MAX_PIXELS, read_middle_slice
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.simulate.sax_zip import write_sax_zip


def in_middle(change):
    """Apply `change(dataset, nth frame)` to the middle slice alone; what it returns replaces the file."""
    count = []

    def apply(dataset):
        if dataset.SeriesDescription != MIDDLE:
            return None
        count.append(1)
        return change(dataset, len(count) - 1)

    return apply


def reason_of(path, **limits):
    with pytest.raises(Rejection) as caught:
        read_middle_slice(path, **{"minimum_slices": 8, **limits})
    return caught.value.reason


def appended(path, change):
    """Add a changed copy of each file of the middle slice under another name; None leaves it out."""
    with zipfile.ZipFile(path, "a") as archive:
        for name in archive.namelist():
            dataset = pydicom.dcmread(io.BytesIO(archive.read(name))) if name.endswith(".dcm") else None
            if dataset is not None and dataset.SeriesDescription == MIDDLE:
                if change(dataset) is False:
                    continue
                buffer = io.BytesIO()
                dataset.save_as(buffer)
                archive.writestr(f"again_{name}", buffer.getvalue())
    return path


@pytest.mark.parametrize(("shape", "frames"), [((40, 60), 12), ((64, 48), 25), ((96, 96), 30), ((33, 47), 11)])
def test_other_matrix_sizes_and_frame_counts(tmp_path, shape, frames):
    volume = np.random.default_rng(0).integers(200, 600, (8, frames, *shape)).astype(np.uint16)
    write_sax_zip(tmp_path / "x.zip", volume, pixel_spacing_mm=2.0, seed=1)
    cine = read_middle_slice(tmp_path / "x.zip", 8)
    np.testing.assert_array_equal(cine.pixels, volume[4])
    assert cine.notes == ()


def test_pixels_that_are_not_square(tmp_path):
    side, good = 96, tmp_path / "good.zip"
    write_sax_zip(good, stack(SLICES, FRAMES, side), pixel_spacing_mm=4.0, seed=3)

    def change(dataset, _):
        dataset.PixelData = np.repeat(dataset.pixel_array, 2, axis=0).tobytes()
        dataset.Rows, dataset.PixelSpacing = 2 * side, [2.0, 4.0]

    cine = read_middle_slice(rewritten(good, tmp_path / "x.zip", in_middle(change)), 8)
    assert (cine.spacing_mm, cine.pixels.shape) == ((2.0, 4.0), (FRAMES, 2 * side, side))
    image, plain = (crop_heart(found, size=64, box_mm=142.0) for found in (cine, read_middle_slice(good, 8)))
    assert (image.box[2], image.box[3]) == (71.0, 35.5)  # the same millimetres both ways
    np.testing.assert_allclose(np.add(image.centre, 0.5) / (2, 1), np.add(plain.centre, 0.5), atol=1)


@pytest.mark.parametrize("signed", [0, 1])
def test_8_bits_and_signed_pixels(good, tmp_path, signed):
    def change(dataset):
        pixels = dataset.pixel_array // 16 if signed == 0 else dataset.pixel_array.astype(np.int16) - 100
        dataset.PixelRepresentation = signed
        if signed == 0:
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
            pixels = pixels.astype(np.uint8)
        dataset.PixelData = pixels.tobytes()

    cine = read_middle_slice(rewritten(good, tmp_path / "x.zip", change), 8)
    expected = VOLUME[4] // 16 if signed == 0 else VOLUME[4].astype(int) - 100
    np.testing.assert_array_equal(cine.pixels, expected)
    assert cine.pixels.dtype == (np.int16 if signed else np.uint8)


def test_frames_with_scales_of_their_own(good, tmp_path):
    def change(dataset, index):
        slope, intercept = 1 + index % 3, 30 * (index % 3)
        dataset.RescaleSlope, dataset.RescaleIntercept = slope, -intercept
        dataset.PixelData = ((dataset.pixel_array + intercept) // slope).tobytes()

    cine = read_middle_slice(rewritten(good, tmp_path / "x.zip", in_middle(change)), 8)
    np.testing.assert_allclose(cine.pixels, VOLUME[4], atol=3)


@pytest.mark.parametrize("known", [True, False])
def test_missing_frames_are_noticed_and_noted(good, tmp_path, known):
    def change(dataset):
        if not known:
            del dataset.CardiacNumberOfImages

    path = rewritten(good, tmp_path / "all.zip", change)
    with zipfile.ZipFile(path) as archive:
        middle = [name for name in archive.namelist() if MIDDLE.encode() in archive.read(name)]
    gone = set([name for name in middle if name.endswith(".dcm")][3:5])
    path = rewritten(path, tmp_path / "x.zip", lambda dataset: None, lambda name: name not in gone)
    cine = read_middle_slice(path, 8)
    np.testing.assert_array_equal(present(cine), np.delete(VOLUME[4], [3, 4], axis=0))
    assert (cine.missing, cine.notes) == (2, ("frames missing: 2",))  # InstanceNumber tells, where nothing else does
    assert reason_of(path, minimum_frames=11) == "too few frames"
    assert reason_of(path, max_missing_frames=0.1) == "too few frames"


def test_undecodable_frames_are_noted(good, tmp_path):
    def change(dataset, index):
        return b"rubbish" if index in (2, 7) else None

    cine = read_middle_slice(rewritten(good, tmp_path / "x.zip", in_middle(change)), 8)
    np.testing.assert_array_equal(present(cine), np.delete(VOLUME[4], [2, 7], axis=0))
    assert cine.notes == ("frames undecodable: 2",)


def test_frames_of_another_size_or_with_a_hole_are_left_out(good, tmp_path):
    def change(dataset, index):
        if index == 4:
            dataset.Rows = dataset.Columns = 16
            dataset.PixelData = dataset.PixelData[:512]
        if index == 9:
            pixels = dataset.pixel_array.copy()
            pixels[20:30] = 0
            dataset.PixelData = pixels.tobytes()

    cine = read_middle_slice(rewritten(good, tmp_path / "x.zip", in_middle(change)), 8)
    np.testing.assert_array_equal(present(cine), np.delete(VOLUME[4], [4, 9], axis=0))
    assert cine.missing == 2
    assert cine.notes == ("frames of another size: 1", "frames that do not fit: 1")


def test_an_acquisition_that_was_broken_off_does_not_replace_a_whole_one(good, tmp_path):
    path = rewritten(good, tmp_path / "x.zip", lambda dataset: None)

    def again(dataset):
        dataset.SeriesInstanceUID += ".9"
        return dataset.InstanceNumber <= 5

    cine = read_middle_slice(appended(path, again), 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[4])
    assert cine.notes == ("times the slice was taken: 2",)


def test_frames_taken_twice_in_one_series_keep_the_later(good, tmp_path):
    path = rewritten(good, tmp_path / "x.zip", lambda dataset: None)

    def again(dataset):
        dataset.InstanceNumber += FRAMES
        dataset.PixelData = (dataset.pixel_array + 1).tobytes()

    cine = read_middle_slice(appended(path, again), 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[4] + 1)
    assert cine.notes == ("frames taken again",)


def test_frames_without_trigger_times_are_sorted_by_number(good, tmp_path):
    def change(dataset, index):
        if index % 2:
            del dataset.TriggerTime
        dataset.SOPInstanceUID += f".{(7 * index) % 12}"

    path = rewritten(good, tmp_path / "x.zip", in_middle(change))
    np.testing.assert_array_equal(read_middle_slice(path, 8).pixels, VOLUME[4])

    def neither(dataset, _):
        dataset.TriggerTime, dataset.InstanceNumber = 5, 1

    path = rewritten(good, tmp_path / "y.zip", in_middle(neither))
    assert reason_of(path) == "frames without an order in time"


@pytest.mark.parametrize("manifest", ["manifest.csv", None])
def test_a_stack_numbered_from_the_apex(tmp_path, manifest):
    """The volume's slice 0 is the base; here b1 is the apex, with positions to match."""
    write_sax_zip(tmp_path / "plain.zip", VOLUME, pixel_spacing_mm=4.0, seed=3, manifest=None)

    def change(dataset):
        name = dataset.SeriesDescription
        if "_b" in name:
            dataset.SeriesDescription = f"CINE_segmented_SAX_b{SLICES + 1 - int(name.rsplit('b', 1)[1])}"

    path = rewritten(tmp_path / "plain.zip", tmp_path / "x.zip", change)
    if manifest:
        with zipfile.ZipFile(path, "a") as archive:
            names = [name for name in archive.namelist() if name.endswith(".dcm")]
            series = [pydicom.dcmread(io.BytesIO(archive.read(name))).SeriesDescription for name in names]
            lines = [f"{name},{text}" for name, text in zip(names, series, strict=True)]
            archive.writestr(manifest, "\n".join(["filename,series discription", *lines]))
    cine = read_middle_slice(path, 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[4])
    assert (cine.slice_index, cine.notes) == (4, ("slices numbered from the apex",))


def test_one_mixed_series_with_a_manifest(good, tmp_path):
    def change(dataset):
        if "_b" in dataset.SeriesDescription:
            dataset.SeriesDescription = "CINE_segmented_SAX"
            dataset.SeriesInstanceUID = "1.2.3"
            dataset.InstanceNumber += 100  # not unique in the whole series, as one would be
            del dataset.TriggerTime

    path = rewritten(good, tmp_path / "x.zip", change, lambda name: not name.startswith("manifest"))
    cine = read_middle_slice(path, 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[4])
    assert (cine.slices, cine.notes) == (8, ())
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dcm")]
        listed = [pydicom.dcmread(io.BytesIO(archive.read(name))).SeriesDescription for name in names]
    with zipfile.ZipFile(path, "a") as archive:
        rows = [f"{name},{text}" for name, text in zip(names, listed, strict=True)]
        archive.writestr("manifest.cvs", "\n".join(["filename,series description", *rows]))
    np.testing.assert_array_equal(read_middle_slice(path, 8).pixels, VOLUME[4])


def test_the_inline_series_is_never_read(tmp_path):
    """InlineVF repeats frames of every slice under a name that starts the same way."""
    write_sax_zip(tmp_path / "x.zip", VOLUME[:7], pixel_spacing_mm=4.0, seed=3, inline_vf=True)
    assert reason_of(tmp_path / "x.zip") == "too few slices"


def test_jpeg_with_a_frame_that_ends_early(good, tmp_path):
    def change(dataset, index):
        stream = jpeg_lossless(dataset.pixel_array)
        if index == 3:
            stream = stream[: len(stream) // 2]
        dataset.PixelData = pydicom.encaps.encapsulate([stream])
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.JPEGLosslessSV1

    cine = read_middle_slice(rewritten(good, tmp_path / "x.zip", in_middle(change)), 8)
    np.testing.assert_array_equal(present(cine), np.delete(VOLUME[4], 3, axis=0))
    assert cine.notes == ("frames undecodable: 1",)


def test_peak_memory_of_a_small_zip_with_very_many_pixels_is_bounded(tmp_path):
    """A slice of 200 frames of 1024 x 1024 zeros, 400 MB in a zip of 2 MB: the reading stops at the bound."""
    write_sax_zip(tmp_path / "x.zip", np.zeros((8, 12, 16, 16), np.uint16), pixel_spacing_mm=4.0, seed=3, manifest=None)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        frames = {name: archive.read(name) for name in archive.namelist()}
    frame = next(content for content in frames.values() if MIDDLE.encode() in content)
    dataset = pydicom.dcmread(io.BytesIO(frame))
    dataset.Rows = dataset.Columns = 1024
    dataset.PixelData = bytes(2 * 1024 * 1024)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    with zipfile.ZipFile(tmp_path / "x.zip", "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in range(200):
            archive.writestr(f"{number}.dcm", buffer.getvalue())
    assert (tmp_path / "x.zip").stat().st_size < 5_000_000
    tracemalloc.start()
    try:
        assert reason_of(tmp_path / "x.zip") == "too many pixels in one slice"
        assert tracemalloc.get_traced_memory()[1] < 1.2 * 2 * MAX_PIXELS
    finally:
        tracemalloc.stop()
