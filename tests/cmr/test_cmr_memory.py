"""Small files that unpack to gigabytes: every reader of CMR files refuses them within ROOM bytes of address space."""

import subprocess
import sys

ROOM = 300_000_000

SCRIPT = f"""
import gzip, io, resource, struct, sys, zipfile, zlib
from pathlib import Path
import numpy as np
from cmr2ecg.runtime.command import InputError
from cmr2ecg.cmr.boxes import read_boxes
from cmr2ecg.cmr.segmented import segmented_heart
from cmr2ecg.simulate.sax_zip import write_sax_zip
from cmr2ecg.cmr import label_image
from cmr2ecg.cmr.archive import read_member
from cmr2ecg.cmr.dicom import Header, read_frame
from cmr2ecg.raw.rejection import Rejection
from cmr2ecg.cmr.short_axis import Cine, read_middle_slice
import cmr2ecg.cmr.rle, nibabel

folder = Path(sys.argv[1])
plain = folder / "plain.zip"
write_sax_zip(plain, np.zeros((8, 12, 16, 16), np.uint16), pixel_spacing_mm=4.0, seed=3, manifest=None)


def zipped(name, members):
    path = folder / name
    path.write_bytes(plain.read_bytes())
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for member, content in members:
            archive.writestr(member, content)
    return path


def frame(**change):
    import pydicom
    with zipfile.ZipFile(plain) as archive:
        content = next(c for n in archive.namelist() if b"SAX_b5" in (c := archive.read(n)))
    dataset = pydicom.dcmread(io.BytesIO(content))
    for name, value in change.items():
        setattr(dataset, name, value)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


def nifti(size, extension):
    header = nibabel.Nifti1Header()
    header.set_data_shape(size)
    header.set_data_dtype(np.uint8)
    header["vox_offset"], header["magic"] = 352 + extension, b"n+1"
    head = header.binaryblock + b"\\1\\0\\0\\0" + struct.pack("<2i", extension, 4)
    zeros = gzip.compress(bytes(10_000_000))
    (folder / "s").mkdir(exist_ok=True)
    (folder / "s" / "seg_sa.nii.gz").write_bytes(gzip.compress(head) + zeros * 100)  # 1 GB in 1 MB
    return str(folder / "s")


place = Header("", (0.0, 0.0, 1.0), (1.0, 0, 0, 0, 1.0, 0), True)
cine = Cine(np.zeros((500, 16, 16), np.uint16), (1.0, 1.0), 4, 8, 0, place)
large = frame(Rows=1024, Columns=1024, PixelData=bytes(2 * 1024 * 1024))
pixels = zipped("pixels.zip", ((f"{{i}}.dcm", large) for i in range(20)))
manifest = zipped("manifest.zip", [("manifest.csv", b"\\n" * 15_000_000)])
cells = zipped("cells.zip", [("manifest.csv", b"filename,series description" + b"," * 15_000_000)])
private = zipped("private.zip", [(f"{{i}}.dcm", frame(PixelData=bytes(15_000_000))) for i in range(8)])
bomb = zipped("bomb.zip", [("lying.dcm", frame())])
packer = zlib.compressobj(9, zlib.DEFLATED, -15)
with zipfile.ZipFile(bomb, "a", zipfile.ZIP_DEFLATED) as archive:  # 2 GB that declare 1 kB
    block = packer.compress(bytes(10_000_000)) + packer.flush(zlib.Z_FULL_FLUSH)
    stored = zipfile.ZipInfo("SAX.dcm")
    archive.writestr(stored, block * 200 + packer.flush())
content = bytearray(bomb.read_bytes())
local, central = content.index(b"SAX.dcm") - 30, content.rindex(b"SAX.dcm") - 46
struct.pack_into("<H", content, local + 8, 8)
struct.pack_into("<H", content, central + 10, 8)
struct.pack_into("<I", content, central + 24, 1000)
bomb.write_bytes(content)
csv_lines = {{"commas.csv": b"," * 15_000_000, "lines.csv": b"eid,row0,column0,height,width\\n" + b"\\n" * 2_000_000,
             "many.csv": b"x" * 21_000_000}}
for name, content in csv_lines.items():
    (folder / name).write_bytes(content)

used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + {ROOM},) * 2)
zips = {{pixels: "too many pixels in one slice", **dict.fromkeys((manifest, cells, private, bomb))}}
for path, reason in zips.items():
    try:
        read_middle_slice(path, 8)
    except Rejection as error:
        assert reason in (None, error.reason), error.reason
with zipfile.ZipFile(bomb) as archive:
    try:
        read_member(archive, "SAX.dcm")
        raise SystemExit("a member that lies about its size was read")
    except Rejection as error:
        assert error.reason == "damaged zip member"
for size, extension in (((16, 16, 8, 500), 2_000_000_000), ((16, 16, 8, 5), 900_000), ((1024, 1024, 60, 9), 16)):
    try:
        segmented_heart(nifti(size, extension), cine)
    except Rejection as error:
        print(error.reason)
for name in csv_lines:
    try:
        print(len(read_boxes([folder / name])))
    except InputError as error:
        print(str(error)[:30])
print("all refused")
"""


def test_bombs_are_refused_within_little_memory(tmp_path):
    """The bounds: a slice of 10 pixels a byte of the zip, or 5 million; a volume of labels, 64 MB; a member, 16 MB."""
    found = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr[-3000:]
    assert found.stdout.splitlines()[-1] == "all refused" and "MemoryError" not in found.stdout
