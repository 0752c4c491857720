"""Rewrite the numbers of docs/quality_yardstick.md from public recordings: `make yardstick DATA=folder`.

The folder is what docs/real_ecgs/prepare.py writes. What the blocks show is in docs/templates/quality_yardstick.md.j2.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path += [str(Path(__file__).parent), str(Path(__file__).parent / "real_ecgs")]
import hearts
import quality
from pages import ROOT, rewrite, table
from quality import Counts, Limits, Measured, decide

PAGE = ROOT / "docs/quality_yardstick.md"
SEED = 2011
CLINICAL = {
    "CPSC 2018": "cpsc2018/*.hea",
    "PhysioNet 2021": "physionet2021/*/*.hea",
    "Brugada-HUCA": "brugada/files/*/*.hea",
    "PTB-XL, filtered": "ptb-xl/records500/*/*.hea",
}
TRIED = {
    "shipped": Limits(),
    "`max_flat_chest_leads: 0`": Limits({"max_flat_chest_leads": 0}),
    "`minimum_snr_db: 10`": Limits({"minimum_snr_db": 10.0}),
    "`max_mv: 5`": Limits({"max_mv": 5.0}),
    "off scale": Limits({}, 0.01),
    "off scale, `max_flat_chest_leads: 0`": Limits({"max_flat_chest_leads": 0}, 0.01),
}
FIELDS_MM = (340.0, 380.0, 420.0)  # of ACDC's frames, which do not state it; 380 is that of docs/raw_data.md
SHARES = {
    "found": "heart found",
    "in_pool": "its centre in the left ventricle's cavity",
    "left": "box holds the left ventricle with its wall",
    "left_5": "the same, 5 mm from the edge or more",
    "right": "box holds the right ventricle",
    "right_5": "the same, 5 mm from the edge or more",
    "systole": "end-systole nearer to end-systole than to end-diastole",
}


@dataclass(frozen=True)
class Rated:
    """Measured ECGs and whether raters called them unacceptable."""

    records: Sequence[Measured]
    unacceptable: np.ndarray
    tuning: np.ndarray  # (n,) bool: the half on which limits may be chosen

    def part(self, chosen: np.ndarray) -> tuple[list[Measured], np.ndarray]:
        """Return records and labels of some."""
        return [self.records[place] for place in np.flatnonzero(chosen)], self.unacceptable[chosen]


def main() -> None:
    """Measure everything and rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    rated = rate(data / "cinc2011/set-a")
    clinical = {name: [quality.measure_file(path) for path in sorted(data.glob(g))] for name, g in CLINICAL.items()}
    if not all(clinical.values()):
        raise SystemExit(f"{data}: no recordings of {', '.join(name for name, found in clinical.items() if not found)}")
    rewrite(PAGE, values(rated, clinical, data / "acdc"))


def rate(folder: Path) -> Rated:
    """Measure set-a of the challenge; check that the limits here are applied as the pipeline applies them."""
    truth = quality.labels(folder)
    records = []
    for name in sorted(truth):
        ecg = quality.read_cinc(folder / f"{name}.txt")
        records.append(quality.measure(ecg))
        if records[-1].reason(Limits()) != quality.reason_of_prepare(ecg):
            raise ValueError("limits applied here and by the pipeline differ")
    unacceptable = np.array([truth[name] for name in sorted(truth)])
    return Rated(records, unacceptable, quality.halves(unacceptable, SEED))


def values(rated: Rated, clinical: dict[str, list[Measured]], acdc: Path) -> dict[str, object]:
    """Return what the template can name."""
    everyone = np.ones(len(rated.records), bool)
    return {
        "agreement": agreement(*rated.part(everyone)),
        "reasons": reasons(*rated.part(everyone)),
        "missed": missed(*rated.part(everyone)),
        "tuned": tuned(rated, clinical),
        "clinical": {name: len(records) for name, records in clinical.items()},
        "halves": tuple(int((rated.tuning == half).sum()) for half in (True, False)),
        "hearts": heart_table(acdc),
        "seed": SEED,
    }


def percent(share: tuple[float, float, float]) -> str:
    """Return a share and its interval in percent."""
    return "{:.1f} [{:.1f}, {:.1f}]".format(*(100 * value for value in share))


def agreement(records: Sequence[Measured], unacceptable: np.ndarray) -> str:
    """Return the table of raters against the shipped limits."""
    found = quality.count(decide(records, Limits()), unacceptable)
    rows = [
        ("unacceptable", found.caught, found.missed, f"sensitivity {percent(found.sensitivity)} %"),
        ("acceptable", found.lost, found.kept, f"specificity {percent(found.specificity)} %"),
        ("all", found.caught + found.lost, found.missed + found.kept, f"accuracy {percent(found.accuracy)} %"),
    ]
    return table(["raters", "rejected", "kept", ""], rows)


def reasons(records: Sequence[Measured], unacceptable: np.ndarray) -> str:
    """Return the table of the shipped limits' reasons."""
    given = [record.reason(Limits()) for record in records]
    kinds = [Counter(reason for reason, bad in zip(given, unacceptable, strict=True) if bad == kind) for kind in (1, 0)]
    names = sorted({*kinds[0], *kinds[1]} - {""}, key=lambda name: -kinds[0][name])
    return table(["reason", "unacceptable", "acceptable"], [(name, kinds[0][name], kinds[1][name]) for name in names])


def missed(records: Sequence[Measured], unacceptable: np.ndarray) -> str:
    """Return the table of what the records have that the shipped limits keep."""
    kept = ~np.array(decide(records, Limits()))
    kinds = [
        [record for record, stays, is_bad in zip(records, kept, unacceptable, strict=True) if stays and is_bad == bad]
        for bad in (True, False)
    ]
    heads = [f"{name}, {len(kind)} kept" for name, kind in zip(("unacceptable", "acceptable"), kinds, strict=True)]
    counts = [Counter(sign for record in kind for sign in quality.signs(record)) for kind in kinds]
    rows = [(sign, *(found[sign] for found in counts)) for sign in (*quality.SIGNS, quality.NO_SIGN)]
    return table(["sign", *heads], rows)


def tuned(rated: Rated, clinical: dict[str, list[Measured]]) -> str:
    """Return the table of limits on the half on which none was chosen, and of clinical ECGs rejected."""
    tried = dict(TRIED)
    for name, off_scale in (("best of the limits there are", False), ("best with off scale", True)):
        limits = quality.tune(*rated.part(rated.tuning), off_scale=off_scale)
        tried[f"{name}: {in_words(limits)}"] = limits
    rest, truth = rated.part(~rated.tuning)
    shipped = np.array(decide(rest, Limits())) == truth
    rows = []
    for name, limits in tried.items():
        decided = decide(rest, limits)
        found, right = quality.count(decided, truth), np.array(decided) == truth
        better, worse = int((right & ~shipped).sum()), int((~right & shipped).sum())
        rejected = [f"{100 * np.mean(decide(records, limits)):.1f}" for records in clinical.values()]
        rows.append((name, *measures(found), f"{better} / {worse}", *rejected))
    heads = ["limits", "sensitivity", "specificity", "accuracy", "righted / spoilt"]
    return table([*heads, *clinical], rows)


def measures(found: Counts) -> tuple[str, str, str]:
    """Return sensitivity, specificity and accuracy with their intervals."""
    return percent(found.sensitivity), percent(found.specificity), percent(found.accuracy)


def in_words(limits: Limits) -> str:
    """Return how limits differ from the shipped ones."""
    shipped = quality.SHIPPED.quality
    words = [f"`{name}: {value:g}`" for name, value in limits.changes.items() if value != getattr(shipped, name)]
    if limits.max_off_scale < 1:
        words.append(f"{limits.off_mv:g} mV for {limits.max_off_scale:.1%}")
    return ", ".join(words) or "the shipped ones"


def heart_table(folder: Path) -> str:
    """Return the table of the heart finder on ACDC at each assumed size of the frame."""
    found = {field: hearts.measure_all(folder, field) for field in FIELDS_MM}
    if not all(len(rows) for rows in found.values()):
        raise SystemExit(f"{folder}: no stacks")
    rows = [(words, *(int(part[name].sum()) for part in found.values())) for name, words in SHARES.items()]
    rows.insert(
        2,
        (
            "distance of the centres in heart diameters, median",
            *(f"{p['centre'].median():.3f}" for p in found.values()),
        ),
    )
    rows.insert(3, ("the same, 95th percentile", *(f"{p['centre'].quantile(0.95):.3f}" for p in found.values())))
    rows.insert(4, ("the same, largest", *(f"{p['centre'].max():.2f}" for p in found.values())))
    subjects = len(found[FIELDS_MM[0]])
    return table([f"of {subjects} subjects", *(f"{field:g} mm" for field in FIELDS_MM)], rows)


if __name__ == "__main__":
    main()
