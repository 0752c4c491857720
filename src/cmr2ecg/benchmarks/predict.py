"""`cmr2ecg predict` on many CardioSoft files against the forward passes alone, at the demo's and the paper's size."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from safetensors.torch import load_file, save_file

from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.data.outputs import is_phenotypes, output_names
from cmr2ecg.files import write_json
from cmr2ecg.imports import SOURCE
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.predict.build import example
from cmr2ecg.predict.onnx_file import export_checked
from cmr2ecg.predict.records import Source, load
from cmr2ecg.predict.release import FORMAT, Release, key_of, read_config, write_sums
from cmr2ecg.predict.run import BATCH, load_networks
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml
from cmr2ecg.simulate.ecg import with_derived_leads

TARGETS = ("cad", "af", "dm", "lv", "rv", "wt", "ecc", "err")
SEEDS = (0, 101, 202, 303, 404)
THREADS = 2


def run(demo: int = 1000, paper: int = 64) -> list[dict]:
    """Return the rows predict_demo and predict_paper_size (ECGs/s); `ours` includes start, reading and cleaning."""
    settings = paper_settings()
    overlay = yaml.safe_load((SOURCE.parent / "config/demo.yaml").read_text())
    sizes = {"predict_demo": overlay["models"]["ecg_encoder"], "predict_paper_size": {}}
    rows = []
    for (name, changed), count in zip(sizes.items(), (demo, paper), strict=True):
        with tempfile.TemporaryDirectory() as scratch:
            encoder = {**settings["models"]["ecg_encoder"], **changed}
            model = write_release(Path(scratch) / "model", encoder, settings["clean_ecg"])
            files = write_ecgs(Path(scratch) / "ecgs", count)
            ours, plain = count / whole(files[0].parent, model, Path(scratch) / "out"), forward_rate(files, model)
        note = f"{count} XML files, {len(TARGETS)} targets x {len(SEEDS)} seeds, {THREADS} threads, no pages, fp32"
        row = {"name": name, "ours": ours, "plain": plain, "unit": "ECGs/s", "ratio": ours / plain}
        rows.append(row | {"note": f"whole command against the networks alone; {note}"})
    return rows


def write_release(folder: Path, encoder: dict, cleaning: dict) -> Path:
    """Write a release of random networks and return its folder."""
    folder.mkdir(parents=True)
    weights, targets = {}, {}
    for target in TARGETS:
        names = output_names(target)
        targets[target] = {"outputs": names, "seeds": list(SEEDS), "pooling": "clip", "evaluation_crops": 1}
        if is_phenotypes(target):
            ones = [1.0] * len(names)
            targets[target] |= {"scale": {"mean": ones, "std": ones}, "units": dict.fromkeys(names, "")}
            targets[target]["intervals"] = {name: {"half_width": 1.0} for name in names}
        else:
            about = {"prevalence": 0.1, "trained_prevalence": 0.5, "slope": 1.0, "intercept": 0.0}
            targets[target]["calibration"] = about
        for seed in SEEDS:
            network = EcgPredictor(EcgEncoder(**encoder), len(names) if is_phenotypes(target) else 2)
            weights |= {f"{key_of(target, seed)}.{name}": value for name, value in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    about = {"format": FORMAT, "name": "random", "cohort": "none", "synthetic": True, "clean_ecg": cleaning}
    write_json(folder / "config.json", {**about, "models": {"ecg_encoder": encoder}, "targets": targets})
    export_checked(read_parts(folder), example(cleaning["samples"]), folder / "model.onnx")
    write_sums(folder)
    return folder


def read_parts(folder: Path) -> Release:
    """Return the release in a folder whose sums are not written yet."""
    return Release(read_config(folder), load_file(folder / "model.safetensors"))


def write_ecgs(folder: Path, count: int) -> list[Path]:
    """Write CardioSoft files of ten different made-up records."""
    folder.mkdir(parents=True)
    rng, time_s = np.random.default_rng(0), np.arange(5000) / 500
    beat = 200 * np.exp(-(((time_s % 0.85) - 0.4) ** 2) / (2 * 0.012**2))
    texts = []
    for _ in range(min(10, count)):
        size = rng.uniform(0.3, 1.5, (8, 1))
        texts.append(cardiosoft_xml(with_derived_leads(np.rint(size * beat + rng.normal(0, 3, (8, 5000))).astype(int))))
    files = [folder / f"{number}.xml" for number in range(count)]
    for number, path in enumerate(files):
        path.write_bytes(texts[number % len(texts)])
    return files


def whole(ecgs: Path, model: Path, out: Path) -> float:
    """Return the seconds of one whole command, the start of Python included."""
    command = [sys.executable, "-m", "cmr2ecg", "predict", str(ecgs), "--model", str(model), "--out", str(out)]
    started = time.monotonic()
    subprocess.run([*command, "--no-pages", "--threads", str(THREADS)], check=True, capture_output=True)
    return time.monotonic() - started


def forward_rate(files: list[Path], model: Path) -> float:
    """Return ECGs a second of the forward passes alone, in batches as the command's."""
    networks = load_networks(model, THREADS)
    some = np.stack([load(path, Source(read_config(model)["clean_ecg"])).cleaned for path in files[:10]])
    batch = np.resize(some, (min(BATCH, len(files)), *some.shape[1:]))
    networks(batch[:2])
    started = time.monotonic()
    rounds = max(1, len(files) // len(batch))
    for _ in range(rounds):
        networks(batch)
    return rounds * len(batch) / (time.monotonic() - started)


if __name__ == "__main__":
    for row in run():
        sys.stdout.write(f"{row['name']}: {row['ours']:.2f} of {row['plain']:.2f} {row['unit']}, {row['note']}\n")
