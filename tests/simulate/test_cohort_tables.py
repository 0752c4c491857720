"""The measured tables of the synthetic cohort."""

import numpy as np
import pytest
from cohort_tables import SMALL, by_sex, linear_r, observe, predicted
from paper_settings import altered

from cmr2ecg.simulate.subject import draw_person
from cmr2ecg.study.settings.cohort import SimulateCohort


@pytest.fixture(scope="module")
def cohort():
    settings = altered(SimulateCohort(), **SMALL | {"frames": 6, "matrix": 32})
    people = [draw_person(settings, index) for index in range(24)]
    return people, *observe(people, settings)


def test_a_source_that_is_the_phenotypes_tells_all_and_the_body_has_no_part_in_a_partial_r(cohort):
    people, phenotypes, sources = cohort
    body = sources["age, sex, height, weight"]
    table = linear_r(phenotypes, {"phenotypes": phenotypes.to_numpy(), "age, sex, height, weight": body})
    assert (table.loc["phenotypes", ["LVEDV", "LVM", "RVEDV"]] > 0.9).all()
    assert list(table.index) == ["phenotypes", "age, sex, height, weight", "phenotypes, given body"]
    assert by_sex(people, phenotypes).loc["LVEDV", "r of sex"] > 0.3


def test_sources_are_those_of_the_subject(cohort):
    people, _, sources = cohort
    assert {len(features) for features in sources.values()} == {24}
    assert sources["age, sex, height, weight"][3].tolist() == pytest.approx(
        [float(getattr(people[3].heart_image, name)) for name in ("age", "male", "height_cm", "weight_kg")]
    )
    assert ((sources["middle slice"] >= 0) & (sources["middle slice"] <= 1)).all()


def test_predictions_are_of_subjects_that_were_not_fitted():
    """What has nothing to tell predicts nothing."""
    rng = np.random.default_rng(0)
    told = predicted(rng.standard_normal((400, 5)), rng.standard_normal((400, 2)))
    wanted = np.random.default_rng(0).standard_normal((400, 5))[:, :2]
    assert np.abs(told).max() < 0.5
    assert np.corrcoef(predicted(wanted, wanted)[:, 0], wanted[:, 0])[0, 1] > 0.99
