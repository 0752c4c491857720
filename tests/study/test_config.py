"""The configuration: each setting described, and each mistake answered by one line."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # comes with Snakemake
from pydantic import Field

from cmr2ecg.runtime.command import InputError
from cmr2ecg.study.ablations import with_ablations
from cmr2ecg.study.config import check, check_raw_paths
from cmr2ecg.study.settings.base import Section
from cmr2ecg.study.settings.pretraining import Ablation, Mae
from cmr2ecg.study.settings.recordings import CleanEcg
from cmr2ecg.study.settings.run import Step
from cmr2ecg.study.settings.study import Settings
from cmr2ecg.study.settings.validated import step_settings, validated
from cmr2ecg.study.settings.write import written

ROOT = Path(__file__).parents[2]
PAPER = yaml.safe_load((ROOT / "config" / "paper.yaml").read_text())
MAPS = (
    "read_tabular.diseases",
    "finetune.overrides",
    "finetune.limits",
    "sweep.overrides",
)  # whose keys the user chooses


def fresh() -> dict[str, Any]:
    """Return the paper's settings with no part shared: YAML's anchors make two keys one object."""
    return json.loads(json.dumps(PAPER))


def good() -> dict[str, Any]:
    config = fresh()
    config["simulate_cohort"]["enabled"] = True
    return config


def leaves(value: Any, path: tuple = ()) -> list[tuple]:
    """Return the path of every setting, maps left out."""
    if not isinstance(value, dict):
        return [path]
    return [leaf for key, item in value.items() for leaf in leaves(item, (*path, key))]


def put(config: dict, dotted: str, value: Any) -> dict:
    *parents, key = dotted.split(".")
    for parent in parents:
        config = config[parent]
    config[key] = value
    return config


def complaint(config: Any) -> str:
    with pytest.raises(InputError) as caught:
        check(config)
    message = str(caught.value)
    assert message.startswith("config: ")
    assert "\n" not in message
    return message


def test_paper_with_a_source_is_accepted():
    check(good())
    named = fresh()
    named["raw"] |= {"ecg": ["/a"], "cmr": ["/b"], "tabular": ["/c.csv"]}
    check(named)


def merged(base: dict, overlay: dict) -> dict:
    both = {
        key: merged(base[key], value) if isinstance(base.get(key), dict) else value for key, value in overlay.items()
    }
    return base | both


SETS = ["ptbxl.yaml", "physionet_2021.yaml", "chapman.yaml", "code15.yaml", "mimic_iv_ecg.yaml"]


@pytest.mark.parametrize("name", ["demo.yaml", "ukb.yaml", "authors.yaml", "ecg_only.yaml", "study.yaml", *SETS])
def test_overlays_use_known_keys(name):
    path = ROOT / "config" / name
    if not path.exists():
        pytest.skip(f"there is no config/{name}")

    overlay = yaml.safe_load(path.read_text()) or {}
    config = merged(good() if name == "authors.yaml" else fresh(), overlay)
    check(config)


def test_the_table_of_ones_own_in_the_docs_is_accepted():
    text = (ROOT / "docs/data_sets.md").read_text()
    example = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[0])
    targets = {section: {"targets": ["af", "lbbb"]} for section in ("finetune", "probe", "train_tabular")}
    over = {**yaml.safe_load((ROOT / "config/ecg_only.yaml").read_text()), "raw": {}}
    check(merged(merged(merged(fresh(), over), example), targets))


def test_every_set_is_in_the_table_of_the_docs():
    text = (ROOT / "docs/data_sets.md").read_text()
    with_recordings = [path.name for path in (ROOT / "config").glob("*.yaml")
                       if yaml.safe_load(path.read_text()).get("recordings", {}).get("table")]  # fmt: skip
    assert sorted(with_recordings) == sorted(SETS) and all(f"| `config/{name}` |" in text for name in SETS)


def test_the_written_files_are_those_of_the_settings():
    """After a change of a setting: make settings."""
    assert [path.name for path, text in written().items() if path.read_text(encoding="utf-8") != text] == []


def test_the_settings_are_what_yaml_says_to_the_last_digit():
    """45 stays 45, not 45.0, or jobs whose settings are unchanged would run again."""
    for study in (Settings(), Settings.model_validate(PAPER)):
        for dumped in (study.model_dump(), study.model_dump(mode="json"), json.loads(study.model_dump_json())):
            assert json.dumps(dumped, sort_keys=True) == json.dumps(PAPER, sort_keys=True)


def sections(kind: type[Section]) -> list[type[Section]]:
    return [kind, *(one for below in kind.__subclasses__() for one in sections(below))]


def test_every_setting_says_what_it_means():
    silent = [
        f"{kind.__name__}.{name}"
        for kind in sections(Section)
        for name, field in kind.model_fields.items()
        if kind.__module__.startswith("cmr2ecg")
        and not (field.description or isinstance(field.annotation, type(Section)))
    ]
    assert silent == []


def test_the_schema_takes_what_is_right_and_refuses_a_typo():
    """Read by another implementation than ours, as an editor does; overlays hold some of the keys only."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for path in (ROOT / "config").glob("*.yaml"):
        assert list(validator.iter_errors(yaml.safe_load(path.read_text()))) == [], path
    wrong = (
        {"cohrt": "x"},
        {"pretrain": {"mae": {"epoch": 5}}},
        {"pretrain": {"mae": {"mask_ratio": 1.5}}},
        {"finetune": {"overrides": {"mea": {}}}},
        {"read_tabular": {"diseases": {"CAD": ["I20"]}}},
        {"frozen": ["track", "track"]},
    )
    assert [overlay for overlay in wrong if validator.is_valid(overlay)] == []


def test_only_real_steps_can_be_frozen():
    rules = "".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    named = set(re.findall(r"^ *(?:rule|checkpoint) (\w+):", rules, re.MULTILINE))
    named |= set(re.findall(r'^ *f"(\w+)_{job.encoder}"$', rules, re.MULTILINE))  # one rule an encoder
    assert set(get_args(Step)) == named


def test_readme_gives_every_setting_with_its_value():
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| `(.+?)` \| .+ \|$", text, re.MULTILINE)
    given: dict[str, Any] = {"ablations": {}}
    for key, value in rows:
        *parents, last = key.split(".")
        section = given
        for parent in parents:
            section = section.setdefault(parent, {})
        section[last] = yaml.safe_load(value)
    assert given == PAPER
    assert re.findall(r"^\| `ablations\.NAME\.(\w+)` \| \| .+ \|$", text, re.MULTILINE) == list(Ablation.model_fields)


def test_a_step_gets_a_section_from_its_json():
    own = PAPER["pretrain"]["mae"]
    assert Mae.model_validate_json(json.dumps(own)) == validated(Mae, own) == Settings().pretrain.mae
    with pytest.raises(InputError, match=r"^settings: epochs is missing; "):
        validated(Mae, {key: value for key, value in own.items() if key != "epochs"})


def test_a_key_may_be_called_otherwise_in_python():
    class Renamed(Section):
        share: float = Field(0.5, alias="mask_ratio")

    section = validated(Renamed, {"mask_ratio": 0.8})
    assert (section.share, section.model_dump()) == (0.8, {"mask_ratio": 0.8})
    with pytest.raises(InputError, match=r"unknown key share \(known here: mask_ratio\)"):
        validated(Renamed, {"share": 0.8})


def test_an_override_is_what_it_names():
    finetune = Settings().finetune
    own = finetune.changed(finetune.overrides["supervised"])
    assert (own.base_lr, own.layer_decay, own.epochs) == (3e-5, 1.0, finetune.epochs)
    assert finetune.changed(finetune.overrides.get("mmcl")) == finetune


@pytest.mark.parametrize(
    ("dotted", "value", "message"),
    [
        ("pretrain.mae.epoch", 5, "unknown key pretrain.mae.epoch (did you mean epochs?)"),
        ("shards", 9 * 10**400, "shards is 9000000"),
        ("pretrain.mae.base_lr", 9 * 10**400, "pretrain.mae.base_lr is 9000000"),
        ("cohrt", "x", "unknown key cohrt (did you mean cohort?)"),
        ("models.projector.zzz", 1, "unknown key models.projector.zzz (known here: hidden, out)"),
        ("read_tabular.diseases.CAD", ["I20"], "unknown key read_tabular.diseases.CAD"),
        ("finetune.overrides.mea", {}, "unknown key finetune.overrides.mea (did you mean mae?)"),
        (
            "finetune.overrides.mae",
            {"base_rl": 1.0},
            "unknown key finetune.overrides.mae.base_rl (did you mean base_lr?)",
        ),
        (
            "pretrain.mae.base_lr",
            "1e-3",
            "pretrain.mae.base_lr is '1e-3' (text), expected a number; YAML needs 1.0e-3",
        ),
        ("clean_ecg.baseline.lam", "1.0e7", "expected a number; YAML needs 1.0e+7"),
        ("sweep.trials", "all", "sweep.trials is 'all' (text), expected a whole number or null"),
        ("crop_cmr.clip_percentile", 50, "crop_cmr.clip_percentile is 50; expected more than 50"),
        (
            "pretrain.mae.augment.noise",
            2**63,
            "pretrain.mae.augment.noise is 9223372036854775808 (int), expected a number",
        ),
        ("index_cohort.modalities", ["cmr"], "index_cohort.modalities is ['cmr']; expected one of [ecg, cmr], [ecg]"),
        ("read_tabular.diseases", {}, "read_tabular.diseases is {}; expected at least 1 key(s)"),
        ("raw.ecg", [""], "raw.ecg[0] is ''; expected text of at least 1 character(s)"),
        ("crop_cmr.box_mm", "142", "expected a number; write 142 without quotes"),
        ("pretrain.mae.epochs", "400", "expected a whole number; write 400 without quotes"),
        ("pretrain.mae.epochs", 400.0, "pretrain.mae.epochs is 400.0 (float), expected a whole number"),
        (
            "pretrain.mae.epochs",
            True,
            "pretrain.mae.epochs is True (true or false), expected a whole number",
        ),
        ("pretrain.mae.base_lr", float("nan"), "pretrain.mae.base_lr is nan (float), expected a number"),
        ("crop_cmr.box_mm", float("inf"), "crop_cmr.box_mm is inf (float), expected a number"),
        ("cohort", 2024, "cohort is 2024 (int), expected text"),
        ("cohort", "../up", "cohort is '../up'; expected the name of the cohort"),
        ("raw", None, "raw is None (nothing), expected a map of settings"),
        ("raw.ecg", "/data", "raw.ecg is '/data' (text), expected a list; write [/data]"),
        ("raw.ecg", [3], "raw.ecg[0] is 3 (int), expected text"),
        ("device", "gpu", "device is 'gpu'; expected one of auto, cpu, cuda"),
        ("frozen", ["pretrain"], "frozen[0] is 'pretrain'; expected one of simulate_cohort, "),
        ("models.ecg_encoder.leads", 8, "models.ecg_encoder.leads is 8; expected 12"),
        ("models.cmr_encoder.name", "vit", "models.cmr_encoder.name is 'vit'; expected the name of a timm ResNet"),
        ("pretrain.mae.mask_ratio", 1.5, "pretrain.mae.mask_ratio is 1.5; expected less than 1"),
        ("pretrain.mmcl.image_weight", -0.1, "pretrain.mmcl.image_weight is -0.1; expected at least 0"),
        ("pretrain.mmcl.batch_size", 1, "pretrain.mmcl.batch_size is 1; expected at least 2"),
        ("balance_subset.fractions", [100, 0], "balance_subset.fractions[1] is 0; expected at least 1"),
        ("balance_subset.fractions", [101], "balance_subset.fractions[0] is 101; expected at most 100"),
        ("balance_subset.fractions", [], "balance_subset.fractions is []; expected a list of at least 1"),
        ("balance_subset.phenotype_fractions", [10, 1], "phenotype_fractions is [10, 1]; expected 100 among them"),
        ("finetune.seeds", [1, 1], "finetune.seeds is [1, 1]; an entry stands there twice"),
        (
            "models.ecg_encoder.samples",
            3000,
            "pretrain.contrastive.clocs.contrast is cmsc, which takes two pieces of 3000 samples",
        ),
        (
            "pretrain.contrastive.byol.augment.spectrogram_window",
            2501,
            "contrastive.byol.augment.spectrogram_window is 2501; expected at most models.ecg_encoder.samples (2500)",
        ),
        ("pretrain.contrastive.clocs.contrast", "cmc", "expected one of cmsc, cmlc, cmsmlc"),
        ("pretrain.contrastive.clocs.leads", ["II"], "expected a list of at least 2"),
        ("models.ecg_encoder.position_embedding.init", "sine", "expected one of sincos, random"),
        (
            "finetune.encoders",
            ["mae", "bert"],
            "finetune.encoders[1] is 'bert'; expected one of supervised, supervised_cnn, simclr, ",
        ),
        (
            "finetune.limits",
            {"bert": {}},
            "unknown key finetune.limits.bert (known here: supervised, supervised_cnn, simclr,",
        ),
        ("finetune.limits", {"mmcl_fake": {}}, "finetune.limits names mmcl_fake, yet ablations has no fake"),
        ("finetune.betas", [0.9], "finetune.betas is [0.9]; expected a list of at least 2"),
        (
            "read_tabular.diseases.cad",
            ["i20"],
            "read_tabular.diseases.cad[0] is 'i20'; expected an ICD-10 prefix",
        ),
        ("split_subjects.test", 0.2, "split_subjects: train, val and test add up to 1.05; expected 1"),
        (
            "simulate_cohort.enabled",
            False,
            "raw.ecg is empty; name the folders in config/ukb.yaml or run the demo",
        ),
        (
            "raw.cmr",
            ["/data"],
            "raw.cmr names folders, yet simulate_cohort.enabled is true; switch one of them off",
        ),
        ("models.ecg_encoder.samples", 2450, "samples is 2450; expected a multiple of patch (100)"),
        ("models.ecg_encoder.samples", 6000, "samples is 6000; clean_ecg.samples is only 5000"),
        ("models.ecg_cnn.kernel", 4, "models.ecg_cnn.kernel is 4; expected an odd number"),
        ("models.ecg_encoder.heads", 5, "models.ecg_encoder.dim is 384; expected a multiple of heads (5)"),
        (
            "models.mae_decoder",
            {"dim": 30, "depth": 1, "heads": 3},
            "models.mae_decoder.dim is 30; expected a multiple of 4",
        ),
        ("pretrain.mae.mask_ratio", 0.999, "it leaves none of the 300 tokens visible"),
        ("sweep.grid.momentum", [0.9], "unknown key sweep.grid.momentum (known here: batch_size, layer_decay, "),
        ("sweep.grid.base_lr", [0.0], "sweep.grid.base_lr[0] is 0.0; expected more than 0"),
        ("sweep.grid.drop_path", [0.1, 1.0], "sweep.grid.drop_path[1] is 1.0; expected less than 1"),
        ("sweep.grid.batch_size", [8, 8], "sweep.grid.batch_size is [8, 8]; an entry stands there twice"),
        ("sweep.strategy", "bayes", "sweep.strategy is 'bayes'; expected one of grid, random, halving"),
        ("sweep.eta", 1, "sweep.eta is 1; expected at least 2"),
        ("sweep_tabular.grid.subsample", [1.5], "sweep_tabular.grid.subsample[0] is 1.5; expected at most 1"),
        ("sweep_tabular.targets", ["cad", "hf"], "sweep_tabular.targets names hf, which train_tabular.targets lacks"),
        (
            "finetune.targets",
            ["cad", "hf"],
            "finetune.targets names hf; read_tabular.diseases holds only cad, af, dm",
        ),
    ],
)
def test_each_mistake_has_its_line(dotted, value, message):
    config = good()
    put(config, dotted, value)
    assert message in complaint(config)


SWITCHED_ON = {"encoders": ["mmcl"], "targets": ["cad"]}


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"encoders": ["simclr"]}, "sweep.encoders names simclr, which finetune.encoders lacks"),
        ({"targets": ["lv"]}, "sweep.targets names lv, which finetune.targets lacks"),
        ({"grid": {}}, "sweep.grid is empty for mmcl and cad; give one axis its values"),
        ({"strategy": "random"}, "sweep.trials is null; random wants the number of trials"),
        (
            {"strategy": "random", "trials": 649},
            "is 649; the grid has only 648 combinations for mmcl and cad",
        ),
        (
            {"strategy": "halving", "trials": 700},
            "is 700; the grid has only 648 combinations for mmcl and cad",
        ),
        ({"strategy": "halving", "minimum_epochs": 401}, "minimum_epochs is 401; mmcl is trained for only 400 epochs"),
    ],
)
def test_each_mistake_of_a_sweep_has_its_line(sweep, message):
    config = good()
    config["finetune"]["encoders"], config["finetune"]["targets"] = ["mmcl", "mae"], ["cad", "af"]
    if "grid" in sweep:
        sweep = {"grid": {axis: [] for axis in config["sweep"]["grid"]}}
    config["sweep"] |= SWITCHED_ON | sweep
    assert message in complaint(config)
    config["sweep"]["encoders"] = []  # switched off, so the rest of it does not matter
    check(config)


def test_a_sweep_of_the_convolutional_network_cannot_be_over_layer_decay():
    config = good()
    config["finetune"]["encoders"], empty = ["supervised_cnn", "mmcl"], {axis: [] for axis in config["sweep"]["grid"]}
    config["sweep"] |= {"encoders": ["supervised_cnn"], "targets": ["cad"], "overrides": {}}
    config["sweep"] |= {"grid": empty | {"layer_decay": [0.5, 0.75]}}
    assert "sweep.grid is empty for supervised_cnn and cad" in complaint(config)
    config["sweep"]["overrides"] = {"supervised_cnn": {"base_lr": [1e-4, 1e-3]}}
    check(config)


def test_the_convolutional_network_is_not_released():
    config = good()
    config["finetune"]["encoders"] = ["supervised_cnn", "mmcl"]
    config["release"]["encoders"] = ["supervised_cnn"]
    assert "release.encoders names supervised_cnn, a convolutional network; only" in complaint(config)


def test_a_sweep_of_phenotypes_alone_cannot_be_over_label_smoothing():
    config = good()
    config["finetune"]["targets"] = ["cad", "lv"]
    empty = {axis: [] for axis in config["sweep"]["grid"]}
    config["sweep"] |= {"encoders": ["mmcl"], "targets": ["cad", "lv"], "grid": empty | {"label_smoothing": [0.0, 0.1]}}
    assert "sweep.grid is empty for mmcl and lv" in complaint(config)
    config["sweep"] |= {"grid": empty | {"base_lr": [1e-5, 1e-4]}, "strategy": "random", "trials": 2}
    check(config)


def test_missing_keys():
    for path in leaves(PAPER):
        if ".".join(path).startswith(MAPS):
            continue
        config = good()
        parent = config
        for key in path[:-1]:
            parent = parent[key]
        parent.pop(path[-1])
        assert f"config: {'.'.join(path)} is missing; config/paper.yaml" in complaint(config)


def test_every_misspelt_key_is_named_first():
    for path in leaves(PAPER):
        if ".".join(path).startswith(MAPS[0]):
            continue
        config = good()
        parent = config
        for key in path[:-1]:
            parent = parent[key]
        parent[path[-1] + "x"] = parent.pop(path[-1])  # now one key is unknown and another one missing
        message = complaint(config)
        assert f"unknown key {'.'.join(path)}x" in message
        assert f"did you mean {path[-1]}?" in message


@pytest.mark.parametrize("config", [None, [], "text", 3, {}])
def test_not_a_configuration(config):
    complaint(config)


def test_keys_that_yaml_reads_as_numbers():
    config = good()
    config[100] = 1
    config["raw"][None] = 2
    assert "unknown key 100" in complaint(config)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.dates(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_mutated_configurations_never_give_a_traceback(data):
    config = good()
    for _ in range(data.draw(st.integers(1, 3))):
        node = config
        for _ in range(data.draw(st.integers(0, 3))):
            maps = [item for item in node.values() if isinstance(item, dict) and item]
            node = data.draw(st.sampled_from(maps)) if maps else node
        key = data.draw(st.sampled_from(list(node)) | st.text(max_size=5) | st.integers())
        node[key] = data.draw(VALUES)
    try:
        check(config)
    except InputError as error:
        assert str(error).startswith("config: ")
        assert len(str(error).splitlines()) == 1


def test_import_is_light():
    code = "import sys, cmr2ecg.study.config; print(*(m for m in ('torch', 'pandas', 'numpy') if m in sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONPATH": str(ROOT / "src")}
    )
    assert (result.stdout.strip(), result.stderr) == ("", "")


def test_an_ablation_is_one_more_encoder():
    config = good() | {
        "ablations": {"shuffled": {"shuffle_images": "every_batch"}, "tau": {"finetune": True, "mmcl": {}}}
    }
    config["ablations"]["mask"] = {"mae": {"mask_ratio": 0.5}}  # it trains a masked autoencoder of its own
    before, changed = Settings(), check(config)
    for _ in range(2):
        changed = with_ablations(changed)
        probed = ["mmcl_shuffled", "mmcl_tau", "mmcl_mask", "mae_mask"]
        assert changed.probe.encoders == (*before.probe.encoders, *probed)
        assert changed.finetune.encoders == (*before.finetune.encoders, "mmcl_tau")


@pytest.mark.parametrize(
    ("ablations", "message"),
    [
        ({"a": {"shuffle": True}}, "unknown key ablations.a.shuffle (did you mean shuffle_images?)"),
        ({"a": {"mmcl": {"temperature": 0}}}, "ablations.a.mmcl.temperature is 0; expected more than 0"),
        ({"a": {}}, "ablations.a is {}; expected at least 1 key(s)"),
        ({"a": {"pairs": 1}}, "ablations.a.pairs is 1; expected at least 2"),
        ({"a": {"pairs": None}}, "ablations.a.pairs is None (nothing); drop it"),
        ({"A b": {"pairs": 2}}, "unknown key ablations.A b (expected a name of small letters, digits and _)"),
        (
            {"without_mdm": {"pairs": 2}},
            "ablations names without_mdm, as the paper's mmcl_without_mdm; call the ablation otherwise",
        ),
    ],
)
def test_a_mistake_in_an_ablation_is_named(ablations, message):
    assert complaint(good() | {"ablations": ablations}) == f"config: {message}"


def test_planted_latents_are_probed_in_a_synthetic_cohort_only():
    config = fresh()
    config["raw"] |= {"ecg": ["/a"], "cmr": ["/b"], "tabular": ["/c.csv"]}
    config["probe"]["encoders"] = ["latents"]
    assert "probe.encoders names latents, which only a synthetic cohort has" in complaint(config)
    check(good() | {"probe": config["probe"]})


def test_a_raw_path_that_is_no_folder_or_cannot_be_reached_is_named(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"raw\.ecg: .*pipe is neither a folder nor a file"):
        check_raw_paths({"ecg": [str(tmp_path / "pipe")]})
    with pytest.raises(InputError, match=r"raw\.cmr: there is no folder .*pipe/below"):
        check_raw_paths({"cmr": [str(tmp_path / "pipe/below")]})

    def stale(path):
        raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), path)

    monkeypatch.setattr("cmr2ecg.study.config.os.stat", stale)
    with pytest.raises(InputError, match=r"raw\.ecg: /mnt/ecg cannot be reached \(Stale file handle\)"):
        check_raw_paths({"ecg": ["/mnt/ecg"]})


def test_a_step_takes_what_it_was_told_whole_and_has_no_defaults():
    told = json.loads(CleanEcg(clip_std=3.5).model_dump_json())
    assert step_settings(CleanEcg, told).clip_std == 3.5
    del told["baseline"]["lam"]
    with pytest.raises(InputError, match=r"^--settings: baseline\.lam is missing"):
        step_settings(CleanEcg, told)
