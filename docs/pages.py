"""What writes the pages of docs: blocks between two comments, each of a block of docs/templates/<page>.j2.

The prose stands in the page alone, what a block shows in its template, how it is computed in docs/update_<page>.py.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = Environment(
    loader=FileSystemLoader(ROOT / "docs/templates"), trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
)


def rewrite(page: Path, values: dict[str, Any], keep: Collection[str] = ()) -> None:
    """Write every block of a page's template but those to keep into the page; the text around them is not touched."""
    template = TEMPLATES.get_template(f"{page.name}.j2")
    text = page.read_text(encoding="utf-8")
    for block in (name for name in template.blocks if name not in keep):
        text = replaced(text, block, rendered(page.name, block, values))
    page.write_text(text, encoding="utf-8")


def rendered(page: str, block: str, values: dict[str, Any]) -> str:
    """Return one block of a page's template."""
    template = TEMPLATES.get_template(f"{page}.j2")
    return "".join(template.blocks[block](template.new_context(values))).strip("\n")


def replaced(text: str, block: str, content: str) -> str:
    """Return a page's text with one block between its two comments replaced; raises ValueError if it is not there."""
    place = rf"(<!-- {re.escape(block)}: written by [^\n]* -->\n\n).*?(\n\n<!-- end of {re.escape(block)} -->)"
    text, found = re.subn(place, lambda match: match[1] + content + match[2], text, flags=re.DOTALL)
    if found != 1:
        raise ValueError(f"the page has {found} places for the block {block}")
    return text


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns but the first are numbers."""
    marks = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in (heads, marks, *rows))


def copy_figure(source: Path, target: Path) -> None:
    """Copy a figure in 256 colours, a third of the bytes; not the most frequent: a colour bar's ends would be grey."""
    with Image.open(source) as figure:
        figure.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE).save(target, optimize=True)


def copy_smaller(source: Path, target: Path, share: float) -> None:
    """Copy a figure at a share of its width and height; for shades that 256 colours would not keep apart."""
    with Image.open(source) as figure:
        size = round(share * figure.width), round(share * figure.height)
        figure.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(target, optimize=True)
