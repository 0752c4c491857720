"""Decode base64 text of XML files strictly."""

import base64
import binascii

import numpy as np

from cmr2ecg.raw.rejection import Rejection


def decoded(text: str) -> bytes:
    """Return the bytes of base64 text with line breaks.

    Raises:
        Rejection: it is something else.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Rejection("samples are not numbers", "not base64") from error


def numbers(content: bytes, kind: str) -> np.ndarray:
    """Return the numbers (n,) of a numpy type in bytes, as int64; a Rejection if the last is cut."""
    if len(content) % np.dtype(kind).itemsize:
        raise Rejection("samples are not numbers", "the last one is cut")
    return np.frombuffer(content, kind).astype(np.int64)
