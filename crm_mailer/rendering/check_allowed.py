"""Exceptions that a marketer wrote into a template: `{# allow CRM260: reason #}`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering.sources import Source

ALLOW = re.compile(r"\{#-?\s*allow\s+(CRM\d{3})\s*:?\s*(.*?)\s*-?#\}", re.DOTALL | re.IGNORECASE)
#: Errors for which there can be a good reason.
ARGUABLE = frozenset({"CRM260"})
LEAST_REASON = 8


def apply(source: Source, problems: Sequence[Problem]) -> list[Problem]:
    """The findings without those that the template allows, and exceptions that do nothing."""
    left = list(problems)
    for match in ALLOW.finditer(source.text):
        code = match[1].upper()
        covered = [one for one in left if one.code == code and _may(one)]
        if len(match[2]) < LEAST_REASON:
            left.append(
                _idle(source, match, Sentence("an exception for {code} needs a reason", code=code))
            )
        elif covered:
            left = [one for one in left if one not in covered]
        elif any(one.code == code for one in left):
            left.append(
                _idle(
                    source, match, Sentence("{code} is an error that cannot be allowed", code=code)
                )
            )
        else:
            left.append(_idle(source, match, Sentence("nothing here is {code}", code=code)))
    return left


def _may(problem: Problem) -> bool:
    return not problem.is_error or problem.code in ARGUABLE


def _idle(source: Source, match: re.Match[str], message: str) -> Problem:
    return source.problem(
        "CRM290",
        message,
        match.start(),
        width=len(match[0].split("\n")[0]),
        severity=Severity.WARNING,
        help=Sentence("{{# allow CODE: {why} #}}", why=Sentence("why it is right here")),
    )
