"""Plain text, of another program or kept without its parts, as a sentence again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from crm_mailer.model.sentence import Sentence


def recalled(text: str, patterns: Iterable[str]) -> Sentence:
    """`text` as the first of the patterns that it fits; what fits none, as it stands.

    Args:
        text: a sentence may stand in it from its beginning to its end; one that still has its
            parts is returned as it is.
        patterns: each with `{name}` where anything may stand.
    """
    if isinstance(text, Sentence) and text.parts:
        return text
    for pattern in patterns:
        if found := _read(pattern).fullmatch(text):
            return Sentence(pattern, **found.groupdict())
    return Sentence(text)


@cache
def _read(pattern: str) -> re.Pattern[str]:
    words = re.split(r"\{(\w+)\}", str(pattern))
    parts = [f"(?P<{one}>.+?)" if place % 2 else re.escape(one) for place, one in enumerate(words)]
    return re.compile("".join(parts), re.DOTALL)
