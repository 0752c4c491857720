"""Read one plane of an untrusted NIfTI image, one volume at a time: memory is that of one volume.

Source: the NIfTI-1 standard; a 348-byte header, then voxels with x fastest and time slowest.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase
from typing import NamedTuple

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from cmr2ecg.cmr.dicom import Header
from cmr2ecg.raw.plain_file import check_plain
from cmr2ecg.raw.rejection import Rejection

MAX_SIZE = (1024, 1024, 256, 500)  # voxels and frames
MAX_VOLUME_BYTES = 64_000_000  # held at once, however small the compressed file
MAX_BYTES = 600_000_000  # of a whole beat; Bai et al. store 208 x 208 x 12 x 50 labels of 8 bytes, 210 MB
MAX_OFFSET = 1_000_000  # header extensions
FLAT = 0.6  # voxels by which a plane may deviate from the image's own planes
SAME_SIZE = 0.01  # relative difference allowed between the header's two statements of voxel size
DAMAGED = (EOFError, OSError, zlib.error, ValueError, OverflowError, HeaderDataError, WrapStructError)


class Plane(NamedTuple):
    """One plane at one time: values (rows, columns) on the cine's pixels, and the whole volume (x, y, z) it is from."""

    values: np.ndarray
    volume: np.ndarray


def planes(path: str, place: Header | None, shape: tuple[int, int], spacing_mm: tuple[float, float]) -> Iterator[Plane]:
    """Yield the plane of a slice at each time of a NIfTI image; voxels are matched in patient coordinates.

    Args:
        path: .nii or .nii.gz.
        place: position of the slice, from its DICOM header.
        shape, spacing_mm: rows and columns of the slice, and its pixel spacing.

    Raises:
        Rejection: not NIfTI, damaged, too large, or elsewhere in the patient than the slice.
    """
    if place is None or place.position is None or place.orientation is None:
        raise Rejection("slice position unknown")
    with _opened(path) as stream:
        # Only from the header's bytes: nibabel would read extensions of any declared size.
        header = nibabel.Nifti1Header(_exactly(stream, nibabel.Nifti1Header.sizeof_hdr), check=True)
        size, kind, offset = _layout(header)
        affine = header.get_best_affine()
        if not np.allclose(np.linalg.norm(affine[:3, :3], axis=0), header.get_zooms()[:3], rtol=SAME_SIZE):
            raise Rejection("damaged segmentation", "affine and voxel size differ")
        voxels = _voxels(affine, place.position, place.orientation, shape, spacing_mm)
        inside = ((voxels >= 0) & (voxels < np.reshape(size[:3], (3, 1, 1)))).all(axis=0)
        if not inside.any():
            raise Rejection("segmentation lies elsewhere")
        lookup = tuple(np.where(inside, index, 0) for index in voxels)
        stream.seek(offset)
        for _ in range(size[3]):
            content = _exactly(stream, kind.itemsize * math.prod(size[:3]))
            volume = np.frombuffer(content, kind).reshape(size[:3], order="F")
            yield Plane(np.where(inside, volume[lookup], 0), volume)
        if stream.read(1):  # bytes were inserted somewhere, and all later labels are shifted
            raise Rejection("damaged segmentation", "longer than its header says")


@contextmanager
def _opened(path: str) -> Iterator[BufferedIOBase]:
    """Open a file that may be gzip; any error becomes a Rejection."""
    try:
        check_plain(path, MAX_BYTES)
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else open(path, "rb") as stream:
            yield stream
    except DAMAGED as error:
        raise Rejection("damaged segmentation", type(error).__name__) from error


def _layout(header: nibabel.Nifti1Header) -> tuple[tuple[int, int, int, int], np.dtype, int]:
    """Return size (x, y, z, t), type and offset of the voxels, checked."""
    dims = tuple(int(length) for length in header.get_data_shape())
    if not 3 <= len(dims) <= 4:
        raise Rejection("absurd segmentation size", f"{len(dims)} axes")
    x, y, z, t = (*dims, 1)[:4]
    kind, offset = header.get_data_dtype(), int(header["vox_offset"])
    volume = x * y * z * kind.itemsize
    sound = all(1 <= length <= most for length, most in zip((x, y, z, t), MAX_SIZE, strict=True))
    if not sound or kind.kind not in "iuf" or volume > MAX_VOLUME_BYTES or volume * t > MAX_BYTES:
        raise Rejection("absurd segmentation size", f"{x} x {y} x {z} x {t} of {kind.itemsize} bytes")
    slope, intercept = header.get_slope_inter()
    if slope not in (None, 1.0) or intercept not in (None, 0.0):
        raise Rejection("damaged segmentation", "labels with a scale")
    if not 348 <= offset <= MAX_OFFSET:
        raise Rejection("damaged segmentation", "offset")
    return (x, y, z, t), kind, offset


def _exactly(stream: BufferedIOBase, length: int) -> bytes:
    content = stream.read(length)
    if len(content) < length:
        raise Rejection("damaged segmentation", "ends early")
    return content


def _voxels(
    affine: np.ndarray,
    position: tuple[float, ...],
    orientation: tuple[float, ...],
    shape: tuple[int, int],
    spacing_mm: tuple[float, float],
) -> NDArray[np.int64]:
    """Return the voxel (3, rows, columns) nearest to each pixel of the slice; position, orientation: as of `Header`.

    DICOM counts millimetres to the left, back and up, NIfTI to the right, front and up.
    """
    if not (np.isfinite(affine).all() and abs(np.linalg.det(affine[:3, :3])) > 1e-6):
        raise Rejection("damaged segmentation", "affine")
    turn = np.array([-1.0, -1.0, 1.0])
    corner, across, down = (turn * part for part in (position, orientation[:3], orientation[3:]))
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    points = (
        corner[:, None, None]
        + down[:, None, None] * (rows * spacing_mm[0])
        + across[:, None, None] * (columns * spacing_mm[1])
    )
    inverse = np.linalg.inv(affine)
    exact = np.einsum("ij,jrc->irc", inverse[:3, :3], points) + inverse[:3, 3, None, None]
    if not (np.ptp(exact.reshape(3, -1), axis=1) < FLAT).any():
        raise Rejection("segmentation not parallel to the slice")
    return np.rint(np.clip(exact, -2, 1e6)).astype(int)
