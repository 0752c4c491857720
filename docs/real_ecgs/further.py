"""Write the 1,000 ECGs of PhysioNet/CinC 2011 as WFDB records, for pre-trainings on more than PTB-XL (more.yaml).

    python docs/real_ecgs/further.py DATA

DATA is what docs/real_ecgs/prepare.py wrote; the records come to DATA/cinc2011/wfdb. All are written, whatever the
raters said of their quality: that is for clean_ecg to find.
"""

import argparse
from pathlib import Path

from prepare import write_wfdb
from quality import read_cinc


def main() -> None:
    """Write the records and print how many there are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("data", type=Path)
    folder = parser.parse_args().data / "cinc2011"
    files = sorted((folder / "set-a").glob("[0-9]*.txt"))
    if not files:
        raise SystemExit(f"{folder}/set-a has no recordings; run docs/real_ecgs/prepare.py first")
    for file in files:
        write_wfdb(folder / "wfdb", file.stem, read_cinc(file).signal)
    print(f"{len(files)} recordings")


if __name__ == "__main__":
    main()
