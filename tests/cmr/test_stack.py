import numpy as np
import pytest

from cmr2ecg.cmr.dicom import Header
from cmr2ecg.cmr.stack import Slice, order_slices
from cmr2ecg.simulate.sax_zip import APEX, COLUMN, ROW

NORMAL = APEX / np.linalg.norm(APEX)


def stack(places, numbers=None, orientation=(*ROW, *COLUMN)):
    """Slices at `places` in steps of 10 mm from the base; numbers 1, 2, ... unless given."""
    numbers = range(1, len(places) + 1) if numbers is None else numbers
    headers = [Header("", tuple(10.0 * place * NORMAL + 3), tuple(orientation), True) for place in places]
    return [Slice(number, header, (str(number),)) for number, header in zip(numbers, headers, strict=True)]


def order(slices):
    found = order_slices(slices)
    return [part.number for part in found.slices], found.slices[found.middle].number, found.notes


@pytest.mark.parametrize("size", [1, 8, 9, 10, 13])
def test_a_usual_stack_keeps_its_order_and_has_its_middle_at_half_its_length(size):
    assert order(stack(range(size))) == (list(range(1, size + 1)), size // 2 + 1, ())


def test_a_stack_numbered_from_the_apex_is_turned_over():
    assert order(stack(range(10)[::-1])) == (list(range(10, 0, -1)), 5, ("slices numbered from the apex",))


def test_two_numbers_swapped():
    numbers, middle, notes = order(stack([0, 1, 2, 3, 5, 4, 6, 7]))
    assert (numbers, middle, notes) == ([1, 2, 3, 4, 6, 5, 7, 8], 6, ("slice numbers out of order",))


def test_a_missing_slice_does_not_shift_the_middle():
    """Ten slices without the second: the middle stays where it is, at place 5 (b6)."""
    places = [0, 2, 3, 4, 5, 6, 7, 8, 9]
    numbers, middle, notes = order(stack(places, [place + 1 for place in places]))
    assert (len(numbers), middle, notes) == (9, 6, ("gap in the slice numbers", "gap in the stack"))
    # the same hole under consecutive numbers, as a rename leaves it
    assert order(stack(places))[1:] == (5, ("gap in the stack",))
    # numbers that skip one while the positions do not
    assert order(stack(range(9), [1, *range(3, 11)]))[1:] == (6, ("gap in the slice numbers",))


def test_of_two_slices_at_one_place_the_later_counts():
    numbers, middle, notes = order(stack([*range(8), 3], [*range(1, 10)]))
    assert numbers == [1, 2, 3, 9, 5, 6, 7, 8] and middle == 5
    assert notes[0] == "slice taken again under another number"


def test_without_positions_the_numbers_decide():
    slices = [Slice(part.number, None, part.names) for part in stack(range(10)[::-1])]
    assert order(slices) == (list(range(1, 11)), 6, ("slice positions unknown",))
    bent = stack(range(10))
    bent[3] = stack([3], [4], (0, 1, 0, 1, 0, 0))[0]
    assert order(bent) == (list(range(1, 11)), 6, ("slices not parallel",))
    flat = stack(range(8), orientation=(1, 0, 0, 1, 0, 0))  # rows and columns the same way: no plane
    assert order(flat)[2] == ("slice positions unknown",)


def test_a_stack_across_the_hearts_axis_follows_its_numbers():
    """Where the direction says nothing about base and apex (here: to the left and back), numbers give it."""
    axis = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    orientation = (*np.array([0.0, 0.0, 1.0]), *np.cross(axis, [0.0, 0.0, 1.0]))
    for sign in (1, -1):
        headers = [Header("", tuple(sign * 10.0 * place * axis), orientation, True) for place in range(8)]
        slices = [Slice(number, header, ()) for number, header in enumerate(headers, 1)]
        assert order(slices) == (list(range(1, 9)), 5, ())
