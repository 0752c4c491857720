"""Write what is written from the settings: config/paper.yaml, the tables of config/README.md, the schema for editors.

    python -m cmr2ecg.study.settings.write

or `make settings`, after any change of a setting or its text; a test compares them.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cmr2ecg.runtime.command import run
from cmr2ecg.runtime.imports import SOURCE
from cmr2ecg.study.settings.as_readme import readme_tables
from cmr2ecg.study.settings.as_yaml import paper_yaml
from cmr2ecg.study.settings.study import Settings

ORIGIN = "Written by `make settings` from src/cmr2ecg/study/settings: edit it there."
MARK = f"\n<!-- {ORIGIN} -->\n"
UNSAID = ("title", "default", "entries")  # parts of pydantic's schema that say nothing in an editor


def main(argv: Sequence[str] | None = None) -> None:
    """Write the three files."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args(argv)
    for path, text in written().items():
        path.write_text(text, encoding="utf-8")


def written() -> dict[Path, str]:
    """Return {file: what it holds}; in README.md what is above MARK is written by hand."""
    config = SOURCE.parent / "config"
    by_hand, mark, _ = (config / "README.md").read_text(encoding="utf-8").partition(MARK)
    return {
        config / "paper.yaml": paper_yaml(ORIGIN),
        config / "README.md": by_hand + mark + readme_tables(),
        SOURCE.parent / "workflow/schemas/config.schema.yaml": schema_yaml(),
    }


def schema_yaml() -> str:
    """Return the JSON schema by which editors complete and check config files, as YAML."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_schema(Settings.model_json_schema())}
    text = yaml.safe_dump(schema, sort_keys=False, width=150, allow_unicode=True, default_flow_style=None)
    return f"# {ORIGIN}\n{text}"


def _schema(node: Any) -> Any:
    """Return a schema without what says nothing; maps take no keys beside those of their pattern."""
    if isinstance(node, list):
        return [_schema(part) for part in node]
    if not isinstance(node, dict):
        return node
    said = {key: _schema(part) for key, part in node.items() if key not in UNSAID or isinstance(part, dict)}
    if isinstance(said.get("description"), str):
        said["description"] = " ".join(said["description"].split())
    return said | ({"additionalProperties": False} if "patternProperties" in said else {})


if __name__ == "__main__":
    run(main)
