"""Bad input ends with one clear line that says what to mend, and never with a traceback."""

import re
import shutil
import subprocess

import pytest
from drive_snakemake import ROOT, TINY, planned, snakemake
from test_reruns import real_data_config

from cmr2ecg.cohort.subsets import no_training_set

pytestmark = pytest.mark.slow


def refused(folder, *arguments: str) -> str:
    """Return what Snakemake printed after it ended with an error."""
    done = snakemake(folder, *arguments)
    text = done.stdout + done.stderr
    assert done.returncode != 0, text
    assert "Traceback" not in text, text
    return text


def test_a_missing_raw_folder_is_named(finished, tmp_path):
    config = real_data_config(finished, tmp_path / "c.yaml", ecg="[/no/such/folder]")
    assert "raw.ecg: there is no folder /no/such/folder" in refused(finished, "-n", "--configfile", str(config))


def test_the_unedited_ukb_config_says_what_to_fill_in(finished):
    text = refused(finished, "-n", "--configfile", "config/ukb.yaml")
    assert "/path/to/20205" in text and "raw.ecg" in text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("cohort: x\nsimulate_cohort: {enabled: true, subject: 3}\n", "unknown key simulate_cohort.subject"),
        ("cohort: x\n", "raw.ecg is empty"),
        ("cohort: [unclosed\n", "not valid JSON or YAML|correct the YAML"),
        ("cohort: x\nsimulate_cohort: {enabled: true, subjects: many}\n", "simulate_cohort.subjects"),
    ],
)
def test_a_bad_config_is_explained(finished, tmp_path, content, said):
    config = tmp_path / "bad.yaml"
    config.write_text(content)
    assert re.search(said, refused(finished, "-n", "--configfile", str(config)))


def test_make_names_a_missing_config():
    command = ["make", "demo", "CONFIG=config/nowhere.yaml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "there is no config file config/nowhere.yaml" in done.stdout


def test_no_subject_with_both_files(finished, tmp_path):
    (tmp_path / "empty").mkdir()
    config = real_data_config(finished, tmp_path / "c.yaml", cmr=f"[{tmp_path}/empty]")
    target = "results/download/index_cohort/visits.parquet"
    text = refused(finished, "--configfile", str(config), "--", target)
    assert "no subject has both an ECG" in text
    right = real_data_config(finished, config)
    assert planned(finished, "--configfile", str(right))["index_shard"] == 2  # nobody counts as a later arrival


@pytest.mark.long
def test_too_few_positives_are_a_dash_with_a_footnote(finished, tmp_path):
    """A subset that cannot be had skips its fits with a reason; the others stay, and the run goes on to the tables."""
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    fit = "results/tiny/finetune/mmcl/lv/100/predictions.parquet"
    before = (folder / fit).read_bytes()
    tiny = folder / TINY
    tiny.write_text(tiny.read_text().replace("fractions: [100, 10]", "fractions: [100, 10], minimum_pairs: 500"))
    done = snakemake(folder, "--", "results/tiny/make_table/table_3.md")
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    assert "fewer than balance_subset.minimum_pairs = 500" in text
    assert (folder / fit).read_bytes() == before
    assert f"</sup> {no_training_set('cad')}" in (folder / "results/tiny/make_table/table_3.md").read_text()
