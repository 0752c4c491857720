"""Stream the few required columns of a wide UK Biobank table."""

import csv as text_csv
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from cmr2ecg.runtime.command import InputError
from cmr2ecg.tables.cells import MISSING

GZIP = b"\x1f\x8b"
BLOCK_BYTES = 8_000_000  # of csv text held at a time; a row of 3,000 columns has some 20,000
MAX_HEADER_BYTES = 4_000_000  # bytes; all fields of UK Biobank together need 400,000
END = "end of the table"  # content of a last row that is appended to the table's own


def read_header(path: Path) -> list[str]:
    """Return the column names of a csv, tab-separated (either may be gzipped) or parquet table.

    Raises:
        InputError: if the file is missing or not a table; names raw.tabular.
    """
    if path.is_dir():
        raise InputError(f"raw.tabular: {path} is a folder; name the files in it")
    if not path.is_file():
        raise InputError(f"raw.tabular: there is no file {path}; correct the path in the config file")
    try:
        names = pq.read_schema(path).names if _starts(path, b"PAR1") else _csv_header(path)[0]
    except (
        pa.ArrowException,
        OSError,
        EOFError,
        zlib.error,
        StopIteration,
        UnicodeDecodeError,
        text_csv.Error,
    ) as error:
        raise InputError(f"raw.tabular: {path} cannot be read as a table ({explain(error)})") from None
    if any("\0" in name for name in names):
        raise InputError(f"raw.tabular: {path} cannot be read as a table (not UTF-8)")
    return names


def check_once(path: Path, header: Sequence[str], wanted: Iterable[str]) -> None:
    """Raise if an expected column is in a table twice.

    Raises:
        InputError: names the file and the column.
    """
    twice = [name for name in wanted if header.count(name) > 1]
    if twice:
        raise InputError(f"raw.tabular: {path} has {header.count(twice[0])} columns {twice[0]}; keep one of them")


def read_columns(path: Path, names: Sequence[str]) -> Iterator[pa.Table]:
    """Yield pieces of a table with only the columns `names`, all as text, null where empty."""
    try:
        if _starts(path, b"PAR1"):
            table = pq.ParquetFile(path, page_checksum_verification=True)
            for batch in table.iter_batches(batch_size=20_000, columns=list(names)):
                batch.validate(full=True)  # text that is not UTF-8, too
                yield pa.table([_as_text(column) for column in batch.columns], names=batch.schema.names)
        else:
            with _open_csv(path, names) as reader:
                yield from _up_to_end(map(pa.table, reader))
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"raw.tabular: {path} cannot be read as a table ({explain(error)})") from None


def explain(error: Exception) -> str:
    """Return why a table cannot be read, without the row's content, which a parser's message may quote."""
    match = re.search(r"(?:Row #\d+: )?Expected \d+ columns, got \d+", str(error))
    if match:
        return match[0]
    if "straddling" in str(error):
        return f"an unclosed quote, or a row of more than {BLOCK_BYTES // 1_000_000} MB"
    if isinstance(error, pa.ArrowNotImplementedError):
        return "a column of a type other than text, number, date or list"
    if "UTF" in str(error).upper() or isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    return "damaged or of another format"


def _starts(path: Path, mark: bytes) -> bool:
    with open(path, "rb") as handle:
        return handle.read(len(mark)) == mark


def _is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz" or _starts(path, GZIP)


def _csv_header(path: Path) -> tuple[list[str], str]:
    """Return the names in the first line, and the delimiter: a tab if there is one in it, else a comma."""
    opener = gzip.open if _is_gzip(path) else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as handle:
        line = handle.readline(MAX_HEADER_BYTES)
    delimiter = "\t" if "\t" in line else ","
    return next(text_csv.reader([line], delimiter=delimiter)), delimiter


class _WithEnd:
    """A table's bytes and a final extra row: an unclosed quote swallows it, as it does all rows after the quote."""

    def __init__(self, stream: pa.NativeFile, row: bytes) -> None:
        self._stream, self._rest, self.closed = stream, row, False

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, none at the end."""
        found = self._stream.read(size)
        if not found:
            found, self._rest = self._rest[:size], self._rest[size:]
        return found

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self.closed = True


def _up_to_end(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield a csv's pieces without the last row, which must be that of `_WithEnd`."""
    filled = (piece for piece in pieces if len(piece))
    for piece, after in pairwise(chain(filled, [None])):
        if after is None:
            if piece[0][-1].as_py() != END:
                raise pa.ArrowInvalid("straddling")
            piece = piece[:-1]
        yield piece


def _open_csv(path: Path, names: Sequence[str]) -> csv.CSVStreamingReader:
    header, delimiter = _csv_header(path)
    stream = pa.input_stream(str(path), compression="gzip" if _is_gzip(path) else None)
    end = "\n" + delimiter.join([END] * len(header)) + "\n"
    return csv.open_csv(
        _WithEnd(stream, end.encode()),
        read_options=csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=header, skip_rows=1),
        parse_options=csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            include_columns=list(names),
            column_types={name: pa.string() for name in names},
            null_values=MISSING,
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _as_text(column: pa.Array) -> pa.Array:
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        cells = ("|".join("" if part is None else str(part) for part in cell) for cell in column.to_pylist() if cell)
        joined = [None if not cell else next(cells) for cell in column.to_pylist()]
        return pa.array(joined, pa.string())
    text = column.cast(pa.string())
    return pc.if_else(pc.is_in(text, pa.array(MISSING)), None, text)
