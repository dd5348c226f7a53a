"""Public samples of real mail: a floor for each group, not for each file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from crm_mailer.listening import autoreplies, bounces, kinds, letters, plain, quotes, spamreports
from crm_mailer.listening.complaints import understand
from crm_mailer.model.reply import Intent, ReplyKind
from crm_mailer.model.words import Words
from tests.conftest import NOON

pytestmark = pytest.mark.shared
DEAD = {"userunknown", "hostunknown", "hasmoved"}


def samples(folder: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    for line in (folder / "labels.jsonl").read_text().splitlines():
        label = json.loads(line)
        yield label, (folder / label["file"]).read_bytes()


def every_file(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix not in (".json", ".jsonl"):
            yield path


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_malformed_mails_never_break_the_reader(shared: Path, words: Words) -> None:
    count = 0
    for path in every_file(shared / "corpora"):
        kinds.sort(letters.read(path.read_bytes()), words, None, NOON)
        count += 1

    assert count > 600


def test_ordinary_mails_are_no_bounces(shared: Path) -> None:
    raws = [path.read_bytes() for path in every_file(shared / "corpora" / "malformed")]
    ordinary = [letters.read(raw) for raw in raws if b"delivery-status" not in raw.lower()]

    assert sum(bounces.is_report(letter) for letter in ordinary) == 0


def test_bounces_are_recognised_with_their_recipients(shared: Path, words: Words) -> None:
    found = [
        (label, bounces.read(letter, words) if bounces.is_report(letter) else ())
        for label, raw in samples(shared / "corpora" / "bounces" / "sisimai")
        for letter in [letters.read(raw)]
    ]
    known = sum(bool(told) for _, told in found)
    right = sum(
        {one.recipient.casefold() for one in told}
        == {address.casefold() for address in label["reference_recipients"]}
        for label, told in found
    )

    assert known / len(found) >= 0.98
    assert right / len(found) >= 0.96


def test_dead_addresses_are_told_from_full_and_filtered_ones(shared: Path, words: Words) -> None:
    hits = false = missed = 0
    for label, raw in samples(shared / "corpora" / "bounces" / "sisimai"):
        letter = letters.read(raw)
        is_dead = any(one["reason"] in DEAD for one in label["reference"] or [])
        told = bounces.is_report(letter) and any(b.is_dead for b in bounces.read(letter, words))
        hits += is_dead and told
        false += told and not is_dead
        missed += is_dead and not told

    assert hits / (hits + false) >= 0.93
    assert hits / (hits + missed) >= 0.93


def test_spam_reports_are_recognised(shared: Path) -> None:
    found = [
        spamreports.read(letters.read(raw)) is not None
        for folder in ("sisimai", "flanker")
        for _, raw in samples(shared / "corpora" / "arf" / folder)
    ]

    assert sum(found) / len(found) >= 0.95


def test_automatic_answers_are_recognised(shared: Path, words: Words) -> None:
    found = [
        kinds.sort(letters.read(raw), words, None, NOON).kind is ReplyKind.AUTO_REPLY
        for folder in ("sisimai", "shotzoom-phrases")
        for _, raw in samples(shared / "corpora" / "autoreply" / folder)
    ]

    assert sum(found) / len(found) >= 0.95
    assert autoreplies.evidence(letters.read(b"Subject: Re: my order\r\n\r\nx"), words) is None


def test_most_quoted_text_is_cut_and_no_answer_is_emptied(shared: Path) -> None:
    right = near = count = 0
    for folder in sorted((shared / "corpora" / "quotes").iterdir()):
        for label, raw in samples(folder):
            expected, text = label["expected"], raw.decode("utf-8", "replace")
            if label["match"] not in ("exact", "html_ws_insensitive") or expected is None:
                continue
            if label["file"].endswith(".html"):
                text, expected = plain.from_html(text), plain.from_html(expected)
            own = quotes.own_text(text)
            assert bool(squeezed(own)) == bool(squeezed(text))
            right += squeezed(own) == squeezed(expected)
            near += SequenceMatcher(None, squeezed(own), squeezed(expected), False).ratio() >= 0.9
            count += 1

    assert right / count >= 0.85
    assert near / count >= 0.9


def test_few_texts_of_people_are_taken_for_automatic_answers(shared: Path, words: Words) -> None:
    letter = letters.read(b"Subject: Re: hello\r\n\r\n")
    texts = [
        json.loads(line)["text"]
        for path in sorted((shared / "corpora" / "messages").glob("*.jsonl"))
        for line in path.read_text().splitlines()
    ]

    assert sum(autoreplies.evidence(letter, words, text) is not None for text in texts) == 0


@pytest.mark.parametrize(("name", "most"), [("clinc150", 0.05), ("banking77", 0.15)])
def test_neutral_requests_raise_few_alarms(
    shared: Path, words: Words, name: str, most: float
) -> None:
    path = shared / "corpora" / "messages" / f"en_intents_{name}_test.jsonl"
    texts = [json.loads(line)["text"] for line in path.read_text().splitlines()]

    alarms = sum(understand(text, words).intent is Intent.COMPLAINT for text in texts)

    assert alarms / len(texts) <= most
