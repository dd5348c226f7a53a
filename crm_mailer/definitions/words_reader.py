"""Reads the word lists of listening: those that ship, then those that a shop adds."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from crm_mailer.definitions.files import Fault, Node, Strict, read_yaml, validate
from crm_mailer.definitions.problems import Problem, did_you_mean, raise_all
from crm_mailer.model.bounce import BounceReason
from crm_mailer.model.reply import SHIPPED_REASONS, Severity
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.words import BounceSign, Lexicon, Sign, Wishes, Words

SHIPPED = Path(__file__).parent / "words"

#: Codes beside the complaint reasons.
CODES = {
    *("displeasure", "praise", "thanks", "question", "confirm", "suggestion"),
    *("wants.refund", "wants.resend", "wants.answer"),
    *("clue.remedy", "clue.proof", "clue.lapse", "clue.before", "elsewhere"),
}
#: Families of codes of which every member is allowed.
FAMILIES = ("ask.", "objection.")

_SET = re.compile(r"<(?!n>)(\w+)>")
_EMPTY_OPTION = re.compile(r"[|(]\s*[^\s|()]*\?\s*[|)]|[|(]\s*[|)]")
_REASON_CODE = re.compile(r"[a-z][a-z0-9_]{0,20}(\.[a-z0-9_]{1,20})?")


class _SignFile(Strict):
    sure: tuple[str, ...] = ()
    hint: tuple[str, ...] = ()


class _ReasonFile(Strict):
    severity: Severity
    text: str = pydantic.Field(min_length=1, max_length=120)


class _LexiconFile(Strict):
    language: str = pydantic.Field(pattern="[a-z]{2}")
    #: A shop's own complaint reasons: code -> severity and meaning.
    reasons: dict[str, _ReasonFile] = pydantic.Field(default_factory=dict)
    #: Code -> phrases that are no sign of it, though a shipped one says so.
    remove: dict[str, tuple[str, ...]] = pydantic.Field(default_factory=dict)
    #: Names for lists of phrases that are used again as `<name>`.
    sets: dict[str, tuple[str, ...]] = pydantic.Field(default_factory=dict)
    negators: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    openers: tuple[str, ...] = ()
    stop_words: str = ""
    signs: dict[str, _SignFile] = pydantic.Field(default_factory=dict)

    @pydantic.field_validator("reasons")
    @classmethod
    def _own_reasons(cls, reasons: dict[str, _ReasonFile]) -> dict[str, _ReasonFile]:
        for code in reasons:
            if code in SHIPPED_REASONS or code in CODES or code.startswith(FAMILIES):
                raise Fault(
                    "CRM107",
                    Sentence("`{code}` is a reason already", code=code),
                    "choose another code",
                )
            if not _REASON_CODE.fullmatch(code):
                raise Fault(
                    "CRM107",
                    Sentence("`{code}` is no code for a reason", code=code),
                    "small letters, digits, `_` and one dot, such as shop.smell",
                )
        return reasons


class _WishesFile(Strict):
    sets: dict[str, tuple[str, ...]] = pydantic.Field(default_factory=dict)
    subjects: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    wholes: tuple[str, ...] = ()
    stops: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    goods: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    alone: tuple[str, ...] = ()
    denials: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()


_WISHES = (
    *("subjects", "lines", "wholes", "stops", "beside", "goods"),
    *("places", "alone", "denials", "conditions"),
)


class _AutoBodies(Strict):
    away: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    machine: tuple[str, ...] = ()
    noreply: tuple[str, ...] = ()
    desk: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    contact: tuple[str, ...] = ()
    courtesy: tuple[str, ...] = ()
    person: tuple[str, ...] = ()


class _AutoFile(Strict):
    subjects: tuple[str, ...] = ()
    weak_subjects: tuple[str, ...] = ()
    bodies: _AutoBodies = _AutoBodies()


class _BounceGroup(Strict):
    reason: BounceReason
    #: Parts of the names of servers or domains that alone mean it so.
    hosts: tuple[str, ...] = ()
    #: Needs neither a status nor the command that was refused beside it.
    sure: bool = False
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
    return words_of((SHIPPED, *folders))


def words_of(folders: Iterable[Path]) -> Words:
    """The words of these folders alone: those that ship are sound, and take a second to read.

    Raises:
        DefinitionError: a file is wrong, with each fault at its place.
    """
    lexicons: dict[str, list[_LexiconFile]] = defaultdict(list)
    nodes: list[tuple[Node, _LexiconFile]] = []
    lines: dict[str, list[str]] = defaultdict(list)
    bounces: list[BounceSign] = []
    for folder in folders:
        for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else ():
            node, kind = read_yaml(path), path.name.partition(".")[0]
            if kind == "complaints":
                lexicon = validate(node, _LexiconFile)
                lexicons[lexicon.language].append(lexicon)
                nodes.append((node, lexicon))
            elif kind == "bounces":
                # the first sign that fits counts: the shop's own come before ours
                bounces[:0] = _bounce_signs(validate(node, _BounceFile))
            else:
                _take_lines(kind, node, lines)
    reasons = _reasons(nodes)
    read = (
        tuple(_lexicon(code, files) for code, files in sorted(lexicons.items())),
        Wishes(**{name: tuple(lines[f"stop_{name}"]) for name in _WISHES}),
        tuple(lines["auto_subjects"]),
        tuple(bounces),
        tuple(lines["auto_weak_subjects"]),
        tuple(
            Sign(code=code, phrase=phrase)
            for code in _AutoBodies.model_fields
            for phrase in lines[f"auto_{code}"]
        ),
        tuple(reasons.items()),
    )
    return Words(
        version=hashlib.sha256(repr(read).encode()).hexdigest()[:16],
        lexicons=read[0],
        wishes=read[1],
        auto_subjects=read[2],
        bounce_signs=read[3],
        auto_weak_subjects=read[4],
        auto_signs=read[5],
        reasons=reasons,
    )


def read_reasons(folder: Path) -> dict[str, tuple[Severity, str]]:
    """A shop's own complaint reasons.

    Raises:
        DefinitionError: a file is wrong.
    """
    paths = sorted(folder.glob("complaints*.yaml")) if folder.is_dir() else []
    nodes = [(node, validate(node, _LexiconFile)) for node in map(read_yaml, paths)]
    known = _reasons(nodes)
    return {code: told for code, told in known.items() if code not in SHIPPED_REASONS}


def _reasons(
    files: Sequence[tuple[Node, _LexiconFile]],
) -> dict[str, tuple[Severity, str]]:
    """Those that ship and those of the files, which may use one another's.

    Raises:
        DefinitionError: a sign is of a reason that nobody knows.
    """
    known = dict(SHIPPED_REASONS)
    for _node, file in files:
        known |= {code: (one.severity, one.text) for code, one in file.reasons.items()}
    unknown = [
        _unknown(node, block, code, known)
        for node, file in files
        for block, codes in (("signs", file.signs), ("remove", file.remove))
        for code in codes
        if code not in known and code not in CODES and not code.startswith(FAMILIES)
    ]
    unknown += [fault for node, file in files for fault in _phrase_faults(node, file)]
    if unknown:
        raise_all(unknown)
    return known


def _phrase_faults(node: Node, file: _LexiconFile) -> Iterator[Problem]:
    """Brackets without a partner, and names of sets that the file does not have."""
    for code, signs in file.signs.items():
        for group, phrases in (("sure", signs.sure), ("hint", signs.hint)):
            for number, phrase in enumerate(phrases):
                fault = _phrase_fault(phrase, file.sets)
                if fault:
                    yield node.problem("CRM107", fault, "signs", code, group, number)
    for code, phrases in file.remove.items():
        for number, phrase in enumerate(phrases):
            fault = _phrase_fault(phrase, file.sets)
            if fault:
                yield node.problem("CRM107", fault, "remove", code, number)


def _phrase_fault(phrase: str, sets: Mapping[str, tuple[str, ...]]) -> str:
    if phrase.count("(") != phrase.count(")"):
        return Sentence("a bracket has no partner")
    if _EMPTY_OPTION.search(phrase):
        return Sentence(
            "one of the words in the brackets may be missing: put the `?` behind the bracket"
        )
    unknown = [name for name in _SET.findall(phrase) if name not in sets]
    return Sentence("there is no set `{name}` in this file", name=unknown[0]) if unknown else ""


def _unknown(node: Node, block: str, code: str, known: Iterable[str]) -> Problem:
    remedy = did_you_mean(code, [*known, *CODES])
    return node.problem(
        "CRM107",
        Sentence("`{code}` is no complaint reason", code=code),
        block,
        code,
        key=True,
        help=remedy,
    )


def _take_lines(kind: str, node: Node, lines: dict[str, list[str]]) -> None:
    if kind == "wishes":
        wishes = validate(node, _WishesFile)
        for name in _WISHES:
            phrases = getattr(wishes, name)
            lines[f"stop_{name}"] += [_filled(one, wishes.sets) for one in phrases]
    elif kind == "autoreplies":
        answers = validate(node, _AutoFile)
        lines["auto_subjects"] += answers.subjects
        lines["auto_weak_subjects"] += answers.weak_subjects
        for code in _AutoBodies.model_fields:
            lines[f"auto_{code}"] += getattr(answers.bodies, code)


def _lexicon(language: str, files: Iterable[_LexiconFile]) -> Lexicon:
    found: dict[str, list[Any]] = defaultdict(list)
    for file in files:
        found["negators"] += file.negators
        found["conditions"] += file.conditions
        found["openers"] += file.openers
        found["stop_words"] += file.stop_words.split()
        found["signs"] += [
            Sign(code=code, phrase=_filled(phrase, file.sets), is_exception=True)
            for code, phrases in file.remove.items()
            for phrase in phrases
        ]
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
        BounceSign(
            reason=group.reason,
            phrase=phrase,
            hosts=tuple(host.casefold() for host in group.hosts),
            is_sure=group.sure,
        )
        for group in file.signs
        for phrase in group.phrases
    ]
