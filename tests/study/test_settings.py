"""Nothing in the config is there for nothing: what a step is told its code names, and every setting has a reader."""

import ast
import re
from collections.abc import Iterator, Mapping

import pytest
from paper_settings import paper_settings

from cmr2ecg.plan.jobs import Job, Study, study_of
from cmr2ecg.runtime.imports import SOURCE, reached_files

pytestmark = pytest.mark.slow
ROOT = SOURCE.parent
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
RECORDERS = ("describe_run", "trace_numbers")  # they write down what they are told
CALLED = ("init.", "threads.", "finetune.overrides.", "sweep.overrides.")  # maps from an encoder, or a stage
NAMED_BY_USERS = ("diagnoses", "diseases", "prevalence", "cases", "limits", "ablations")  # keys the code goes through
DECLARED = set((SOURCE / "cmr2ecg/study/settings").glob("*.py"))  # they name every setting and read none
EVERYTHING = """\
finetune: {encoders: [supervised, supervised_cnn, simclr, mae, mmcl, cmr_supervised, cmr_mmcl]}
sweep: {encoders: [mmcl, supervised], targets: [cad, lv], strategy: halving}
ablations: {shuffled: {shuffle_images: once}}
raw: {segmentations: [here]}
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    overlay = tmp_path_factory.mktemp("config") / "everything.yaml"
    overlay.write_text(EVERYTHING)
    simulated = overlay.with_name("simulated.yaml")
    simulated.write_text("simulate_cohort: {enabled: true}\n")
    real, synthetic = study_of([ROOT / "config/ukb.yaml", overlay]), study_of([simulated])
    return Study([*real.jobs, *(job for job in synthetic.jobs if job.step == "simulate_cohort")], real.config)


def keys(settings: Mapping, place: str = "") -> Iterator[tuple[str, str]]:
    """Yield (place, key) of every setting, where the code gives the names."""
    for key, value in settings.items():
        yield f"{place}{key}", str(key)
        if isinstance(value, Mapping) and key not in NAMED_BY_USERS:
            yield from keys(value, f"{place}{key}.")


def words(*modules: str) -> set[str]:
    """Return the names that code reached from these modules may read a setting by."""
    found: set[str] = set()
    for path in set(reached_files(*modules)) - DECLARED:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            elif isinstance(node, ast.Attribute):
                found.add(node.attr)
            elif isinstance(node, ast.arg):
                found.add(node.arg)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                found.add(node.target.id)
    return found


def modules_of(job: Job) -> tuple[str, ...]:
    figure = (f"cmr2ecg.report.figures.{job.wildcards['figure']}",) if job.step == "make_figure" else ()
    reader = ("cmr2ecg.predict.run",) if job.step == "release" else ()  # what a release holds for predict
    return (f"cmr2ecg.steps.{job.step}", *figure, *reader)


def test_a_job_is_told_the_sizes_of_its_own_network_alone(study):
    """The convolutional network sees the leads and seconds of the transformer, whose width must not rerun it."""
    models = paper_settings()["models"]
    read = {key: models["ecg_encoder"][key] for key in ("leads", "samples")}
    wanted = {
        "finetune_supervised": {"ecg_encoder": models["ecg_encoder"]},
        "finetune_supervised_cnn": {"ecg_cnn": {**models["ecg_cnn"], **read}},
        "finetune_cmr_supervised": {"cmr_encoder": models["cmr_encoder"]},
        "probe_cmr_random": {"cmr_encoder": models["cmr_encoder"]},
    }
    assert wanted == {job.rule: job.settings["models"] for job in study.jobs if job.rule in wanted}


def test_what_a_step_is_told_its_code_names(study):
    told: dict[tuple[str, ...], dict[str, str]] = {}
    for job in study.jobs:
        if job.step not in RECORDERS:
            told.setdefault(modules_of(job), {}).update(keys(job.settings))
    assert len(told) > 30 and sum(map(len, told.values())) > 300
    unread = {
        (modules[0], place)
        for modules, settings in told.items()
        for named in [words(*modules)]
        for place, key in settings.items()
        if key not in named and key != "enabled"  # which the rules read
    }
    assert unread == set()


def test_every_setting_is_told_to_a_step_or_read_by_the_rules(study):
    told = {key for job in study.jobs if job.step not in RECORDERS for _, key in keys(job.settings)}
    checked = {"cmr2ecg.study.config"}  # which names settings that must agree
    imported = set(re.findall(r"from (cmr2ecg\.\w+\.\w+) import", RULES)) - checked
    (jobs,) = re.findall(r"from cmr2ecg\.study import \(([\w\s,]+)\)", RULES)
    imported |= {f"cmr2ecg.study.{name}" for name in re.findall(r"\w+", jobs)}
    told |= words(*imported) | set(re.findall(r"\w+", RULES))
    unread = [place for place, key in keys(paper_settings()) if key not in told]
    # Keys that name encoders, and those of an encoder's own settings.
    named = [f"pretrain.contrastive.{name}" for name in paper_settings()["pretrain"]["contrastive"]]
    assert [place for place in unread if place not in named and not place.startswith(CALLED)] == []
