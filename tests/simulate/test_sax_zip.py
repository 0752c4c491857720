import io
import re
import zipfile

import numpy as np
import pydicom
import pytest

from cmr2ecg.simulate.sax_zip import APEX, write_sax_zip

SLICES, FRAMES, ROWS, COLUMNS = 8, 5, 24, 20


@pytest.fixture(scope="module")
def volume():
    return np.random.default_rng(0).integers(0, 4096, (SLICES, FRAMES, ROWS, COLUMNS)).astype(np.uint16)


def write(folder, volume, **changes):
    path = folder / "stack.zip"
    write_sax_zip(path, volume, **{"pixel_spacing_mm": 1.8, "seed": 7, "rr_ms": 900.0} | changes)
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory, volume):
    with zipfile.ZipFile(write(tmp_path_factory.mktemp("zip"), volume)) as archive:
        names = [name for name in archive.namelist() if name.endswith(".dcm")]
        return {name: pydicom.dcmread(io.BytesIO(archive.read(name))) for name in names}


@pytest.fixture(scope="module")
def stack(images):
    """Images of the slices by (slice, frame)."""
    found = {}
    for image in images.values():
        if match := re.fullmatch(r"CINE_segmented_SAX_b(\d+)", image.SeriesDescription):
            found[int(match[1]) - 1, int(image.InstanceNumber) - 1] = image
    return found


def test_every_frame_is_there_with_its_pixels(stack, volume):
    assert sorted(stack) == [(k, t) for k in range(SLICES) for t in range(FRAMES)]
    for (k, t), image in stack.items():
        np.testing.assert_array_equal(image.pixel_array, volume[k, t])
        assert image.BitsStored == 12
        assert image.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian


def test_one_series_a_slice_and_no_identifier_twice(images, stack):
    series = {k: {stack[k, t].SeriesInstanceUID for t in range(FRAMES)} for k in range(SLICES)}
    assert all(len(uids) == 1 for uids in series.values())
    assert len(set.union(*series.values())) == SLICES
    assert len({image.SOPInstanceUID for image in images.values()}) == len(images)
    for name, image in images.items():
        assert name == f"{image.SOPInstanceUID}.dcm"
        assert image.file_meta.MediaStorageSOPInstanceUID == image.SOPInstanceUID
        assert pydicom.uid.UID(image.SOPInstanceUID).is_valid
    assert len({image.StudyInstanceUID for image in images.values()}) == 1


def test_times_divide_the_beat(stack):
    for (_, t), image in stack.items():
        assert float(image.TriggerTime) == pytest.approx(t * 900 / FRAMES, abs=0.05)
        assert image.CardiacNumberOfImages == FRAMES
        assert image.NominalInterval == 900


def test_slices_are_parallel_and_10_mm_apart_from_base_to_apex(stack):
    places = np.array([stack[k, 0].ImagePositionPatient for k in range(SLICES)], dtype=float)
    steps = np.diff(places, axis=0)
    np.testing.assert_allclose(np.linalg.norm(steps, axis=1), 10, atol=1e-4)
    np.testing.assert_allclose(steps, np.tile(APEX / np.linalg.norm(APEX) * 10, (SLICES - 1, 1)), atol=1e-3)
    assert steps[0, 2] < 0  # the apex lies below the base
    orientation = np.array(stack[0, 0].ImageOrientationPatient, dtype=float).reshape(2, 3)
    np.testing.assert_allclose(orientation @ orientation.T, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(orientation @ steps[0], 0, atol=1e-2)
    locations = [float(stack[k, 0].SliceLocation) for k in range(SLICES)]
    np.testing.assert_allclose(np.abs(np.diff(locations)), 10, atol=1e-4)
    image = stack[3, 1]
    assert [float(value) for value in image.PixelSpacing] == [1.8, 1.8]
    assert (image.SliceThickness, image.SpacingBetweenSlices) == (8, 10)


def test_decoys_are_not_slices(images):
    others = {image.SeriesDescription for image in images.values() if "SAX_b" not in image.SeriesDescription}
    assert others == {"CINE_segmented_SAX_InlineVF", "CINE_segmented_LAX_4Ch"}
    inline = next(image for image in images.values() if "InlineVF" in image.SeriesDescription)
    assert (0x6000, 0x3000) in inline


@pytest.mark.parametrize("manifest", ["manifest.csv", "manifest.cvs", None])
def test_manifest_has_an_unquoted_date_with_a_comma(tmp_path, volume, manifest):
    with zipfile.ZipFile(write(tmp_path, volume, manifest=manifest)) as archive:
        found = [name for name in archive.namelist() if name.startswith("manifest")]
        assert found == ([manifest] if manifest else [])
        if manifest:
            header, first, *rest = archive.read(manifest).decode().splitlines()
            assert len(rest) + 1 == len(archive.namelist()) - 1
            assert "series discription" in header
            assert "Aug 30, 2015" in first
            assert first.count(",") == header.count(",") + 1


def test_identifiers_that_hold_the_placeholder_digits_are_left_alone(tmp_path, volume):
    """A series identifier with the digits of a placeholder cell must not be changed in some frames."""
    for seed in range(20):
        with zipfile.ZipFile(write(tmp_path, volume[:1], seed=seed, inline_vf=False)) as archive:
            images = [pydicom.dcmread(io.BytesIO(archive.read(name))) for name in archive.namelist()[:-1]]
        assert len({image.SeriesInstanceUID for image in images}) == 1


def test_same_seed_same_bytes_other_seed_other_identifiers(tmp_path, volume):
    first, again = (write(tmp_path, volume).read_bytes() for _ in range(2))
    assert first == again
    assert write(tmp_path, volume, seed=8).read_bytes() != first


def test_inputs_that_are_no_12_bit_stack_are_refused(tmp_path, volume):
    with pytest.raises(ValueError, match="4 axes"):
        write(tmp_path, volume[0])
    with pytest.raises(ValueError, match="uint16"):
        write(tmp_path, volume.astype(np.float32))
    with pytest.raises(ValueError, match="4095"):
        write(tmp_path, volume + np.uint16(1))
