"""Find the subjects with both an ECG and a CMR, and those with an ECG only."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from cmr2ecg.cohort.flow import PRETRAINED_ON, Flow, add_flows
from cmr2ecg.raw.bulk import earliest_pairs
from cmr2ecg.raw.listed import Listed
from cmr2ecg.runtime.command import InputError

STEP = "index_cohort"
COLUMNS = {"eid": "int64", "instance": "int64", "ecg_path": "str", "cmr_path": "str", "segmentation": "str"}

Files = Mapping[tuple[int, int], str]  # (eid, instance) -> path


def index_shard(
    ecg: Files,
    cmr: Files,
    segmented: Mapping[tuple[int, int | None], str],
    withdrawn: set[int],
    instances: Sequence[int],
    with_cmr: bool = True,
    excluded: Collection[int] = (),
) -> tuple[pd.DataFrame, Flow]:
    """Return one row per subject (eid, instance, ecg_path, cmr_path, segmentation), by eid, and the exclusions.

    Args:
        ecg, cmr: the files of these subjects.
        segmented: folders with a segmentation of the cine, by eid and instance; instance None means any visit.
            `segmentation` is empty if there is none.
        withdrawn: eids that must not appear anywhere.
        instances: visits considered; the earliest one with both files is used.
        with_cmr: if false, `cmr` is ignored and the earliest ECG is used.
        excluded: eids left out for other reasons; those also withdrawn are counted as withdrawn.
    """
    if not with_cmr:
        kept, flow = _ecgs(ecg, withdrawn, instances, excluded)
        return _table(kept, ecg), flow
    have_ecg, have_cmr = ({eid for eid, _ in files} for files in (ecg, cmr))
    pairs = earliest_pairs(ecg, cmr, instances)
    flow = Flow(len(have_ecg | have_cmr))
    flow.exclude(STEP, "with an ECG or a CMR file", 0)
    flow.exclude(STEP, "no ECG file", len(have_cmr - have_ecg))
    flow.exclude(STEP, "no CMR file", len(have_ecg - have_cmr))
    flow.exclude(STEP, "no visit with both", len(have_ecg & have_cmr) - len(pairs))
    return _table(_without_listed(pairs, withdrawn, excluded, flow), ecg, cmr, segmented), flow


def index_with_unpaired(
    ecg: Files,
    cmr: Files,
    segmented: Mapping[tuple[int, int | None], str],
    withdrawn: set[int],
    instances: Sequence[int],
    excluded: Collection[int] = (),
) -> tuple[pd.DataFrame, pd.DataFrame, Flow]:
    """Return the pairs as `index_shard` does, a table of those with an ECG only, and the exclusions from both.

    An unpaired subject has no visit with both files; the earliest ECG of `instances` is used. It stays in the flow here
    and leaves the pairs in assemble_dataset, once its ECG has passed or failed quality control.
    """
    have_ecg, have_cmr = ({eid for eid, _ in files} for files in (ecg, cmr))
    pairs = earliest_pairs(ecg, cmr, instances)
    visits = earliest_pairs(ecg, ecg, instances) | pairs
    flow = Flow(len(have_ecg | have_cmr))
    flow.exclude(STEP, "with an ECG or a CMR file", 0)
    flow.exclude(STEP, "no ECG file", len(have_cmr - have_ecg))
    flow.exclude(STEP, "no visit asked for", len(have_ecg) - len(visits))
    kept = _without_listed(visits, withdrawn, excluded, flow)
    paired, unpaired = ({eid: kept[eid] for eid in kept if (eid in pairs) == wanted} for wanted in (True, False))
    return _table(paired, ecg, cmr, segmented), _table(unpaired, ecg), flow


def index_ecgs(
    ecg: Files,
    for_pretraining: Collection[tuple[int, int]],
    withdrawn: set[int],
    instances: Sequence[int],
    excluded: Collection[int] = (),
) -> tuple[pd.DataFrame, pd.DataFrame, Flow]:
    """Return the earliest ECG of each subject, those for pre-trainings alone in a table of their own, and the flow.

    Args:
        ecg: the files of these subjects.
        for_pretraining: (eid, instance) of ECGs that are in no split.
        withdrawn, instances, excluded: as in `index_shard`.
    """
    kept, flow = _ecgs(ecg, withdrawn, instances, excluded)
    alone = {eid: instance for eid, instance in kept.items() if (eid, instance) in for_pretraining}
    flow.exclude(STEP, PRETRAINED_ON, len(alone))
    mine = {eid: instance for eid, instance in kept.items() if eid not in alone}
    return _table(mine, ecg), _table(alone, ecg), flow


def _ecgs(
    ecg: Files, withdrawn: set[int], instances: Sequence[int], excluded: Collection[int]
) -> tuple[dict[int, int], Flow]:
    have_ecg = {eid for eid, _ in ecg}
    pairs = earliest_pairs(ecg, ecg, instances)
    flow = Flow(len(have_ecg))
    flow.exclude(STEP, "with an ECG file", 0)
    flow.exclude(STEP, "no visit asked for", len(have_ecg) - len(pairs))
    return _without_listed(pairs, withdrawn, excluded, flow), flow


def _table(
    visits: Mapping[int, int], ecg: Files, cmr: Files | None = None, segmented: Mapping | None = None
) -> pd.DataFrame:
    """Return one row per subject, in order of eid; without `cmr` and `segmented` their columns are empty."""
    cmr, segmented = cmr or {}, segmented or {}
    rows = [
        (*visit, ecg[visit], cmr.get(visit, ""), segmented.get(visit) or segmented.get((visit[0], None), ""))
        for visit in sorted(visits.items())
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _without_listed(
    pairs: Mapping[int, int], withdrawn: set[int], excluded: Collection[int], flow: Flow
) -> dict[int, int]:
    consenting = {eid: instance for eid, instance in pairs.items() if eid not in withdrawn}
    kept = {eid: instance for eid, instance in consenting.items() if eid not in excluded}
    flow.exclude(STEP, "withdrawn", len(pairs) - len(consenting))
    flow.exclude(STEP, "excluded by list", len(consenting) - len(kept))
    return kept


def with_subjects(visits: pd.DataFrame, ecg: Mapping[tuple[int, int], Listed]) -> pd.DataFrame:
    """Return visits with subject, the number of whom the recording belongs to, and split, "" unless it is given.

    Without a list that says otherwise each eid is a subject of its own.
    """
    listed = [ecg.get(key, Listed("")) for key in zip(visits["eid"].tolist(), visits["instance"].tolist(), strict=True)]
    subjects = [one.subject or eid for one, eid in zip(listed, visits["eid"].tolist(), strict=True)]
    return visits.assign(subject=subjects, split=[one.split for one in listed]).astype(
        {"subject": "int64", "split": "str"}
    )


def join_shards(shards: Sequence[tuple[pd.DataFrame, Flow]]) -> tuple[pd.DataFrame, Flow]:
    """Return the visits of all shards in order of eid, and the sum of their exclusions.

    Raises:
        InputError: if no subject is left.
    """
    flow = add_flows([part for _, part in shards])
    visits = pd.concat([part for part, _ in shards]).sort_values("eid", ignore_index=True)
    if visits.empty:
        lost = "; ".join(f"{reason}: {n_in - n_out}" for _, reason, n_in, n_out in flow.rows if n_in > n_out)
        raise InputError(
            f"no subject has both an ECG (field 20205) and a CMR (20209) at one visit, as far as both are required "
            f"({lost or 'no file found'}); check raw.ecg, raw.cmr and index_cohort.instances in the config file"
        )
    return visits, flow
