"""`cmr2ecg predict` on many CardioSoft files against the forward passes alone, at the demo's and the paper's size.

The finished demo's own release, on copies of its ECGs:
    bench.stage predict RELEASE=results/demo/release/mmcl ECGS=results/demo/simulate_cohort/raw/ecg
"""

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import yaml
from paper_settings import paper_settings
from safetensors.torch import load_file, save_file

from bench.made_up import write_ecg
from bench.rows import compared, spent
from cmr2ecg.loading.labels import output_names
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.predict.onnx_file import example, export_checked
from cmr2ecg.predict.pool import prefetch
from cmr2ecg.predict.reading import read
from cmr2ecg.predict.records import Source
from cmr2ecg.predict.release import FORMAT, Release, key_of, read_config, write_sums
from cmr2ecg.predict.run import BATCH, load_networks
from cmr2ecg.runtime.files import write_json
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.study.targets import is_regression

TARGETS = ("cad", "af", "dm", "lv", "rv", "wt", "ecc", "err")
DEMO, PAPER, THREADS = 1000, 128, 2  # files, 0 for none, and threads of the command
RELEASE = ECGS = ""


def run() -> Iterator[dict]:
    """Yield predict_demo and predict_paper_size (ECGs/s), or predict_release; `ours` has start, reading, cleaning."""
    settings = paper_settings()
    demo = yaml.safe_load((SOURCE.parent / "config/demo.yaml").read_text())
    encoder = settings["models"]["ecg_encoder"]
    sizes = {
        "predict_demo": (DEMO, {**encoder, **demo["models"]["ecg_encoder"]}, settings["finetune"]["seeds"]),
        "predict_paper_size": (PAPER, encoder, settings["finetune"]["seeds"]),
    }
    if RELEASE:
        with tempfile.TemporaryDirectory() as scratch:
            yield measure("predict_release", DEMO, Path(RELEASE), Path(scratch), f"release {RELEASE}")
        return
    for name, (count, network, seeds) in sizes.items():
        if count:
            with tempfile.TemporaryDirectory() as scratch:
                folder, about = Path(scratch), f"{len(TARGETS)} targets x {len(seeds)} seeds"
                write_release(folder / "model", network, settings["clean_ecg"], seeds)
                yield measure(name, count, folder / "model", folder, about)


def measure(name: str, count: int, model: Path, scratch: Path, about: str) -> dict:
    """Return one row: the whole command, the start of Python included, against the networks alone."""
    files = write_ecgs(scratch / "ecgs", count)
    options = ["--model", model, "--out", scratch / "out", "--no-pages", "--threads", THREADS]
    done = spent("-m", "cmr2ecg", "predict", scratch / "ecgs", *options)
    started = float(re.search(r"([\d.]+) once started", done.printed)[1])
    note = f"whole command, {started:.1f} once started, against the networks alone; {len(files)} XML files in one call"
    note += f", {about}, {THREADS} threads, no pages, fp32"
    return compared(name, len(files) / done.seconds, forward_rate(files, model), "ECGs/s", note)


def write_release(folder: Path, encoder: dict, cleaning: dict, seeds: list[int]) -> None:
    """Write a release of random networks."""
    folder.mkdir(parents=True)
    weights, targets = {}, {}
    for target in TARGETS:
        names = output_names(target)
        own = {"outputs": names, "seeds": seeds, "pooling": "clip", "evaluation_crops": 1}
        if is_regression(target):
            ones = [1.0] * len(names)
            own |= {"scale": {"mean": ones, "std": ones}, "units": dict.fromkeys(names, "")}
            own["intervals"] = {name: {"half_width": 1.0} for name in names}
        else:
            about = {"prevalence": 0.1, "trained_prevalence": 0.5, "label_smoothing": 0.2}
            own["calibration"] = about | {"slope": 1.0, "intercept": 0.0}
        targets[target] = own
        for seed in seeds:
            network = EcgPredictor(EcgEncoder(**encoder), len(names) if is_regression(target) else 2)
            weights |= {f"{key_of(target, seed)}.{name}": value for name, value in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    about = {"format": FORMAT, "name": "random", "cohort": "none", "synthetic": True, "clean_ecg": cleaning}
    write_json(folder / "config.json", {**about, "models": {"ecg_encoder": encoder}, "targets": targets})
    release = Release(read_config(folder), load_file(folder / "model.safetensors"))
    export_checked(release, example(cleaning["samples"]), folder / "model.onnx")
    write_sums(folder)


def write_ecgs(folder: Path, count: int) -> list[Path]:
    """Write so many CardioSoft files: ten different made-up records again and again, or those below ECGS."""
    folder.mkdir(parents=True)
    some = sorted(Path(ECGS).rglob("*.xml")) if ECGS else [folder / f"{number}.xml" for number in range(min(10, count))]
    if not some:
        raise FileNotFoundError(f"ECGS={ECGS}: there is no XML file")
    for number, path in enumerate([] if ECGS else some):
        write_ecg(path, seed=number)
    files = [folder / f"{number}.xml" for number in range(count)]
    for number, path in enumerate(files):
        if path not in some:
            shutil.copyfile(some[number % len(some)], path)
    return files


def forward_rate(files: list[Path], model: Path) -> float:
    """Return ECGs a second of the forward passes alone, in batches and threads as the command's."""
    networks, source = load_networks(model), Source(read_config(model)["clean_ecg"])
    some = [record.cleaned for record in (read(path, source) for path in files[:20]) if not record.reason]
    batch = np.resize(np.stack(some), (min(BATCH, len(files)), *some[0].shape))
    rounds = max(THREADS, len(files) // len(batch))
    with ThreadPoolExecutor(THREADS) as lanes:
        list(lanes.map(networks, [batch[:2]] * THREADS))
        started = time.monotonic()
        for _ in prefetch(lanes, networks, [(batch,)] * rounds, 2 * THREADS):
            pass
        return rounds * len(batch) / (time.monotonic() - started)
