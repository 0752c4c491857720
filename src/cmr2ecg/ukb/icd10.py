"""ICD-10 codes as UK Biobank tables hold them (fields 41270, 41202, 41204, 40001, 40002)."""

import ast
import json


def codes_in(cell: str) -> list[str]:
    """Return the codes of one cell in their order, without dots, "" for an empty place.

    A cell is one code (`I251`), a decoded label (`I25.1 Atherosclerotic ...`), several of either joined by `|`, or a
    list of them as JSON or as Python writes it.
    """
    cell = cell.strip()
    if not (cell.startswith("[") and cell.endswith("]")):
        return [_code(part) for part in cell.split("|")] if cell else []
    for read in (json.loads, ast.literal_eval):
        try:
            parts = read(cell)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return [_code("" if part is None else str(part)) for part in parts]
    return [_code(part.strip().strip("\"'")) for part in cell[1:-1].split(",")]


def _code(text: str) -> str:
    words = text.split(maxsplit=1)
    return words[0].replace(".", "").upper() if words else ""
