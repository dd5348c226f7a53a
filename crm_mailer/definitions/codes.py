"""The codes of findings: what each means, why it matters, what to do. One registry for all."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field

from crm_mailer.definitions.files import Strict, read_yaml, validate
from crm_mailer.definitions.problems import Severity, did_you_mean
from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence

FILE = Path(__file__).with_name("codes.yaml")
Said = Annotated[str, Field(min_length=1)]


class Code(Strict):
    """One kind of finding. `severity` is the gravest that a finding of this code can have.

    `example` is what stands in a file, unless it is told `in_words`.
    """

    severity: Severity
    title: Said
    why: Said
    remedy: Said
    example: Said
    in_words: bool = False

    def as_text(self, code: str) -> Sentence:
        """What `check --explain` prints."""
        return Sentence(
            "{code} ({severity}): {title}\n\n{why}\n\nWhat to do: {remedy}\nExample:    {example}",
            code=code,
            severity=Sentence(self.severity),
            title=Sentence(self.title),
            why=Sentence(self.why),
            remedy=Sentence(self.remedy),
            example=Sentence(self.example),
        )


class _File(Strict):
    codes: dict[Annotated[str, Field(pattern="^CRM[0-9]{3}$")], Code]


@cache
def registry() -> dict[str, Code]:
    """Every code, in order."""
    node = read_yaml(FILE)
    whole = type(node)(node.source, node.place, kind="map")
    whole.entries["codes"], whole.keys["codes"] = node, node.place
    return validate(whole, _File).codes


def find(code: str) -> tuple[str, Code]:
    """The code that is meant, whatever its case.

    Raises:
        NotFound: there is no such code.
    """
    known, wanted = registry(), code.strip().upper()
    if wanted not in known:
        raise NotFound(
            Sentence("there is no code `{code}`", code=code), hint=did_you_mean(wanted, known)
        )
    return wanted, known[wanted]


#: Where the table of codes begins in docs/checks.md.
MARK = "## All codes"


def as_page() -> str:
    """The list of docs/checks.md."""
    rows = [MARK]
    for code, one in registry().items():
        example = one.example.strip()
        shown = example if "`" in example else f"`{example}`"
        rows.append(
            f"**{code}** ({one.severity}) **{one.title}.** {_plain(one.why)} "
            f"*What to do:* {_plain(one.remedy)} *Such as:* {shown}"
        )
    return "\n\n".join(rows) + "\n"


def _plain(text: str) -> str:
    """Letters that Markdown would take for markup, as they stand; not within `code`."""
    parts = text.split("`")
    parts[::2] = [re.sub(r"([<*_])", r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)


def write_page(page: Path) -> None:
    """Write the codes into a page, below what stands before them."""
    before = page.read_text(encoding="utf-8").partition(MARK)[0]
    page.write_text(before + as_page(), encoding="utf-8")


if __name__ == "__main__":
    write_page(Path(__file__).parents[2] / "docs" / "checks.md")
