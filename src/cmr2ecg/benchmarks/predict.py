"""`cmr2ecg predict` on many CardioSoft files against the forward passes alone, at the demo's and the paper's size.

The finished demo's own release, on copies of its ECGs:
    python -m cmr2ecg.benchmarks.predict --release results/demo/release/mmcl --ecgs results/demo/simulate_cohort/raw/ecg
"""

import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import yaml
from safetensors.torch import load_file, save_file

from cmr2ecg.benchmarks.rows import report, row_parser
from cmr2ecg.benchmarks.settings import paper_settings
from cmr2ecg.loading.labels import output_names
from cmr2ecg.models.classifier import EcgPredictor
from cmr2ecg.models.vit import EcgEncoder
from cmr2ecg.predict.onnx_file import example, export_checked
from cmr2ecg.predict.pool import prefetch
from cmr2ecg.predict.records import Source, load
from cmr2ecg.predict.release import FORMAT, Release, key_of, read_config, write_sums
from cmr2ecg.predict.run import BATCH, load_networks
from cmr2ecg.runtime.command import InputError
from cmr2ecg.runtime.files import write_json
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.simulate.cardiosoft_xml import cardiosoft_xml
from cmr2ecg.simulate.ecg import with_derived_leads
from cmr2ecg.study.targets import is_regression

TARGETS = ("cad", "af", "dm", "lv", "rv", "wt", "ecc", "err")
THREADS = 2
ONCE_STARTED = re.compile(r"([\d.]+) once started")


def run(demo: int = 1000, paper: int = 128) -> list[dict]:
    """Return the rows predict_demo and predict_paper_size (ECGs/s); `ours` includes start, reading and cleaning."""
    settings = paper_settings()
    overlay = yaml.safe_load((SOURCE.parent / "config/demo.yaml").read_text())
    sizes = {"predict_demo": overlay["models"]["ecg_encoder"], "predict_paper_size": {}}
    seeds = {"predict_demo": overlay["finetune"]["seeds"], "predict_paper_size": settings["finetune"]["seeds"]}
    rows = []
    for (name, changed), count in zip(sizes.items(), (demo, paper), strict=True):
        with tempfile.TemporaryDirectory() as scratch:
            encoder = {**settings["models"]["ecg_encoder"], **changed}
            model = write_release(Path(scratch) / "model", encoder, settings["clean_ecg"], seeds[name])
            files = write_ecgs(Path(scratch) / "ecgs", count)
            about = f"{len(TARGETS)} targets x {len(seeds[name])} seeds"
            rows.append(measure(name, files, model, Path(scratch) / "out", about))
    return rows


def run_release(model: Path, ecgs: Path, count: int = 1000) -> dict:
    """Return the row predict_release: a finished release on `count` copies of the XML files below a folder."""
    with tempfile.TemporaryDirectory() as scratch:
        files = copy_ecgs(ecgs, Path(scratch) / "ecgs", count)
        return measure("predict_release", files, model, Path(scratch) / "out", f"release {model}")


def measure(name: str, files: list[Path], model: Path, out: Path, about: str) -> dict:
    """Return one row: the whole command against the networks alone."""
    seconds, started = whole(files[0].parent, model, out)
    ours, plain = len(files) / seconds, forward_rate(files, model)
    note = f"whole command, {started:.1f} once started, against the networks alone; {len(files)} XML files in one call"
    note += f", {about}, {THREADS} threads, no pages, fp32"
    return {"name": name, "ours": ours, "plain": plain, "unit": "ECGs/s", "ratio": ours / plain, "note": note}


def write_release(folder: Path, encoder: dict, cleaning: dict, seeds: list[int]) -> Path:
    """Write a release of random networks and return its folder."""
    folder.mkdir(parents=True)
    weights, targets = {}, {}
    for target in TARGETS:
        names = output_names(target)
        targets[target] = {"outputs": names, "seeds": seeds, "pooling": "clip", "evaluation_crops": 1}
        if is_regression(target):
            ones = [1.0] * len(names)
            targets[target] |= {"scale": {"mean": ones, "std": ones}, "units": dict.fromkeys(names, "")}
            targets[target]["intervals"] = {name: {"half_width": 1.0} for name in names}
        else:
            about = {"prevalence": 0.1, "trained_prevalence": 0.5, "label_smoothing": 0.2}
            targets[target]["calibration"] = about | {"slope": 1.0, "intercept": 0.0}
        for seed in seeds:
            network = EcgPredictor(EcgEncoder(**encoder), len(names) if is_regression(target) else 2)
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


def copy_ecgs(source: Path, folder: Path, count: int) -> list[Path]:
    """Copy the XML files below a folder, under names of their own, until there are `count`."""
    folder.mkdir(parents=True)
    found = sorted(source.rglob("*.xml"))
    if not found:
        raise InputError(f"--ecgs {source}: there is no XML file")
    files = [folder / f"{number}.xml" for number in range(count)]
    for number, path in enumerate(files):
        shutil.copyfile(found[number % len(found)], path)
    return files


def whole(ecgs: Path, model: Path, out: Path) -> tuple[float, float]:
    """Return the seconds of one whole command, the start of Python included, and its ECGs a second once started."""
    command = [sys.executable, "-m", "cmr2ecg", "predict", str(ecgs), "--model", str(model), "--out", str(out)]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--no-pages", "--threads", str(THREADS)], check=True, capture_output=True, text=True
    )
    return time.monotonic() - started, float(ONCE_STARTED.search(done.stderr)[1])


def forward_rate(files: list[Path], model: Path) -> float:
    """Return ECGs a second of the forward passes alone, in batches and threads as the command's."""
    networks, source = load_networks(model), Source(read_config(model)["clean_ecg"])
    some = [record.cleaned for record in (load(path, source) for path in files[:20]) if not record.reason]
    batch = np.resize(np.stack(some), (min(BATCH, len(files)), *some[0].shape))
    rounds = max(THREADS, len(files) // len(batch))
    with ThreadPoolExecutor(THREADS) as lanes:
        list(lanes.map(networks, [batch[:2]] * THREADS))
        started = time.monotonic()
        for _ in prefetch(lanes, networks, [(batch,)] * rounds, 2 * THREADS):
            pass
        return rounds * len(batch) / (time.monotonic() - started)


def main(argv: Sequence[str] | None = None) -> None:
    """Print the rows."""
    parser = row_parser(__doc__)
    parser.add_argument("--release", type=Path, help="a finished release, in place of random networks")
    parser.add_argument("--ecgs", type=Path, help="folder of CardioSoft files for it")
    args = parser.parse_args(argv)
    if (args.release is None) != (args.ecgs is None):
        parser.error("--release and --ecgs go together")
    report([run_release(args.release, args.ecgs)] if args.release else run(), args.output)


if __name__ == "__main__":
    main()
