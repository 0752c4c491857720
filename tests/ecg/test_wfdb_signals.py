import numpy as np
import pytest
from wfdb import rdrecord

from cmr2ecg.ecg.wfdb_signals import FORMATS, decode, samples_in

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("form", sorted(FORMATS))
@pytest.mark.parametrize(("frames", "width", "offset"), [(100, 12, 24), (7, 1, 0), (5, 3, 1)])
def test_bytes_are_decoded_as_the_wfdb_package_does(tmp_path, form, frames, width, offset):
    content = RNG.bytes(offset + 4 * frames * width)
    if form == 311:  # of the two bits that the format leaves unused the package takes one for a sample's
        content = content[:offset] + bytes(b & 63 if i % 4 == 3 else b for i, b in enumerate(content[offset:]))
    (tmp_path / "x.dat").write_bytes(content)
    lines = [f"x.dat {form}+{offset} 1(0)/mV 16 0 0 0 0 V{index}" for index in range(width)]
    (tmp_path / "x.hea").write_text("\n".join([f"x {width} 500 {frames}", *lines, ""]))
    values = decode(content, form, offset, frames, width)
    values = values.cumsum(axis=0, dtype=np.int32) if form == 8 else values
    np.testing.assert_array_equal(values, rdrecord(str(tmp_path / "x"), physical=False).d_signal)


@pytest.mark.parametrize(("form", "number"), [(16, 12), (80, 24), (24, 8), (212, 16), (310, 18), (311, 18), (32, 6)])
def test_samples_in_24_bytes(form, number):
    assert samples_in(24, form) == number
    assert decode(bytes(24), form, 0, number, 1).shape == (number, 1)
