import pytest

from cmr2ecg.study.targets import PHENOTYPE_GROUPS
from cmr2ecg.tables.phenotypes import phenotype_fields, phenotype_names, phenotype_table


def test_the_61_phenotypes_and_their_groups():
    sizes = {group: len(phenotype_names(group)) for group in PHENOTYPE_GROUPS}
    assert sizes == {"lv": 6, "rv": 4, "wt": 17, "ecc": 17, "err": 17}
    assert sum(sizes.values()) == len(phenotype_fields()) == 61
    assert [name for group in PHENOTYPE_GROUPS for name in phenotype_names(group)] == list(phenotype_fields())


def test_fields_and_units():
    fields = phenotype_fields()
    assert (fields["LVEDV"], fields["RVEF"], fields["WT_AHA_1"], fields["Err_Global"]) == (
        24100,
        24109,
        24124,
        24174,
    )
    units = phenotype_table().set_index("bai_name")["units"]
    assert (units["LVEF"], units["LVM"], units["WT_Global"]) == ("%", "g", "mm")


def test_an_unknown_group_is_an_error():
    with pytest.raises(KeyError, match="atria"):
        phenotype_names("atria")
