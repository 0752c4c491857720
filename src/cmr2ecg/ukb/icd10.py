"""ICD-10 codes as UK Biobank tables hold them (fields 41270, 41202, 41204, 40001, 40002)."""

import re

FORM = r"[A-Za-z][0-9][0-9A-Za-z](?:\.?[0-9A-Za-z]{1,4})?"
CODE = re.compile(r"[A-Z][0-9][0-9A-Z]{1,5}")  # without dot, upper case, as codes_in returns it
FIRST_WORD = re.compile(rf"({FORM})[-+*:,;.]*(?:\s+(.*))?", re.DOTALL)
TOKEN = re.compile(rf"(?<![0-9A-Za-z.]){FORM}(?![0-9A-Za-z.])")
UPPER = re.compile(r"(?<![0-9A-Za-z.])(?!B12\b)[A-Z][0-9]{2}(?:\.?[0-9]{1,2})?(?![0-9A-Za-z.])")
STRING = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
ITEMS = re.compile(rf"{STRING}|None|null|nan|<NA>")
NEXT = re.compile(rf"[,;](?=\s*(?:[\"']?{FORM}(?![0-9A-Za-z])|[,;]|$))")
TITLE_BRACKET = re.compile(r"(?<=\w )\([^()]*\)")
AROUND = re.compile(r"\b(?:c|list|array|dtype|object)\b")


def codes_in(cell: str) -> list[str]:
    """Return the codes of one cell in their order, without dots, "" for an empty place.

    A cell is one code (`I251`), a decoded label (`I25.1 Atherosclerotic ...`), several of either with `|`, `;`, a
    comma, a line break, or blanks between them, or a list of them as JSON, Python, numpy or R writes it. What is no
    code stands in the result as it is, in upper case, so that it can be counted (`CODE` matches only codes).
    """
    cell = cell.strip()
    if cell.startswith("[") != cell.endswith("]") or "..." in cell:  # cut short, or numpy left some out
        return [cell.upper()]
    inner = cell[1:-1].strip() if cell.startswith("[") else cell
    if cell.startswith("[") and not ITEMS.sub("", inner).strip(", \t\r\n"):
        return [code for item in ITEMS.findall(inner) for code in _item(item)]
    inner = TITLE_BRACKET.sub("", inner)  # a title may name other codes in brackets
    parts = [part for line in re.split(r"\||\r\n|\r|\n", inner) for part in NEXT.split(line)] if inner else []
    return [code for part in parts for code in _codes(part.strip().strip("\"'").strip())]


def _item(item: str) -> list[str]:
    return _codes(re.sub(r"\\(.)", r"\1", item[1:-1]).strip()) if item[0] in "'\"" else [""]


def _codes(text: str) -> list[str]:
    """Return the code of a label, or all where there is nothing but codes and signs; and what of it is no code."""
    if not text:
        return [""]
    if not re.search(r"\w", AROUND.sub("", TOKEN.sub("", text))):
        return [_plain(code) for code in TOKEN.findall(text)] or [text]
    match = FIRST_WORD.fullmatch(text)
    if not match:
        return [text.upper()]
    meaning = TITLE_BRACKET.sub("", match[2] or "")
    return [_plain(match[1]), *([meaning.upper()] if UPPER.search(meaning) else [])]


def _plain(code: str) -> str:
    return code.replace(".", "").upper()
