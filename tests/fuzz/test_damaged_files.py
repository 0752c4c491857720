"""Damaged XML, ZIP and DICOM files: no crash, no hang, no broken signal taken for sound, neighbours unharmed."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pydicom
import pytest
from cmr.dicom_zips import jpeg_lossless, rewritten
from cohort.raw_files import CLEAN, CROP, FIRST, stack, visits, write_cmr, write_ecg
from fuzz.mutate import BINARY, TEXT
from paper_settings import changed
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGLosslessSV1
from steps.test_data_steps import step

ECGS, ZIPS, FRAMES = 135, 60, 60  # mutations of each kind; with 108 tables 363 together
LEAST_CORRELATION = 0.9  # of an accepted signal with the undamaged one


def damaged(source: bytes, number: int, kinds, seed: int) -> list[bytes]:
    """Each kind of damage in turn, each time elsewhere."""
    rng = np.random.default_rng(seed)
    return [kinds[index % len(kinds)](source, rng) for index in range(number)]


def run_shard(folder: Path, name: str, settings: dict, column: str, files: list[Path], **options):
    """Run a shard whose first and last file are sound; return the QC table and the accepted rows by eid."""
    paths = {kind: files for kind in {"ecg_path", "cmr_path"}}
    table = visits(folder / "visits.parquet", {column: files, **{k: v for k, v in paths.items() if k != column}})
    output, qc = folder / "shard.h5", folder / "shard.csv"
    step(name, settings, visits=table, output=output, qc=qc, **options)
    with h5py.File(output) as file:
        rows = dict(zip(file["eid"][:].tolist(), file[name.split("_")[1]][:].astype(float), strict=True))
    return pd.read_csv(qc, keep_default_na=False).set_index("eid"), rows


def check(verdicts: pd.DataFrame, rows: dict, number: int, told: Callable[[pd.Series], bool]) -> None:
    """Every file has a verdict that is understood; what was accepted is the sound signal, or its QC row tells."""
    first, last = FIRST, FIRST + number + 1
    assert verdicts.index.tolist() == list(range(first, last + 1))
    assert verdicts.loc[[first, last], "status"].eq("accepted").all()
    np.testing.assert_array_equal(rows[first], rows[last])
    rejected = verdicts[verdicts["status"] == "rejected"]
    assert (rejected["reason"] != "").all() and not rejected["reason"].eq("unexpected error").any()
    assert len(rejected) > number / 4
    for eid, row in rows.items():
        least = min(np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(row, rows[first], strict=True) if a.std())
        assert least > LEAST_CORRELATION or told(verdicts.loc[eid]), (eid, least, dict(verdicts.loc[eid]))


def test_damaged_xml(tmp_path):
    sound = write_ecg(tmp_path / "sound", FIRST).read_bytes()
    files = []
    for index, content in enumerate([sound, *damaged(sound, ECGS, TEXT, seed=1), sound]):
        files.append(write_ecg(tmp_path / "ecg", FIRST + index, content=content))
    verdicts, rows = run_shard(tmp_path, "clean_ecg", CLEAN.model_dump(), "ecg_path", files)
    check(verdicts, rows, ECGS, lambda row: bool(row["repairs"] or row["flat_leads"]))


def zip_with(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def sound_zip(folder: Path) -> bytes:
    return write_cmr(folder, FIRST, stack(frames=12, side=64), inline_vf=False).read_bytes()


def run_zips(tmp_path: Path, sound: bytes, contents: list[bytes]) -> None:
    files = []
    for index, content in enumerate([sound, *contents, sound]):
        files.append(tmp_path / f"{FIRST + index}_20209_2_0.zip")
        files[-1].write_bytes(content)
    verdicts, rows = run_shard(tmp_path, "crop_cmr", changed(CROP, size=64).model_dump(), "cmr_path", files)
    check(verdicts, rows, len(contents), lambda row: bool(row["notes"]))


def test_damaged_zips(tmp_path):
    sound = sound_zip(tmp_path)
    run_zips(tmp_path, sound, damaged(sound, ZIPS, BINARY, seed=2))


def jpeg_zip(folder: Path) -> bytes:
    """The sound zip with its middle slice in JPEG lossless."""

    def pack(dataset: pydicom.Dataset) -> None:
        if dataset.SeriesDescription == "CINE_segmented_SAX_b5":
            dataset.PixelData = encapsulate([jpeg_lossless(dataset.pixel_array)])
            dataset["PixelData"].VR = "OB"
            dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1

    plain = folder / "plain.zip"
    plain.write_bytes(sound_zip(folder))
    return rewritten(plain, folder / "jpeg.zip", pack).read_bytes()


@pytest.mark.parametrize("make", [sound_zip, jpeg_zip])
def test_damaged_dicom(tmp_path, make):
    """Several frames of the middle slice in each zip are damaged behind the zip's checksum."""
    sound = make(tmp_path)
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    images = [name for name in members if name.endswith(".dcm")]
    middle = [name for name in images if b"CINE_segmented_SAX_b5" in members[name]]
    assert len(middle) == 12
    rng = np.random.default_rng(3)
    contents = []
    for index in range(FRAMES):
        hit = rng.choice(middle, size=rng.integers(1, 13), replace=False)
        kind = BINARY[index % len(BINARY)]
        contents.append(zip_with({name: kind(c, rng) if name in hit else c for name, c in members.items()}))
    run_zips(tmp_path, sound, contents)


@pytest.mark.parametrize("kind", ["clean_ecg", "crop_cmr"])
def test_nothing_is_written_outside_the_outputs(tmp_path, kind):
    """Bombs and leading-out names do nothing: the folder holds the shard's two files and its input alone."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    raw.mkdir()
    out.mkdir()
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><x>&b;</x>'
    files = {
        "clean_ecg": ("ecg_path", CLEAN.model_dump(), [bomb, b"<x/>"]),
        "crop_cmr": ("cmr_path", CROP.model_dump(), [zip_with({"../../x.dcm": b"x"}), zip_with({"/etc/x.dcm": b"x"})]),
    }
    _, settings, contents = files[kind]
    paths = [raw / str(index) for index in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    table = visits(tmp_path / "visits.parquet", {"ecg_path": paths, "cmr_path": paths})
    step(kind, settings, visits=table, output=out / "0.h5", qc=out / "0.csv")
    assert (pd.read_csv(out / "0.csv")["status"] == "rejected").all()
    assert set(tmp_path.rglob("*")) - set(before) == {table, out / "0.h5", out / "0.csv"}
