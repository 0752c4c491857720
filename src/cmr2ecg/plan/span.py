"""A number that is not known exactly: low, likely, high."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """A range with a likely value; sums add the ends, as if all errors had the same sign, which is the careful way."""

    low: float = 0.0
    likely: float = 0.0
    high: float = 0.0

    @classmethod
    def exactly(cls, value: float) -> "Span":
        """Return a number without a range."""
        return cls(value, value, value)

    @classmethod
    def within(cls, value: float, factor: float) -> "Span":
        """Return a number that is right up to a factor both ways."""
        return cls(value / factor, value, value * factor)

    def __add__(self, other: "Span") -> "Span":
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, other: "Span | float") -> "Span":
        if not isinstance(other, Span):
            other = Span.exactly(other)
        return Span(self.low * other.low, self.likely * other.likely, self.high * other.high)

    __rmul__ = __mul__
