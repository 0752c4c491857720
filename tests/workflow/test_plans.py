"""Which jobs there are, with their files, needs and commands, changes only when somebody means it to."""

import json
from pathlib import Path

import pytest
from plans import DIGESTS, STUDIES, digests, plan

pytestmark = pytest.mark.long


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_is_the_same_jobs_as_before(study: str, tmp_path: Path):
    """After a change that is meant: python tests/workflow/plans.py --write (with a FOLDER, for a diff)."""
    assert digests(plan(study, tmp_path)) == json.loads(DIGESTS.read_text())[study]
