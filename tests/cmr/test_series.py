"""Which file belongs to which slice, when manifest, headers, numbers and positions disagree."""

import io
import zipfile

import numpy as np
import pydicom
import pytest
from cmr.dicom_zips import FRAMES, MIDDLE, SLICES, VOLUME, rewritten

from cmr2ecg.cmr.short_axis import read_middle_slice
from cmr2ecg.simulate.sax_zip import write_sax_zip

SERIES = "CINE_segmented_SAX_b"


def with_manifest(source, target, describe, folder="", manifest="manifest.csv"):
    """Copy a zip with a manifest that says `describe(true series, n-th of it)` of each image."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        lines, count = ["filename,series discription"], {}
        for name in old.namelist():
            if not name.endswith(".dcm"):
                continue
            content = old.read(name)
            series = str(pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True).SeriesDescription)
            count[series] = count.get(series, 0) + 1
            lines.append(f"{name},{describe(series, count[series] - 1)}")
            new.writestr(folder + name, content)
        new.writestr(folder + manifest, "\n".join(lines))
    return target


@pytest.mark.parametrize(
    "describe",
    [
        lambda series, _: f"{SERIES}1",
        lambda series, _: f"{SERIES}5",
        lambda series, _: "CINE_segmented_SAX",
        lambda series, _: "CINE_segmented_SAX_InlineVF",
        lambda series, _: "CINE_segmented_LAX_4Ch",
        lambda series, _: "CINE_segmented_LAX_4Ch" if series == f"{SERIES}1" else series,  # the first slice
        lambda series, _: "CINE_segmented_LAX_4Ch" if series == MIDDLE else series,
        lambda series, _: f"{SERIES}{SLICES + 2}" if series == f"{SERIES}2" else series,
        lambda series, n: f"{SERIES}6" if series == MIDDLE and n > 8 else series,  # some frames of a slice
        lambda series, n: "CINE_segmented_LAX_4Ch" if series == MIDDLE and n == 3 else series,
        lambda series, _: f"{SERIES}{9 - int(series[-1])}" if series.startswith(SERIES) else series,
        lambda series, _: "",
    ],
)
def test_headers_decide_where_the_manifest_is_wrong(good, tmp_path, describe):
    cine = read_middle_slice(with_manifest(good, tmp_path / "x.zip", describe), 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[SLICES // 2])
    assert (cine.slices, cine.notes) == (SLICES, ())


@pytest.mark.parametrize("position", [[0, 0, 0], [5, 5, 5], [0, 0, 3000]])
@pytest.mark.parametrize("manifest", [True, False])
def test_numbers_decide_where_all_positions_are_the_same(good, tmp_path, position, manifest):
    def change(dataset):
        dataset.ImagePositionPatient = position

    path = rewritten(good, tmp_path / "x.zip", change, lambda name: manifest or not name.startswith("manifest"))
    cine = read_middle_slice(path, 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[SLICES // 2])
    assert cine.slices == SLICES and cine.notes in (("slice positions unknown",), ("slice positions do not fit",))


@pytest.mark.parametrize("wrong", [{3: 1e3}, {2: 0.0}, {1: 4e3}, {2: 5.0, 3: 5.0, 4: 5.0}, {5: -3e3}])
def test_a_few_absurd_positions_do_not_move_the_middle(good, tmp_path, wrong):
    def change(dataset):
        series = dataset.SeriesDescription
        if series.startswith(SERIES) and int(series[-1]) in wrong:
            dataset.ImagePositionPatient = [wrong[int(series[-1])]] * 3

    cine = read_middle_slice(rewritten(good, tmp_path / "x.zip", change), 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[SLICES // 2])
    assert cine.slices == SLICES and len(cine.notes) == 1


@pytest.mark.parametrize("folder", ["", "9000001_20209_2_0/", "./", "a/b.dcm/"])
def test_folders_and_what_is_no_image_in_the_zip(good, tmp_path, folder):
    path = with_manifest(good, tmp_path / "x.zip", lambda series, _: series, folder)
    report = pydicom.dcmread(io.BytesIO(pydicom.examples.get_path("mr").read_bytes()), stop_before_pixels=True)
    report.SeriesDescription = "Report"
    buffer = io.BytesIO()
    report.save_as(buffer)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("report.dcm", buffer.getvalue())
        archive.writestr("DICOMDIR", b"rubbish")
        archive.writestr("DICOMDIR.dcm", buffer.getvalue())
        archive.writestr("__MACOSX/._x.dcm", b"\0\5\x16\7\0\2\0\0Mac OS X")
        archive.mkdir("folder.dcm")
    cine = read_middle_slice(path, 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[SLICES // 2])
    assert (cine.slices, cine.missing, cine.notes) == (SLICES, 0, ())


@pytest.mark.parametrize(
    "manifest", [b"filename,series discription\n" + b"x" * 200_000, b"\n" * 4_000_000, b"\0", b'"']
)
def test_a_manifest_that_is_none(good, tmp_path, manifest):
    path = rewritten(good, tmp_path / "x.zip", lambda dataset: None, lambda name: not name.startswith("manifest"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.csv", manifest)
    np.testing.assert_array_equal(read_middle_slice(path, 8).pixels, VOLUME[SLICES // 2])


def test_rle_lossless_gives_the_same_pixels(tmp_path):
    write_sax_zip(tmp_path / "good.zip", VOLUME, pixel_spacing_mm=4.0, seed=3, inline_vf=False)
    change = lambda dataset: dataset.compress(pydicom.uid.RLELossless, encoding_plugin="pydicom")  # noqa: E731
    cine = read_middle_slice(rewritten(tmp_path / "good.zip", tmp_path / "x.zip", change), 8)
    np.testing.assert_array_equal(cine.pixels, VOLUME[SLICES // 2])
    assert (len(cine.pixels), cine.notes) == (FRAMES, ())
