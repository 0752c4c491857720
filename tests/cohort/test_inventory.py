import pandas as pd
import pytest

from cmr2ecg.cohort.flow import Flow, add_flows, read_flow, write_flow
from cmr2ecg.cohort.inventory import index_ecgs, index_shard, index_with_unpaired, join_shards
from cmr2ecg.runtime.command import InputError


def files(*keys):
    return {key: f"{key[0]}_{key[1]}" for key in keys}


def test_each_exclusion_is_counted_once(tmp_path):
    ecg = files((1, 2), (1, 3), (2, 2), (3, 2), (5, 2), (6, 3), (7, 2))
    cmr = files((1, 2), (1, 3), (3, 3), (4, 2), (5, 2), (6, 3))
    table, flow = join_shards([index_shard(ecg, cmr, {}, {5, 2, 99}, [2, 3])])
    assert table.to_numpy().tolist() == [[1, 2, "1_2", "1_2", ""], [6, 3, "6_3", "6_3", ""]]
    assert flow.rows == [
        ("index_cohort", "with an ECG or a CMR file", 7, 7),
        ("index_cohort", "no ECG file", 7, 6),
        ("index_cohort", "no CMR file", 6, 4),
        ("index_cohort", "no visit with both", 4, 3),
        ("index_cohort", "withdrawn", 3, 2),
        ("index_cohort", "excluded by list", 2, 2),
    ]
    write_flow(tmp_path / "flow.csv", flow)
    assert read_flow(tmp_path / "flow.csv") == flow


def test_who_is_left_out_by_a_list_is_counted_apart_from_who_has_withdrawn():
    both = files((1, 2), (2, 2), (3, 2), (4, 2))
    for with_cmr in (True, False):
        visits, flow = index_shard(both, both, {}, {1, 9}, [2, 3], with_cmr, {1, 2, 3, 8})
        assert visits["eid"].tolist() == [4]
        assert flow.rows[-2:] == [
            ("index_cohort", "withdrawn", 4, 3),
            ("index_cohort", "excluded by list", 3, 1),
        ]


def test_a_segmentation_belongs_to_its_visit_or_to_any():
    both = files((1, 2), (1, 3), (2, 2), (3, 3), (4, 2))
    segmented = {(1, 2): "one", (1, None): "other", (2, 3): "of a later visit", (3, None): "three"}
    visits, _ = index_shard(both, both, segmented, set(), [2, 3])
    assert visits["segmentation"].tolist() == ["one", "", "three", ""]


def test_the_visit_the_config_names_is_used():
    both = files((1, 2), (1, 3), (2, 2), (3, 3))
    visits, _ = index_shard(both, both, {}, set(), [3])
    assert visits[["eid", "instance"]].to_numpy().tolist() == [[1, 3], [3, 3]]


def test_an_ecg_without_a_cmr_at_its_visit_is_unpaired_and_the_pairs_stay_the_same():
    ecg = files((1, 2), (1, 3), (2, 2), (3, 3), (3, 2), (5, 2), (6, 3), (7, 2), (8, 2), (9, 0))
    cmr = files((1, 2), (1, 3), (3, 1), (4, 2), (5, 2), (6, 3))
    lists = {5, 2, 99}, [2, 3], {8}
    visits, unpaired, flow = index_with_unpaired(ecg, cmr, {(1, 2): "s"}, *lists)
    pd.testing.assert_frame_equal(visits, index_shard(ecg, cmr, {(1, 2): "s"}, *lists[:2], True, lists[2])[0])
    assert unpaired.to_numpy().tolist() == [[3, 2, "3_2", "", ""], [7, 2, "7_2", "", ""]]
    assert unpaired.dtypes.equals(visits.dtypes)
    assert flow.rows == [
        ("index_cohort", "with an ECG or a CMR file", 9, 9),
        ("index_cohort", "no ECG file", 9, 8),
        ("index_cohort", "no visit asked for", 8, 7),
        ("index_cohort", "withdrawn", 7, 5),
        ("index_cohort", "excluded by list", 5, 4),
    ]


def test_ecgs_for_pre_trainings_alone_have_a_table_of_their_own_and_are_counted():
    ecg = files((1, 2), (1, 3), (2, 2), (3, 3), (4, 2), (5, 2), (6, 0))
    alone = {(1, 2), (3, 3), (3, 2), (4, 2), (5, 2)}
    visits, unpaired, flow = index_ecgs(ecg, alone, {4}, [2, 3], {5})
    assert visits["ecg_path"].tolist() == ["2_2"] and unpaired["ecg_path"].tolist() == ["1_2", "3_3"]
    assert unpaired.dtypes.equals(visits.dtypes) and [*visits.index] == [0]
    whole, before = index_shard(ecg, {}, {}, {4}, [2, 3], False, {5})
    assert sorted([*visits["eid"], *unpaired["eid"]]) == whole["eid"].tolist()
    assert flow.rows == [*before.rows, ("index_cohort", "for pre-trainings alone", 3, 1)]
    for nobody in (index_ecgs({}, set(), set(), [2]), index_ecgs(files((1, 2)), {(1, 2)}, set(), [2])):
        assert nobody[0].empty and nobody[0].dtypes.equals(nobody[1].dtypes) and len(nobody[0].columns) == 5


def test_no_subject_with_both_is_an_error():
    with pytest.raises(InputError, match=r"raw\.ecg.*raw\.cmr.*index_cohort\.instances"):
        join_shards([index_shard(files((1, 2)), files((2, 2)), {}, set(), [2, 3])])


def test_a_flow_cannot_lose_more_than_it_has():
    with pytest.raises(ValueError, match="4 of 3"):
        Flow(3).exclude("step", "reason", 4)


def test_shards_add_up_to_the_whole():
    ecg = files((1, 2), (1, 3), (2, 2), (3, 2), (5, 2), (6, 3), (7, 2))
    cmr = files((1, 2), (1, 3), (3, 3), (4, 2), (5, 2), (6, 3))
    parts = []
    for shard in range(3):
        mine = [{key: path for key, path in found.items() if key[0] % 3 == shard} for found in (ecg, cmr)]
        parts.append(index_shard(*mine, {}, {5}, [2, 3]))
    visits, flow = join_shards(parts)
    whole, whole_flow = join_shards([index_shard(ecg, cmr, {}, {5}, [2, 3])])
    pd.testing.assert_frame_equal(visits, whole)
    assert flow == whole_flow


def test_flows_with_other_rows_cannot_be_added():
    other = Flow(3)
    other.exclude("step", "reason", 1)
    with pytest.raises(ValueError, match="different rows"):
        add_flows([Flow(3), other])
