"""Damage bytes the way disks, networks, editors and other people's scripts do."""

from collections.abc import Callable

import numpy as np

Mutation = Callable[[bytes, np.random.Generator], bytes]


def flip(content: bytes, rng: np.random.Generator) -> bytes:
    """Change 1 to 20 bytes to anything."""
    changed = bytearray(content)
    for place in rng.integers(len(content), size=rng.integers(1, 21)):
        changed[place] = rng.integers(256)
    return bytes(changed)


def flip_digits(content: bytes, rng: np.random.Generator) -> bytes:
    """Change 1 to 20 digits to other characters of numbers, so that the file often stays well-formed."""
    places = [place for place, byte in enumerate(content) if chr(byte).isdigit()]
    changed = bytearray(content)
    for place in rng.choice(places, size=rng.integers(1, 21)):
        changed[place] = rng.choice(list(b"0123456789-+.e, "))
    return bytes(changed)


def truncate(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(len(content))]


def cut_out(content: bytes, rng: np.random.Generator) -> bytes:
    start, length = rng.integers(len(content)), rng.integers(1, max(2, len(content) // 4))
    return content[:start] + content[start + length :]


def repeat(content: bytes, rng: np.random.Generator) -> bytes:
    start, length = rng.integers(len(content)), rng.integers(1, max(2, len(content) // 4))
    return content[: start + length] + content[start:]


def insert(content: bytes, rng: np.random.Generator) -> bytes:
    place = rng.integers(len(content))
    return content[:place] + rng.bytes(rng.integers(1, 2000)) + content[place:]


def blank(content: bytes, rng: np.random.Generator) -> bytes:
    """Zero a block, as a hole in a file that was not copied to the end."""
    start, length = rng.integers(len(content)), rng.integers(1, max(2, len(content) // 4))
    return (content[:start] + bytes(length) + content[start + length :])[: len(content)]


def swap_lines(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    first, second = rng.integers(len(lines), size=2)
    lines[first], lines[second] = lines[second], lines[first]
    return b"\n".join(lines)


def drop_lines(content: bytes, rng: np.random.Generator) -> bytes:
    lines = content.split(b"\n")
    start = rng.integers(len(lines))
    del lines[start : start + rng.integers(1, 30)]
    return b"\n".join(lines)


BINARY: tuple[Mutation, ...] = (flip, truncate, cut_out, repeat, insert, blank)
TEXT: tuple[Mutation, ...] = (*BINARY, flip_digits, swap_lines, drop_lines)
