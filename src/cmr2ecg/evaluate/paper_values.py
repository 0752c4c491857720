"""The paper's published numbers: (mean, std) of the ROC AUC in percent over five seeds, at 100 % of the training set.

Tables I and III. A model that stands in both has the same numbers in both.
"""

PAPER = {
    "supervised": {"cad": (66.90, 0.47), "af": (69.76, 2.13), "dm": (67.35, 0.76)},
    "mae": {"cad": (71.71, 0.36), "af": (72.32, 0.73), "dm": (73.15, 0.39)},
    "mmcl_without_mdm": {"cad": (70.36, 0.51), "af": (72.41, 0.52), "dm": (73.40, 0.48)},
    "mmcl": {"cad": (73.00, 0.30), "af": (74.11, 0.53), "dm": (75.56, 0.16)},
    "tabular": {"cad": (71.97, 0.14), "af": (72.22, 0.00), "dm": (72.53, 0.15)},
    "cmr_supervised": {"cad": (71.88, 0.64), "af": (73.11, 0.64), "dm": (74.24, 0.50)},
}
