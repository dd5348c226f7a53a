"""What Jinja and Python say about a template, as sentences that can be said in other languages."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import TemplateSyntaxError

from crm_mailer.model.sentence import Sentence, Sentences

#: Their texts, as far as marketers meet them; what stands in quotes is put in.
TEXTS = (
    Sentence("expected token '{wanted}', got 'name'"),
    Sentence("expected token 'name', got '{found}'"),
    Sentence("expected token '{wanted}', got '{found}'"),
    Sentence("unexpected end of template, expected '{wanted}'."),
    Sentence("unexpected char '{char}' at {place}"),
    Sentence("unexpected '{found}', expected '{wanted}'"),
    Sentence("unexpected '{found}'"),
    Sentence("tag name expected"),
    Sentence("Expected an expression, got '{found}'"),
    Sentence("You cannot chain multiple tests with is"),
    Sentence("expected subscript expression"),
    Sentence("expected name or number"),
    Sentence("invalid syntax for function call expression"),
    Sentence("can't assign to '{target}'"),
    Sentence("Missing end of comment tag"),
    Sentence("Missing end of raw directive"),
    Sentence("Invalid character in identifier"),
    Sentence("Unexpected end of template."),
    Sentence("Encountered unknown tag '{tag}'."),
    Sentence("Jinja was looking for the following tags: {tags}."),
    Sentence(
        "You probably made a nesting mistake. Jinja is expecting this tag, but currently looking "
        "for {tags}."
    ),
    Sentence("The innermost block that needs to be closed is '{tag}'."),
    Sentence("No filter named '{name}'."),
    Sentence("No test named '{name}'."),
    Sentence("No first item, sequence was empty."),
    Sentence("No last item, sequence was empty."),
    Sentence("division by zero"),
    Sentence("float division by zero"),
    Sentence("'{type}' object is not iterable"),
    Sentence("'{type}' object is not callable"),
    Sentence("object of type '{type}' has no len()"),
    Sentence("unsupported operand type(s) for {operator}: '{left}' and '{right}'"),
    Sentence("'{operator}' not supported between instances of '{left}' and '{right}'"),
    Sentence('can only concatenate str (not "{type}") to str'),
)
#: What Jinja calls the parts of a template.
TOKENS = (
    Sentence("begin of comment"),
    Sentence("end of comment"),
    Sentence("begin of statement block"),
    Sentence("end of statement block"),
    Sentence("begin of print statement"),
    Sentence("end of print statement"),
    Sentence("template data / text"),
    Sentence("end of template"),
    Sentence("string"),
    Sentence("integer"),
    Sentence("float"),
)
#: Where one of Jinja's texts ends and the next one begins.
ENDS = re.compile(r"(?<=\.) (?=Jinja was|You probably|The innermost)")


def syntax(error: TemplateSyntaxError) -> Sentence:
    """What Jinja finds wrong with the writing of a template."""
    return Sentence("Jinja: {message}", message=said(error.message or ""))


def failure(error: BaseException) -> str:
    """What went wrong while a template was filled in."""
    return said(str(error) or type(error).__name__)


def said(text: str) -> str:
    """One of their texts as a sentence; what is not known stays as it is."""
    if isinstance(text, Sentence):
        return text
    found = [_one(part) for part in ENDS.split(text)]
    return Sentences(*found) if len(found) > 1 else found[0]


def _one(text: str) -> str:
    for known, form in _forms():
        if match := form.fullmatch(text):
            parts = {name: _token(part) for name, part in match.groupdict().items()}
            return Sentence(known.pattern, **parts)
    return text


def _token(text: str) -> str:
    return next((one for one in TOKENS if one == text), text)


@cache
def _forms() -> list[tuple[Sentence, re.Pattern[str]]]:
    """Each text with what it looks like."""
    return [
        (one, re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(one)), re.DOTALL))
        for one in TEXTS
    ]
