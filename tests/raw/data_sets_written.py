"""Small data sets in the forms in which the public ones are downloaded."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import wfdb

LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")


def ecg(seed: int, rate: int = 500, seconds: float = 10.0, rate_bpm: float = 70.0, wide: bool = False) -> np.ndarray:
    """Return a made ECG (12, n) in mV whose limb leads agree; wide: slow ventricular beats, to be learnt."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(rate * seconds)) / rate
    beats = np.arange(rng.uniform(0.2, 0.6), seconds, 60 / rate_bpm)

    def waves(width: float) -> np.ndarray:
        return sum(np.exp(-0.5 * ((time - beat) / width) ** 2) for beat in beats)

    qrs, t_wave = (
        waves(0.03 if wide else 0.012),
        sum(np.exp(-0.5 * ((time - beat - 0.28) / 0.05) ** 2) for beat in beats),
    )
    sizes = rng.uniform(0.6, 1.2, 8) * np.array([0.7, 1.0, -0.6, -0.5, 0.5, 1.0, 1.1, 0.9])
    base = sizes[:, None] * qrs + 0.25 * np.abs(sizes[:, None]) * t_wave
    base += rng.normal(0, 0.01, base.shape)
    one, two = base[0], base[1]
    limbs = [one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2]
    return np.vstack([limbs, base[2:]])


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as a csv with the columns of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as handle:
        writer = csv.DictWriter(handle, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)


def write_record(header: Path, signal: np.ndarray, rate: int = 500, comments: Iterable[str] = ()) -> None:
    """Write a WFDB record of format 16 in 1 uV."""
    header.parent.mkdir(parents=True, exist_ok=True)
    wfdb.wrsamp(
        header.stem,
        fs=rate,
        d_signal=np.rint(signal.T * 1000).astype(np.int64),
        adc_gain=[1000.0] * 12,
        baseline=[0] * 12,
        units=["mV"] * 12,
        fmt=["16"] * 12,
        sig_name=list(LEADS),
        comments=[*comments],
        write_dir=str(header.parent),
    )


def write_ptbxl(folder: Path, people: int = 30, each: int = 2, signals: bool = True) -> None:
    """Write a set in PTB-XL's form: `each` recordings a person, ten folds by person; half have wide beats (CLBBB)."""
    rows = []
    for number in range(people * each):
        person = number // each
        ill = (person // 10 + person) % 2
        name = f"{number + 1:05d}"
        file = f"records500/00000/{name}_hr"
        codes = "{'CLBBB': 100.0, 'SR': 0.0}" if ill else "{'NORM': 80.0, 'SR': 0.0}"
        rows.append(
            {
                "ecg_id": number + 1,
                "patient_id": f"{15000 + person}.0",
                "age": f"{30 + person}.0",
                "sex": person % 2,
                "height": "",
                "weight": f"{60 + person}.0",
                "report": "sinusrhythmus",
                "scp_codes": codes,
                "strat_fold": person % 10 + 1,
                "filename_lr": file.replace("500", "100").replace("_hr", "_lr"),
                "filename_hr": file,
            }
        )
        header = folder / f"{file}.hea"
        if signals:
            write_record(header, ecg(number, wide=bool(ill), rate_bpm=55 + person))
        else:
            header.parent.mkdir(parents=True, exist_ok=True)
            header.touch()
    write_csv(folder / "ptbxl_database.csv", rows)


def write_code15(folder: Path, exams: int = 40, parts: int = 2) -> None:
    """Write a set in CODE-15 %'s form: two exams a patient, most of 7.3 s between zeros, an empty last row a part."""
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    for part in range(parts):
        numbers = range(part, exams, parts)
        tracings = np.zeros((len(numbers) + 1, 4096, 12), "f4")
        for row, number in enumerate(numbers):
            samples = 4096 if number % 4 == 0 else 2934
            start = (4096 - samples) // 2
            signal = ecg(number, 400, samples / 400, wide=number // 2 % 2 == 1)
            tracings[row, start : start + samples] = signal.T
            rows.append(
                {
                    "exam_id": 9000100 + number,
                    "age": 20 + number,
                    "is_male": number // 2 % 3 > 0,
                    "nn_predicted_age": 50.1,
                    **{name: False for name in ("1dAVb", "RBBB")},
                    "LBBB": number // 2 % 2 == 1,
                    **{name: False for name in ("SB", "ST", "AF")},
                    "patient_id": 9000500 + number // 2,
                    "death": "" if number % 2 else False,
                    "timey": "" if number % 2 else 2.1,
                    "normal_ecg": number // 2 % 2 == 0,
                    "trace_file": f"exams_part{part}.hdf5",
                }
            )
        with h5py.File(folder / f"exams_part{part}.hdf5", "w") as file:
            file["exam_id"] = np.array([*(9000100 + number for number in numbers), 0])
            file["tracings"] = tracings
    write_csv(folder / "exams.csv", rows)


def write_mimic(folder: Path, studies: int = 24) -> None:
    """Write a set in MIMIC-IV-ECG's form: three studies a subject; every other one has a left bundle branch block."""
    records, measured = [], []
    for number in range(studies):
        subject, study = 90000000 + number // 3, 94000000 + number
        path = f"files/p9000/p{subject}/s{study}/{study}"
        ids = {"subject_id": subject, "study_id": study}
        records.append({**ids, "file_name": study, "ecg_time": "2180-07-23 08:44:00", "path": path})
        ill = number // 3 % 2
        reports = ["Sinus rhythm.", "Left bundle branch block" if ill else "", "Abnormal ECG" if ill else "Normal ECG"]
        said = {f"report_{place}": text for place, text in enumerate([*reports, *[""] * 15])}
        measured.append({**ids, "cart_id": 1, "ecg_time": "", **said, "bandwidth": "0.005-150 Hz", "rr_interval": 800})
        comments = [f"<subject_id>: {subject}"]
        write_record(folder / f"{path}.hea", ecg(number, wide=bool(ill)), comments=comments)
    write_csv(folder / "record_list.csv", records)
    write_csv(folder / "machine_measurements.csv", measured[::-1])
