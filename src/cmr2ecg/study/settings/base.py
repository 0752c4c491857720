"""What every section of the settings is made of: how a setting is declared, and the types that several share.

A setting is one line: key, type, the paper's value, and what it means. Its first sentence is the comment in
config/paper.yaml; config/README.md and the schema have the whole (write.py). Snakemake imports this at each start.
"""

from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, NamedTuple, Self, TypeVar, overload

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WrapValidator,
    model_serializer,
    model_validator,
)

T = TypeVar("T")


class Mistake(ValueError):
    """What is wrong with a value, in pydantic's words where it has some: a kind of error, and what belongs to it."""

    def __init__(self, kind: str, **given: Any):
        super().__init__(kind)
        self.kind, self.given = kind, given


class Setting(NamedTuple):
    """One setting of a section: its key in YAML, its value, what is said of it, and of each key of a map."""

    name: str
    key: str
    value: Any
    text: str | None
    entries: dict[str, str]


@overload
def setting(default: Callable[[], T], text: str | None = None, entries: dict[str, str] | None = None) -> T: ...
@overload
def setting(default: T, text: str, entries: dict[str, str] | None = None) -> T: ...
def setting(default: Any, text: str | None = None, entries: dict[str, str] | None = None) -> Any:
    """Declare a setting.

    Args:
        default: the paper's value, or what makes it: a section that is made on import costs every start of Snakemake.
        text: what it means; the first sentence is a comment in paper.yaml.
        entries: of a map, what is said of some of its keys.
    """
    given: dict[str, Any] = {"default_factory" if callable(default) else "default": default}
    given |= {"description": text} if text else {}
    given |= {"json_schema_extra": {"entries": entries}} if entries else {}
    return Field(**given)


class Section(BaseModel):
    """A map of settings. Dumped it is what was written, by the keys of YAML."""

    model_config = ConfigDict(
        strict=True, frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True, defer_build=True
    )
    one_line: ClassVar[bool] = False  # in paper.yaml

    @classmethod
    def names(cls) -> dict[str, str]:
        """Return {key in YAML: name of the attribute}."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @model_validator(mode="before")
    @classmethod
    def _knows(cls, given: Any) -> Any:
        known = cls.names()
        unknown = [str(key) for key in given if key not in known] if isinstance(given, dict) else []
        if unknown:
            raise Mistake("unknown_key", key=unknown[0], known=[*known, *unknown[1:]])
        return given

    def settings(self) -> Iterator[Setting]:
        """Yield every setting."""
        for key, name in type(self).names().items():
            field = type(self).model_fields[name]
            extra = field.json_schema_extra
            entries = extra.get("entries", {}) if isinstance(extra, dict) else {}
            yield Setting(name, key, getattr(self, name), field.description, entries)  # type: ignore[arg-type]

    def changed(self, changes: "Partial | None") -> Self:
        """Return the section with what is given of another one in place of its own."""
        given = {name: getattr(changes, name) for name in changes.model_fields_set} if changes else {}
        return self.model_copy(update=given)


class Partial(Section):
    """Some settings of a section; the others are not there, whatever their attributes say."""

    one_line: ClassVar[bool] = True

    @model_serializer(mode="plain")
    def _given(self) -> dict[str, Any]:
        return {key: getattr(self, name) for key, name in self.names().items() if name in self.model_fields_set}


def incomplete(value: Any, place: str = "") -> Iterator[tuple[str, bool]]:
    """Yield (setting, whether null stands there) of settings that were not given, or given without a value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from incomplete(item, f"{place}{key}.")
    if isinstance(value, Section):
        for name, key, item, _, _ in value.settings():
            if name in value.model_fields_set:
                yield from incomplete(item, f"{place}{key}.")
                if item is None and isinstance(value, Partial):
                    yield place + key, True
            elif not isinstance(value, Partial):
                yield place + key, False


def _as_written(value: Any, check: Any) -> Any:
    """Keep 45 where a number may be 45.0: a step whose settings are the same text as before does not rerun."""
    check(value)
    return _in_64_bits(value, "float_type") if isinstance(value, int) else value


def _in_64_bits(value: int, kind: str = "int_type") -> int:
    if abs(value) >= 2**63:
        raise Mistake(kind)
    return value


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    if len(set(values)) < len(values):
        raise Mistake("twice")
    return values


AS_WRITTEN = (WrapValidator(_as_written), PlainSerializer(lambda value: value))
FITS = AfterValidator(lambda value: _in_64_bits(value))
LIST = BeforeValidator(_tuple)
DISTINCT = (AfterValidator(_distinct), Field(json_schema_extra={"uniqueItems": True}))

Positive = Annotated[float, Field(gt=0), *AS_WRITTEN]
NotNegative = Annotated[float, Field(ge=0), *AS_WRITTEN]
Number = Annotated[float, *AS_WRITTEN]
Share = Annotated[float, Field(ge=0, le=1), *AS_WRITTEN]
Inside = Annotated[float, Field(gt=0, lt=1), *AS_WRITTEN]
UpToOne = Annotated[float, Field(gt=0, le=1), *AS_WRITTEN]
BelowOne = Annotated[float, Field(ge=0, lt=1), *AS_WRITTEN]
Count = Annotated[int, Field(ge=1), FITS]
Whole = Annotated[int, Field(ge=0), FITS]
Seed = Annotated[int, Field(ge=0, le=4294967295, description="seed of the random numbers")]
Percent = Annotated[int, Field(ge=1, le=100)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Path = Annotated[str, Field(min_length=1)]

Pair = Annotated[tuple[T, ...], Field(min_length=2, max_length=2), LIST]
Values = Annotated[tuple[T, ...], LIST, *DISTINCT]
Some = Annotated[tuple[T, ...], Field(min_length=1), LIST, *DISTINCT]
Targets = Some[Name]
