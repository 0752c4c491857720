"""Measure how far the similarity maps of §III-C fall on the left ventricle, against shuffled pairs.

Maps use no labels; they are taken on the test split, as in the paper's figure. Subjects whose ventricle is not known
are left out and counted in the log.
"""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cmr2ecg.command import InputError, run, start, step_parser
from cmr2ecg.data.labels import split_eids
from cmr2ecg.data.loading import PairedData
from cmr2ecg.evaluate.heatmap import difference, score_pairs, summary, table
from cmr2ecg.evaluate.places import Place, places_of
from cmr2ecg.evaluate.similarity import embed, load_towers
from cmr2ecg.evaluate.ventricle import disc_coverage, mask_coverage, segmented_ventricle
from cmr2ecg.files import atomic
from cmr2ecg.steps.make_figure import named_inputs
from cmr2ecg.ukb.rejection import Rejection
from cmr2ecg.ukb.short_axis import read_middle_slice

Cover = Callable[[tuple[int, int]], np.ndarray]  # grid -> share of each place that the ventricle covers
SPLIT = "test"
