"""What the synthetic cohort is: phenotypes of men and women, what tells of them, what tells of the diseases.

`PYTHONPATH=src:tests python tests/simulate/cohort_tables.py` prints the tables of docs/synthetic_cohort.md.
Linear models on features made by hand, cross-validated in five folds; images are the middle slice at end-diastole and
end-systole, cropped by the planted truth.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pandas as pd
from paper_settings import altered
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cmr2ecg.cmr.crop import min_max, resample_box, square_box
from cmr2ecg.simulate.cine import render
from cmr2ecg.simulate.disease import DISEASES
from cmr2ecg.simulate.ecg import draw_ecg
from cmr2ecg.simulate.ecg_traits import ecg_traits
from cmr2ecg.simulate.geometry import move
from cmr2ecg.simulate.heart import Heart
from cmr2ecg.simulate.phenotypes import measure
from cmr2ecg.simulate.subject import Person, draw_person
from cmr2ecg.study.settings.cohort import Prevalence, SimulateCohort
from cmr2ecg.training.fit.plain_features import mean_beat

SHOWN = ("LVEDV", "LVESV", "LVEF", "LVM", "RVEDV", "RVEF", "WT_Global", "Ecc_Global", "Err_Global")
BOX_MM, PIXELS = 142.0, 24
PENALTIES = np.logspace(0, 5, 11)
SMALL = {"frames": 12, "slices": 8, "matrix": 96, "field_of_view_mm": 210}  # as in config/study.yaml
INDEPENDENT = [0, 1, 6, 7, 8, 9, 10, 11]  # III and the augmented leads follow from I and II


def main(argv: Sequence[str] | None = None) -> None:
    """Draw a cohort and print its tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--subjects", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--no-images", action="store_true", help="leave the images out, which take most of the time")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=NUMBER", help="settings of simulate_cohort")
    args = parser.parse_args(argv)
    changes = {name: float(value) for name, value in (pair.split("=") for pair in args.set)}
    ill = Prevalence(cad=0.2, af=0.12, dm=0.2)
    settings = altered(SimulateCohort(prevalence=ill, seed=args.seed), **SMALL, **changes)
    people = [draw_person(settings, index) for index in range(args.subjects)]
    phenotypes, sources = observe(people, settings, images=not args.no_images)
    tables = {
        "by sex": by_sex(people, phenotypes),
        "linear r": linear_r(phenotypes, sources),
        "AUROC": ceilings(people, sources),
    }
    for name, table in tables.items():
        sys.stdout.write(f"\n{name}\n{table.to_string()}\n")


def observe(
    people: list[Person], settings: SimulateCohort, images: bool = True
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Return the phenotypes, (n, 61), and what may tell of them: ECG, middle slice, and body, each (n, features)."""
    rows = [_observed(person, settings, images) for person in people]
    names = ["ECG", *(["middle slice"] if images else []), "age, sex, height, weight"]
    phenotypes = pd.DataFrame([row[0] for row in rows])
    sources = {name: np.stack([row[1][name] for row in rows]) for name in names}
    sources["ECG and body"] = np.hstack([sources["ECG"], sources["age, sex, height, weight"]])
    return phenotypes, sources


def _observed(person: Person, settings: SimulateCohort, images: bool) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    heart, rng = person.heart_image, np.random.default_rng([settings.seed, person.index])
    motion = move(heart, settings.slices, settings.frames, rng)
    signal = draw_ecg(ecg_traits(person.heart_ecg, person.electrical, rng), rng)[INDEPENDENT] * 0.005
    found = {
        "ECG": mean_beat(signal, 500),
        "age, sex, height, weight": np.array([heart.age, heart.male, heart.height_cm, heart.weight_kg]),
    }
    phenotypes = measure(motion, float(heart.rate), rng)
    if images:
        middle, size = len(motion.inner) // 2, (settings.matrix, settings.field_of_view_mm)
        cine = render(motion, heart, *size, rng, only=middle, shift_mm=settings.heart_shift_mm)
        frames = cine.volume[0, [0, motion.es_frame]].astype(np.float32)
        box = square_box(tuple(cine.centres[middle]), (cine.pixel_spacing_mm,) * 2, BOX_MM)
        found["middle slice"] = resample_box(min_max(frames, 99), box, PIXELS).ravel()
    return phenotypes, found


def by_sex(people: list[Person], phenotypes: pd.DataFrame) -> pd.DataFrame:
    """Return mean and standard deviation of the phenotypes of men and women, and r of sex with each."""
    male = np.array([float(person.heart_image.male) for person in people])
    rows = {}
    for name in SHOWN:
        values = phenotypes[name].to_numpy()
        both = {sex: values[male == code] for sex, code in (("men", 1), ("women", 0))}
        told = {sex: f"{part.mean():.1f} ± {part.std(ddof=1):.1f}" for sex, part in {**both, "all": values}.items()}
        rows[name] = told | {"r of sex": round(float(np.corrcoef(male, values)[0, 1]), 2)}
    return pd.DataFrame(rows).T


def linear_r(phenotypes: pd.DataFrame, sources: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return r of each source's prediction with each phenotype and, as a mean, each group; partial r given the body."""
    told = {name: predicted(features, phenotypes.to_numpy()) for name, features in sources.items()}
    body = sources["age, sex, height, weight"]
    rows = {name: _r(values, phenotypes.to_numpy()) for name, values in told.items()}
    for name in told:
        if not name.startswith("age"):
            rows[f"{name}, given body"] = _r(_without(body, told[name]), _without(body, phenotypes.to_numpy()))
    table = pd.DataFrame(rows, index=phenotypes.columns).T
    groups = {
        "LV": [name for name in table if name.startswith("LV")],
        "RV": [name for name in table if name.startswith("RV")],
        **{group: [name for name in table if name.startswith(f"{group}_")] for group in ("WT", "Ecc", "Err")},
    }
    means = {f"mean {group}": table[names].mean(axis=1) for group, names in groups.items()}
    return pd.DataFrame({**{name: table[name] for name in SHOWN}, **means}).round(2)


def predicted(features: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Return the cross-validated predictions of ridge regression, (n, outputs), its penalty chosen inside each fold."""
    model = make_pipeline(StandardScaler(), RidgeCV(PENALTIES, alpha_per_target=True))
    return cross_val_predict(model, features, wanted, cv=KFold(5, shuffle=True, random_state=0))


def _r(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Correlation of matching columns."""
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(one.T, other.T, strict=True)])


def _without(body: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What a linear model of age, sex, height and weight leaves of the columns of `values`."""
    design = np.column_stack([np.ones(len(body)), body])
    return values - design @ np.linalg.lstsq(design, values, rcond=None)[0]


def ceilings(people: list[Person], sources: dict[str, np.ndarray]) -> pd.DataFrame:
    """Return the cross-validated AUROC of logistic models of what was planted and of what can be seen."""
    body = sources["age, sex, height, weight"]
    electrical = np.stack([person.electrical for person in people])
    true, seen = (
        np.stack([_state(getattr(person, side)) for person in people]) for side in ("heart_image", "heart_ecg")
    )
    given = {
        "age, sex, height, weight": body,
        "heart": true,
        "electrical": electrical,
        "heart and electrical": np.hstack([true, electrical]),
        "heart and body": np.hstack([true, body]),
        "all planted": np.hstack([true, electrical, body]),
        "heart as the ECG sees it": seen,
        "all that the ECG sees": np.hstack([seen, electrical, body]),
        "ECG": sources["ECG"],
        **({"middle slice": sources["middle slice"]} if "middle slice" in sources else {}),
    }
    has = np.stack([person.has for person in people])
    rows = {name: [_auroc(features, has[:, k]) for k in range(3)] for name, features in given.items()}
    rows["true risk"] = [roc_auc_score(has[:, k], [person.risks[k] for person in people]) for k in range(3)]
    return pd.DataFrame(rows, index=DISEASES).T.round(3)


def _state(heart: Heart) -> np.ndarray:
    """The state of a heart without age, sex and body: every field that is not the body's."""
    names = [field.name for field in fields(Heart) if field.name not in _BODY_FIELDS]
    values = {name: float(getattr(heart, name)) for name in names}
    angle = values.pop("territory")
    return np.array([*values.values(), heart.ischaemia * np.cos(angle), heart.ischaemia * np.sin(angle)])


_BODY_FIELDS = ("age", "male", "height_cm", "weight_kg", "bmi")


def _auroc(features: np.ndarray, has: np.ndarray) -> float:
    model = make_pipeline(
        StandardScaler(), LogisticRegressionCV(Cs=[0.0001, 0.001, 0.01, 0.1], max_iter=500, scoring="roc_auc")
    )
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(roc_auc_score(has, cross_val_predict(model, features, has, cv=folds, method="decision_function")))


if __name__ == "__main__":
    main()
