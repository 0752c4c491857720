"""Find segmented short-axis stacks: one folder of NIfTI label images per subject, as in ukbb_cardiac (Bai et al. 2018).

Only the standard library is used at import, since Snakemake imports this module while parsing the workflow.
"""

import os
import re
from collections.abc import Iterator, Sequence

from cmr2ecg.raw.bulk import read_list
from cmr2ecg.raw.stamp import stamp_of_files
from cmr2ecg.raw.walk import files_below, shown
from cmr2ecg.runtime.command import InputError

SETTING = "raw.segmentations"
FOLDER = re.compile(r"(\d+)(?:_20209)?(?:_(\d+)(?:_\d+)?)?")  # EID, EID_2, EID_2_0, EID_20209_2_0
CINES = ("seg_sa", "label_sa")  # labels of every frame; the second name is for manual labels
PHASES = {"ed": ("seg_sa_ED", "label_sa_ED"), "es": ("seg_sa_ES", "label_sa_ES")}
ENDINGS = (".nii.gz", ".nii")
LABELS = re.compile(r"(?:seg|label)_sa(?:_E[DS])?\.nii(?:\.gz)?")
FILES = re.compile(r"(?:(?:seg|label)_)?sa(?:_E[DS])?\.nii(?:\.gz)?")  # and the accompanying images

Visit = tuple[int, int | None]


def list_segmentations(folders: Sequence[str]) -> dict[Visit, str]:
    """Return the folder of every segmented subject, by (eid, instance); instance None means any visit.

    Args:
        folders: folders searched to any depth, or text files with one label image's path per line. A subject's folder
            is named EID, EID_2, EID_2_0 or EID_20209_2_0 and holds seg_sa.nii.gz, seg_sa_ED.nii.gz or seg_sa_ES.nii.gz
            (or label_sa..., or .nii).

    Of duplicates of a visit the first of `folders` takes precedence, then the path.

    Raises:
        InputError: if one of `folders` does not exist or cannot be listed; names raw.segmentations.
    """
    found: dict[Visit, tuple[int, str]] = {}
    for order, folder in enumerate(folders):
        for path in _subject_folders(folder):
            match = FOLDER.fullmatch(os.path.basename(path))
            if match:
                visit = int(match[1]), None if match[2] is None else int(match[2])
                found[visit] = min(found.get(visit, (order, path)), (order, path))
    return {visit: found[visit][1] for visit in sorted(found, key=lambda visit: (visit[0], visit[1] or -1))}


def stamp_of_folder(folder: str) -> str:
    """Return the name of a subject's folder, and names and stamps of its labels and images (raw/stamp.py)."""
    try:
        names = os.listdir(folder)
    except OSError:
        names = []
    return f"{os.path.basename(folder)}: {stamp_of_files(folder, filter(FILES.fullmatch, names))}"


def _subject_folders(folder: str) -> Iterator[str]:
    """Yield every folder with a label image."""
    if os.path.isdir(folder):
        files = files_below(os.path.normpath(folder), SETTING)
    elif os.path.isfile(folder):
        files = (file.path for file in read_list(folder, SETTING, LABELS))
    else:
        raise InputError(f"{SETTING}: there is no folder {shown(folder)}; correct the path in the config file")
    for path in files:
        if LABELS.fullmatch(os.path.basename(path)):
            yield os.path.dirname(path)
