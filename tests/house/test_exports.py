"""Every CSV file that a person is given opens in Excel as it is: UTF-8 with its mark."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import crm_mailer

PACKAGE = Path(crm_mailer.__file__).parent
#: Rooms and doors that hand files to people; what the demo makes stands for platforms' exports.
GIVING = ("app", "cli", "reporting", "studio")


def written_csv() -> Iterator[tuple[str, str]]:
    """Module and encoding of each text file that a module with CSV to write opens for writing."""
    for folder in GIVING:
        for path in sorted((PACKAGE / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            if "csv.writer" not in text and "text/csv" not in text:
                continue
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.Call) and any(
                    isinstance(one, ast.Constant) and one.value == "w" for one in node.args
                ):
                    named = {one.arg: ast.unparse(one.value) for one in node.keywords}
                    yield path.name, named.get("encoding", "").strip("'")


def test_csv_files_begin_with_the_mark_that_excel_looks_for() -> None:
    found = list(written_csv())

    assert len(found) >= 3
    assert {encoding for _module, encoding in found} == {"utf-8-sig"}
