"""Segmentations as ukbb_cardiac writes them, and what others make of them."""

import gzip
import struct

import nibabel
import numpy as np
import pytest
from cohort.raw_files import CROP, cine, stack, write_cmr

from cmr2ecg.cmr.segmented import segmented_heart
from cmr2ecg.cmr.short_axis import read_middle_slice
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.steps.crop_cmr import crop_file

SLICES, FRAMES, SIDE, ES, SPACING = 8, 20, 96, 7, 4.0
EID = 9_000_001
CENTRE = (30.0, 60.0)  # of the labels: elsewhere than the beating heart, so that it shows which one is used
RADII = np.where(np.arange(FRAMES) <= 11, 9 - 4 * np.arange(FRAMES) / 11, 5 + 4 * (np.arange(FRAMES) - 11) / 9)


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    path = write_cmr(tmp_path_factory.mktemp("cmr"), EID, stack(SLICES, FRAMES, SIDE, es=ES))
    return path, read_middle_slice(path, 8)


def labels():
    """(x, y, z, t) labels of a ventricle that is smallest in frame 11; the other slices' is larger."""
    y, x = np.mgrid[:SIDE, :SIDE]
    distance = np.hypot(y - CENTRE[0], x - CENTRE[1])
    plane = np.stack([np.where(distance < r, 1, np.where(distance < r + 3, 2, 0)) for r in RADII])
    plane[:, 25:35, 40:48] = 3
    return np.repeat(plane.transpose(2, 1, 0)[:, :, None], SLICES, axis=2).astype(np.int16)


def affine_of(cine):
    """The affine of ukbb_cardiac: columns to x, rows to y, slices from b1 on; millimetres right, front, up."""
    turn = np.array([-1, -1, 1])
    across, down = np.reshape(cine.place.orientation, (2, 3))
    through = -np.cross(across, down)  # from base to apex in the synthetic files
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = turn * across * SPACING, turn * down * SPACING
    affine[:3, 2] = turn * through * 10
    affine[:3, 3] = turn * (np.array(cine.place.position) - cine.slice_index * 10 * through)
    return affine


def save(folder, name, voxels, affine):
    folder.mkdir(exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / name)
    return str(folder)


def reason_of(folder, cine):
    with pytest.raises(Rejection) as caught:
        segmented_heart(str(folder), cine)
    return caught.value.reason


@pytest.mark.parametrize("name", ["seg_sa.nii.gz", "label_sa.nii"])
def test_labels_of_the_beat_give_place_and_frames(subject, tmp_path, name):
    folder = save(tmp_path / "s", name, labels(), affine_of(subject[1]))
    heart = segmented_heart(folder, subject[1])
    np.testing.assert_allclose(heart.centre, CENTRE, atol=0.2)
    assert heart.phases[0] == 11 and heart.phases[1] in (19, 0, 1)
    assert heart.area[11] == (labels()[:, :, 4, 11] == 1).sum() * SPACING**2


def turned(voxels, affine, flips, order):
    """The same image stored with other axes, as dcm2niix and other tools do."""
    voxels, affine = voxels.copy(), affine.copy()
    for axis in flips:
        voxels = np.flip(voxels, axis)
        affine[:3, 3] += affine[:3, axis] * (voxels.shape[axis] - 1)
        affine[:3, axis] *= -1
    moved = affine.copy()
    moved[:3, :3] = affine[:3, list(order)]
    return voxels.transpose(*order, 3), moved


@pytest.mark.parametrize(("flips", "order"), [((1,), (0, 1, 2)), ((0, 2), (1, 0, 2)), ((0, 1, 2), (2, 0, 1))])
@pytest.mark.parametrize("kind", [np.uint8, np.int64, np.float32])
def test_other_orientations_and_types_are_the_same_labels(subject, tmp_path, flips, order, kind):
    voxels, affine = turned(labels(), affine_of(subject[1]), flips, order)
    voxels = np.ascontiguousarray(voxels).astype(kind)
    image = nibabel.Nifti1Image(voxels, affine, dtype=kind)
    (tmp_path / "s").mkdir()
    nibabel.save(image, tmp_path / "s" / "seg_sa.nii.gz")
    heart = segmented_heart(str(tmp_path / "s"), subject[1])
    np.testing.assert_allclose(heart.centre, CENTRE, atol=0.2)


def test_labels_of_two_phases_and_their_images(subject, tmp_path):
    affine, whole = affine_of(subject[1]), labels()
    for name, frame in (("ED", 0), ("ES", 11)):
        folder = save(tmp_path / "s", f"seg_sa_{name}.nii.gz", whole[..., frame], affine)
    heart = segmented_heart(folder, subject[1])
    assert heart.phases is None and len(heart.area) == FRAMES
    np.testing.assert_allclose(heart.centre, CENTRE, atol=0.2)
    for name, frame in (("ED", 2), ("ES", 9)):  # not where the cine has them: these images decide
        image = np.repeat(subject[1].pixels[frame].T[:, :, None], SLICES, axis=2).astype(np.int16)
        save(tmp_path / "s", f"sa_{name}.nii.gz", image, affine)
    assert segmented_heart(folder, subject[1]).phases == (9, 2)
    save(tmp_path / "s", "sa_ES.nii.gz", np.full((SIDE, SIDE, SLICES), 100, np.int16), affine)
    assert segmented_heart(folder, subject[1]).phases is None


def test_the_step_uses_it_and_says_so(subject, tmp_path):
    folder = save(tmp_path / "s", "seg_sa.nii.gz", labels(), affine_of(subject[1]))
    row, measures = crop_file((str(subject[0]), folder, None), CROP)
    assert measures["heart_by"] == "segmentation" and measures["notes"] == ""
    assert row["frames"][0] == 11
    side = 142.0 / SPACING
    middle = (30.0, 55.5)  # labels from row 19 to 41, from column 40 to 71
    np.testing.assert_allclose(row["box"][:2], np.array(middle) + 0.5 - side / 2, atol=0.01)
    assert (measures["heart_row"], measures["heart_column"]) == pytest.approx(CENTRE, abs=0.2)
    save(tmp_path / "s", "seg_sa.nii.gz", labels()[..., :12], affine_of(subject[1]))
    row, measures = crop_file((str(subject[0]), folder, None), CROP)
    assert (measures["heart_by"], measures["notes"]) == (
        "motion",
        "segmentation not used: segmentation of another length",
    )
    assert abs(row["frames"][0] - ES) <= 1


def test_what_does_not_belong_to_the_cine(subject, tmp_path):
    affine = affine_of(subject[1])
    whole = labels()
    assert reason_of(tmp_path, subject[1]) == "no segmentation in the folder"
    far = affine.copy()
    far[:3, 3] += 5000
    assert reason_of(save(tmp_path / "a", "seg_sa.nii.gz", whole, far), subject[1]) == "segmentation lies elsewhere"
    turn = np.eye(4)
    turn[:2, :2] = [[0.8, -0.6], [0.6, 0.8]]
    tilted = affine @ np.eye(4)[[0, 2, 1, 3]] @ turn @ np.eye(4)[[0, 2, 1, 3]]
    path = save(tmp_path / "b", "seg_sa.nii.gz", whole, tilted)
    assert reason_of(path, subject[1]) == "segmentation not parallel to the slice"
    for frames in (FRAMES - 1, FRAMES + 1):
        part = np.resize(whole.T, (frames, *whole.T.shape[1:])).T
        path = save(tmp_path / "c", "seg_sa.nii.gz", np.ascontiguousarray(part), affine)
        assert reason_of(path, subject[1]) == "segmentation of another length"
    path = save(tmp_path / "d", "seg_sa.nii.gz", np.where(whole == 1, 0, whole).astype(np.int16), affine)
    assert reason_of(path, subject[1]) == "no ventricle in the segmentation"


def test_hostile_images(subject, tmp_path):
    folder = tmp_path / "s"
    save(folder, "seg_sa.nii.gz", labels(), affine_of(subject[1]))
    path = folder / "seg_sa.nii.gz"
    sound = gzip.decompress(path.read_bytes())
    packed = path.read_bytes()
    for content in (b"", b"rubbish" * 100, packed[: len(packed) // 2], gzip.compress(sound[: len(sound) // 2])):
        path.write_bytes(content)
        assert reason_of(folder, subject[1]) == "damaged segmentation"
    for place, value in ((42, (30_000, 30_000, 500, 500)), (42, (0, 5, 5, 5)), (42, (-4, 5, 5, 5)), (40, (7, 9, 9, 9))):
        content = sound[:place] + struct.pack("<4h", *value) + sound[place + 8 :]
        path.write_bytes(gzip.compress(content + bytes(100)))
        assert reason_of(folder, subject[1]) in ("absurd segmentation size", "damaged segmentation")
    path.rename(folder / "elsewhere")
    path.symlink_to(folder / "elsewhere")
    assert reason_of(folder, subject[1]) == "file cannot be opened"
    path.unlink()
    content = sound[:42] + struct.pack("<4h", 1024, 1024, 25, 400) + sound[50:]  # 20 GB of labels
    path.write_bytes(gzip.compress(content))
    assert reason_of(folder, subject[1]) == "absurd segmentation size"


def test_labels_that_were_shifted_by_more_bytes_are_refused(subject, tmp_path):
    folder = tmp_path / "s"
    save(folder, "seg_sa.nii", labels(), affine_of(subject[1]))
    sound = (folder / "seg_sa.nii").read_bytes()
    (folder / "seg_sa.nii").write_bytes(sound[:5000] + bytes(40) + sound[5000:])
    assert reason_of(folder, subject[1]) == "damaged segmentation"


def test_random_damage_is_refused_or_harmless(subject, tmp_path):
    folder = tmp_path / "s"
    save(folder, "seg_sa.nii", labels()[..., :1].repeat(FRAMES, axis=3), affine_of(subject[1]))
    sound, rng = (folder / "seg_sa.nii").read_bytes(), np.random.default_rng(0)
    for _ in range(100):
        content = bytearray(sound)
        for place in rng.integers(0, 352, rng.integers(1, 6)):
            content[place] = rng.integers(256)
        (folder / "seg_sa.nii").write_bytes(content)
        try:
            heart = segmented_heart(str(folder), subject[1])
        except Rejection as error:
            assert error.reason
        else:
            assert len(heart.area) == FRAMES and all(0 <= value < SIDE for value in heart.centre)


def test_the_cine_of_these_tests_beats_elsewhere():
    """Else nothing above would show which of the two was used."""
    assert np.hypot(44 - CENTRE[0], 52 - CENTRE[1]) > 10 and cine(FRAMES, SIDE, es=ES).shape == (FRAMES, SIDE, SIDE)


def test_an_affine_that_contradicts_the_voxel_size_is_refused(subject, tmp_path):
    """One damaged byte there moves every label; the header tells the voxels' size twice."""
    folder = save(tmp_path / "s", "seg_sa.nii", labels(), affine_of(subject[1]))
    path = tmp_path / "s/seg_sa.nii"
    header = bytearray(path.read_bytes())
    row = 280  # srow_x of the NIfTI header
    header[row : row + 4] = struct.pack("<f", 1.1 * struct.unpack("<f", header[row : row + 4])[0])
    path.write_bytes(header)
    assert reason_of(folder, subject[1]) == "damaged segmentation"
