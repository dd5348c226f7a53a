"""Placeholders of other programs, which nothing fills in here: readers would see them as written.

Whoever moves from another program brings its texts along. Marks that hardly stand for anything
else (`*|FNAME|*`, `%%name%%`, `${name}`) count with any word in them; those that may (`{name}`,
`[name]`, `%NAME%`) only with a word in capitals, or with one that programs fill in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import replies
from crm_mailer.rendering.check_names import help_for
from crm_mailer.rendering.markup import Draft

CODE = "CRM216"
HELP = Sentence("docs/writing-campaigns.md lists the fields that are filled in")
CAPITALS = re.compile(r"[A-Z][A-Z0-9]*(?:[_ -][A-Z0-9]+)*")
#: What hardly stands for anything else, and what does where its word says so.
SURE = re.compile(
    r"""\*\|\s*(?P<bars>[A-Za-z][\w:.=, -]{0,60}?)\s*\|\*      # *|FNAME|*
    | %%\s*(?P<percents>[A-Za-z_][\w. -]{0,60}?)\s*%%          # %%first_name%%
    | \$\{\s*(?P<dollar>[A-Za-z_][^{}<>\n]{0,80}?)\s*\}        # ${name}
    | \{[$!]\s*(?P<script>[A-Za-z_][\w.:|>()\[\] -]{0,80}?)\s*\}  # {$name} {!Contact.Name}
    | \[\[\s*(?P<squares>[^\W\d][\w.:| -]{0,60}?)\s*\]\]        # [[name]]
    | <%[=-]?\s*(?P<server>[^%<>\n]{1,80}?)\s*-?%>             # <%= name %>
    """,
    re.VERBOSE,
)
LIKELY = re.compile(
    r"""(?<![{$\#%\w])\{(?!\{)\s*(?P<brace>[^\W\d][\w.:| -]{0,60}?)\s*\}(?!\})   # {FIRST_NAME}
    | (?<![\[\w])\[(?!\[)\s*(?P<square>[^\W\d][\w.:| -]{0,60}?)\s*\](?!\])       # [FIRST_NAME]
    | (?<![%\w])%(?P<percent>[A-Za-z][A-Za-z0-9_]{2,60})%(?![%\w])               # %FIRSTNAME%
    | (?<![\#\w&])\#{1,2}(?P<hash>[A-Za-z][A-Za-z0-9_]{2,60})\#{1,2}(?![\#\w])   # #FIRSTNAME#
    """,
    re.VERBOSE,
)
#: Where a likely one may begin: looking there alone takes a tenth of the time.
OPENING = re.compile(r"[{\[%\#]")
#: A text without any of these has none: most have none, and this is quicker.
MARKS = ("*|", "%", "${", "{", "[", "#")
#: What is written for programs: Jinja in a text that is not masked, rules of style.
JINJA = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
STYLE = re.compile(r"<(mj-style|style)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Placeholder:
    """A placeholder as it is written, where it begins, and what stands for it here."""

    text: str
    start: int
    help: str

    @property
    def message(self) -> str:
        """What a finding says of it."""
        return Sentence(
            "nothing fills in `{placeholder}`: readers would see it like this",
            placeholder=self.text,
        )


def look(draft: Draft) -> Iterator[Problem]:
    """Every placeholder in a template and in the parts that it includes."""
    source, text = draft.source, _without(STYLE, draft.masked.blanked)
    if draft.name.startswith(replies.FOLDER):  # an agent fills in their blanks
        text = _without(replies.BLANK, text)
    for one in find(text):
        yield source.problem(
            CODE, one.message, one.start, width=len(one.text), severity=Severity.WARNING,
            help=one.help,
        )  # fmt: skip


def find_in_words(text: str) -> Iterator[Placeholder]:
    """The placeholders in a subject or another short text, which may hold Jinja."""
    return find(_without(JINJA, text))


def find(text: str) -> Iterator[Placeholder]:
    """The placeholders in a text without Jinja, in their order."""
    if not any(mark in text for mark in MARKS):
        return
    likely = (LIKELY.match(text, begin.start()) for begin in OPENING.finditer(text))
    found = [*SURE.finditer(text), *(one for one in likely if one is not None and _is_one(one))]
    end = 0
    for match in sorted(found, key=lambda one: one.start()):
        if match.start() >= end:
            end = match.end()
            yield Placeholder(match[0], match.start(), _help(_word(match)))


def _is_one(match: re.Match[str]) -> bool:
    word = _word(match)
    if help_for(word):
        return True
    if match.lastgroup in ("square", "hash"):  # capitals are also a [NOTE] or a #HASHTAG#
        return "_" in word and word.isupper()
    return CAPITALS.fullmatch(word) is not None and len(word) > 2


def _without(pattern: re.Pattern[str], text: str) -> str:
    """A text with blanks for what matches, so that places stay true."""
    return pattern.sub(lambda match: " " * len(match[0]), text)


def _word(match: re.Match[str]) -> str:
    return str(match[match.lastgroup or 0])


def _help(word: str) -> str:
    return help_for(word) or HELP
