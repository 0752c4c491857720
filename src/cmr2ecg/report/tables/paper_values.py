"""The paper's published numbers at 100 % of the training set: (mean, std over five seeds).

Tables I, II, III and V: ROC AUC in percent. Table IV: Pearson's r averaged over a group's phenotypes, printed without a
std (NaN here). A model that is in several tables has the same numbers in all of them.
"""

NO_SPREAD = float("nan")


def _diseases(*values: tuple[float, float]) -> dict[str, tuple[float, float]]:
    return dict(zip(("cad", "af", "dm"), values, strict=True))


def _phenotypes(*values: float) -> dict[str, tuple[float, float]]:
    return {group: (r, NO_SPREAD) for group, r in zip(("lv", "rv", "wt", "ecc", "err"), values, strict=True)}


PAPER = {
    "supervised": _diseases((66.90, 0.47), (69.76, 2.13), (67.35, 0.76)) | _phenotypes(0.56, 0.58, 0.54, 0.29, 0.30),
    "simclr": _diseases((66.03, 0.99), (67.95, 0.59), (68.73, 0.47)),
    "clocs": _diseases((67.30, 0.46), (67.33, 0.32), (68.68, 0.37)),
    "byol": _diseases((67.59, 0.28), (69.76, 0.52), (67.70, 0.26)),
    "barlow_twins": _diseases((68.11, 0.54), (67.42, 0.72), (69.58, 0.02)),
    "mae": _diseases((71.71, 0.36), (72.32, 0.73), (73.15, 0.39)) | _phenotypes(0.62, 0.64, 0.60, 0.36, 0.36),
    "mmcl_without_mdm": _diseases((70.36, 0.51), (72.41, 0.52), (73.40, 0.48))
    | _phenotypes(0.58, 0.60, 0.57, 0.32, 0.33),
    "mmcl": _diseases((73.00, 0.30), (74.11, 0.53), (75.56, 0.16)) | _phenotypes(0.63, 0.65, 0.61, 0.37, 0.38),
    "tabular": _diseases((71.97, 0.14), (72.22, 0.00), (72.53, 0.15)),
    "cmr_supervised": _diseases((71.88, 0.64), (73.11, 0.64), (74.24, 0.50))
    | _phenotypes(0.84, 0.85, 0.78, 0.64, 0.66),
    "cmr_mmcl_without_mdm": _diseases((74.69, 0.23), (77.36, 0.62), (77.37, 0.42)),
    "cmr_mmcl": _diseases((74.37, 0.69), (77.13, 0.42), (77.82, 0.26)),
}
