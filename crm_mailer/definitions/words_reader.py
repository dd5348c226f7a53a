"""Reads the word lists of listening: those that ship, then those that a shop adds."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pydantic

from crm_mailer.definitions.files import Fault, Node, Strict, read_yaml, validate
from crm_mailer.model.reply import REASONS, BounceKind
from crm_mailer.model.words import BounceSign, Lexicon, Sign, Wishes, Words

SHIPPED = Path(__file__).parent / "words"

#: Codes beside the complaint reasons.
CODES = {
    *("displeasure", "praise", "thanks", "question", "confirm", "suggestion"),
    *("wants.refund", "wants.resend", "wants.answer"),
}
#: Families of codes of which every member is allowed.
FAMILIES = ("ask.", "objection.")

_SET = re.compile(r"<(?!n>)(\w+)>")


class _SignFile(Strict):
    sure: tuple[str, ...] = ()
    hint: tuple[str, ...] = ()


class _LexiconFile(Strict):
    language: str
    #: Names for lists of phrases that are used again as `<name>`.
    sets: dict[str, tuple[str, ...]] = pydantic.Field(default_factory=dict)
    negators: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    stop_words: str = ""
    signs: dict[str, _SignFile] = pydantic.Field(default_factory=dict)

    @pydantic.field_validator("signs")
    @classmethod
    def _known_codes(cls, signs: dict[str, _SignFile]) -> dict[str, _SignFile]:
        for code in signs:
            if code not in REASONS and code not in CODES and not code.startswith(FAMILIES):
                raise Fault(
                    "CRM107",
                    f"`{code}` is no complaint reason",
                    "known: " + " ".join(sorted({*REASONS, *CODES})),
                )
        return signs


class _WishesFile(Strict):
    subjects: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()


class _SubjectsFile(Strict):
    subjects: tuple[str, ...] = ()


class _BounceGroup(Strict):
    kind: BounceKind
    reason: str
    phrases: tuple[str, ...]


class _BounceFile(Strict):
    signs: tuple[_BounceGroup, ...]


def read_words(*folders: Path) -> Words:
    """The shipped words and those in each of `folders` that is there.

    Files are called complaints.<language>.yaml, wishes.yaml, autoreplies.yaml, bounces.yaml; what
    a shop's file says is added to what ships.

    Raises:
        DefinitionError: a file is wrong, with each fault at its place.
    """
    lexicons: dict[str, list[_LexiconFile]] = defaultdict(list)
    lines: dict[str, list[str]] = defaultdict(list)
    bounces: list[BounceSign] = []
    for folder in (SHIPPED, *folders):
        for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            node, kind = read_yaml(path), path.name.partition(".")[0]
            if kind == "complaints":
                lexicon = validate(node, _LexiconFile)
                lexicons[lexicon.language].append(lexicon)
            elif kind == "bounces":
                bounces += _bounce_signs(validate(node, _BounceFile))
            else:
                _take_lines(kind, node, lines)
    read = (
        tuple(_lexicon(code, files) for code, files in sorted(lexicons.items())),
        Wishes(subjects=tuple(lines["stop_subjects"]), lines=tuple(lines["stop_lines"])),
        tuple(lines["auto_subjects"]),
        tuple(bounces),
    )
    return Words(
        version=hashlib.sha256(repr(read).encode()).hexdigest()[:16],
        lexicons=read[0],
        wishes=read[1],
        auto_subjects=read[2],
        bounce_signs=read[3],
    )


def _take_lines(kind: str, node: Node, lines: dict[str, list[str]]) -> None:
    if kind == "wishes":
        wishes = validate(node, _WishesFile)
        lines["stop_subjects"] += wishes.subjects
        lines["stop_lines"] += wishes.lines
    elif kind == "autoreplies":
        lines["auto_subjects"] += validate(node, _SubjectsFile).subjects


def _lexicon(language: str, files: Iterable[_LexiconFile]) -> Lexicon:
    found: dict[str, list[Any]] = defaultdict(list)
    for file in files:
        found["negators"] += file.negators
        found["conditions"] += file.conditions
        found["stop_words"] += file.stop_words.split()
        for code, phrases in file.signs.items():
            for is_sure, group in ((True, phrases.sure), (False, phrases.hint)):
                found["signs"] += [
                    Sign(code=code, phrase=_filled(phrase, file.sets), is_sure=is_sure)
                    for phrase in group
                ]
    return Lexicon(language=language, **{name: tuple(values) for name, values in found.items()})


def _filled(phrase: str, sets: Mapping[str, tuple[str, ...]]) -> str:
    """`<name>` replaced by its alternatives; an unknown name stays and matches nothing."""
    return _SET.sub(lambda name: "(" + "|".join(sets.get(name[1], (name[0],))) + ")", phrase)


def _bounce_signs(file: _BounceFile) -> list[BounceSign]:
    return [
        BounceSign(kind=group.kind.value, reason=group.reason, phrase=phrase)
        for group in file.signs
        for phrase in group.phrases
    ]
