"""Reads a folder of labelled mails and tells how well listening understands them.

    python benchmarks/inbox.py ../shared/corpora

The folder holds any of bounces/, arf/, autoreply/, quotes/, malformed/ and messages/, each with
folders of samples and a `labels.jsonl`, one JSON object a sample with the key `file`; messages/
holds JSON lines with `text`. What is missing is skipped. Automatic answers that samples cannot
show, and people who write about them, come from our own labelled texts. The last line printed is
one JSON object; shares are from 0 to 1.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import SequenceMatcher
from email.message import EmailMessage
from pathlib import Path
from typing import Any

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from benchmarks import inbox_bodies
from crm_mailer.definitions.files import read_yaml
from crm_mailer.definitions.words_reader import read_words
from crm_mailer.listening import bounces, kinds, letters, plain, quotes, spamreports
from crm_mailer.listening.complaints import understand
from crm_mailer.model.reply import Intent, ReplyKind
from crm_mailer.model.words import Words
from crm_mailer.workers import spare_collector

NOW = datetime(2026, 8, 3, 12, tzinfo=UTC)
OWN = Path(__file__).resolve().parent.parent / "tests" / "listening" / "labelled_autoreplies.yaml"
#: Reasons that mean a dead address.
DEAD = {"userunknown", "hostunknown", "hasmoved"}
#: Two texts with this share of equal letters are nearly the same.
NEAR = 0.9
#: Speed is measured for at least so long.
SECONDS = 3.0

Label = dict[str, Any]
Figures = dict[str, dict[str, float] | float]


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail with what its labels say."""

    label: Label
    raw: bytes
    path: Path


def measure(folder: Path, words: Words) -> Figures:
    """All figures that the samples in `folder` can show."""
    found: Figures = {}
    groups: list[tuple[str, Callable[[], dict[str, float]]]] = [
        ("bounce", lambda: bounce_figures(samples(folder / "bounces"), words)),
        ("dead", lambda: dead_figures(samples(folder / "bounces"), words)),
        ("ordinary", lambda: ordinary_figures(files(folder / "malformed"), words)),
        ("arf", lambda: report_figures(samples(folder / "arf"))),
        ("auto", lambda: auto_figures([*samples(folder / "autoreply"), *own_samples()], words)),
        ("quotes", lambda: quote_figures(samples(folder / "quotes"))),
        ("malformed", lambda: malformed_figures(folder / "malformed", words)),
        ("messages", lambda: message_figures(folder / "messages", words)),
    ]
    for name, figures in groups:
        told = figures()
        if told:
            found[name] = told
            print(f"{name:10}", "  ".join(f"{key} {value:g}" for key, value in told.items()))
    raws = [path.read_bytes() for path in files(folder) if path.suffix in (".eml", ".txt", ".msg")]
    if raws:
        found["per_s"] = speed(raws, words)
        print(f"{'per_s':10} {found['per_s']:g}")
    return found


def samples(folder: Path) -> list[Sample]:
    """Every labelled mail below `folder`."""
    return [
        Sample(label, path.read_bytes(), path)
        for labels in sorted(folder.rglob("labels.jsonl"))
        for line in labels.read_text("utf-8").splitlines()
        if line.strip()
        for label in [json.loads(line)]
        for path in [labels.parent / label["file"]]
        if path.is_file()
    ]


def files(folder: Path) -> list[Path]:
    """Every mail below `folder`: all files that are not labels."""
    kinds_of_labels = {".json", ".jsonl", ".xml", ".md", ".html"}
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in kinds_of_labels
    ]


def own_samples() -> list[Sample]:
    """Our own labelled automatic answers, and people who write about such."""
    if not OWN.is_file():
        return []
    return [Sample(told, _as_mail(told), OWN) for told in read_yaml(OWN).value()["mails"]]


def _as_mail(told: Mapping[str, Any]) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"] = "someone@example.com", "care@shop.example"
    mail["Subject"] = told.get("subject", "")
    for name, value in told.get("headers", {}).items():
        mail[name] = value
    mail.set_content(told["body"])
    return mail.as_bytes()


def bounce_figures(found: Iterable[Sample], words: Words) -> dict[str, float]:
    """How many bounces are known as such, and how many with exactly their recipients.

    The figures of note are those of samples with a reference (Sisimai's); older suites stand
    beside them.
    """
    counts: Counter[str] = Counter()
    for sample in found:
        expected = _recipients(sample.label)
        if sample.label.get("kind") != "bounce" or expected is None or not expected:
            continue
        told = _bounces(sample.raw, words)
        suite = "" if "reference_recipients" in sample.label else "others_"
        counts[suite] += 1
        counts[f"{suite}recognised"] += bool(told)
        counts[f"{suite}exact"] += {one.recipient.casefold() for one in told} == expected
    return _shares(
        **{
            f"{suite}{name}": (counts[f"{suite}{name}"], counts[suite])
            for suite in ("", "others_")
            for name in ("recognised", "exact")
        }
    )


def _bounces(raw: bytes, words: Words) -> tuple[bounces.Bounce, ...]:
    letter = letters.read(raw)
    return bounces.read(letter, words) if bounces.is_report(letter) else ()


def _recipients(label: Label) -> set[str] | None:
    if "reference_recipients" in label:
        told = label["reference_recipients"] or []
    elif "permanent" in label or "temporary" in label:
        told = [*(label.get("permanent") or []), *(label.get("temporary") or [])]
    else:
        return None
    return {str(address).casefold() for address in told}


def dead_figures(found: Iterable[Sample], words: Words) -> dict[str, float]:
    """Of addresses told dead, how many are; of dead ones, how many are told."""
    hits = false = missed = 0
    for sample in found:
        labels = sample.label.get("reference") or sample.label.get("expected")
        if not isinstance(labels, list) or not any("reason" in one for one in labels):
            continue
        is_dead = any(one.get("reason") in DEAD for one in labels)
        told = any(one.is_dead for one in _bounces(sample.raw, words))
        hits += is_dead and told
        false += told and not is_dead
        missed += is_dead and not told
    return _shares(precision=(hits, hits + false), recall=(hits, hits + missed))


def ordinary_figures(paths: Iterable[Path], words: Words) -> dict[str, float]:
    """False bounces and crashes on mails that speak of no delivery report."""
    false = crashes = count = 0
    for path in paths:
        raw = path.read_bytes()
        if b"delivery-status" in raw.lower():
            continue
        count += 1
        try:
            false += kinds.sort(letters.read(raw), words, None, NOW).kind is ReplyKind.BOUNCE
        except Exception as error:
            crashes += 1
            print("crash", path, repr(error))
    return {"false": false, "crashes": crashes} if count else {}


def report_figures(found: Iterable[Sample]) -> dict[str, float]:
    """How many spam reports are read, whatever their form."""
    read = [spamreports.read(letters.read(sample.raw)) is not None for sample in found]
    return _shares(parsed=(sum(read), len(read)))


def auto_figures(found: Iterable[Sample], words: Words) -> dict[str, float]:
    """Automatic answers with and without telling headers, and people taken for robots."""
    told: dict[str, list[bool]] = defaultdict(list)
    for sample in found:
        kind = kinds.sort(letters.read(sample.raw), words, None, NOW).kind
        told[_auto_group(sample.label)].append(kind is ReplyKind.AUTO_REPLY)
    return _shares(**{name: (sum(values), len(values)) for name, values in sorted(told.items())})


def _auto_group(label: Label) -> str:
    if label.get("kind") in ("human", "person"):
        return "false_human"
    return "without" if label.get("by") in ("subject", "body", "text") else "with_headers"


def quote_figures(found: Iterable[Sample]) -> dict[str, float]:
    """How often the own text is as labelled, nearly so, or lost."""
    exact = near = emptied = count = 0
    for sample in found:
        text = _readable(sample)
        own = quotes.own_text(text)
        emptied += bool(_squeezed(text)) and not _squeezed(own)
        share = _likeness(sample.label, own)
        if share is None:
            continue
        count += 1
        exact += share == 1.0
        near += share >= NEAR
    shares = _shares(exact=(exact, count), near=(near, count))
    return {**shares, "emptied": emptied, "texts": count} if shares else {}


def _readable(sample: Sample) -> str:
    text = sample.raw.decode("utf-8", "replace")
    return plain.from_html(text) if sample.path.suffix == ".html" else text


def _likeness(label: Label, own: str) -> float | None:
    """From 0 to 1; None where the label says nothing of the text itself."""
    match, expected = str(label.get("match")), label.get("expected")
    if match.startswith("see ") and (said := re.search(r'must equal "(.*)"', match)):
        return _ratio(own, said[1].replace("\\n", "\n"))
    if expected is None:
        return None
    if match == "contains":
        return float(all(re.search(piece, own) for piece in expected))
    if match == "not_contains":
        return float(not any(piece in own for piece in expected))
    if match == "html_ws_insensitive":
        expected = plain.from_html(expected)
    return _ratio(own, expected)


def _ratio(one: str, other: str) -> float:
    one, other = _squeezed(one), _squeezed(other)
    return 1.0 if one == other else min(0.999, SequenceMatcher(None, one, other, False).ratio())


def _squeezed(text: str) -> str:
    return re.sub(r"[\s>\u200b]+", "", text)


def malformed_figures(folder: Path, words: Words) -> dict[str, float]:
    """Crashes and milliseconds over broken mails, and how many labelled bodies are read right."""
    crashes = count = 0
    seconds = 0.0
    for path in files(folder):
        raw, count = path.read_bytes(), count + 1
        begun = time.process_time()
        try:
            _ = letters.read(raw).full_text
        except Exception as error:
            crashes += 1
            print("crash", path, repr(error))
        seconds += time.process_time() - begun
    if not count:
        return {}
    bodies = inbox_bodies.shares((one.label, one.path, one.raw) for one in samples(folder))
    return {"crashes": crashes, **bodies, "ms": round(seconds / count * 1000, 3), "mails": count}


def message_figures(folder: Path, words: Words) -> dict[str, float]:
    """The share of neutral requests taken for complaints, for each file."""
    found: dict[str, float] = {}
    for path in sorted(folder.glob("*.jsonl")):
        texts = list(_neutral(path))
        alarms = sum(understand(text, words).intent is Intent.COMPLAINT for text in texts)
        found |= _shares(**{f"{path.stem}_alarms": (alarms, len(texts))})
    return found


def _neutral(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8").splitlines():
        told = json.loads(line)
        if told.get("label", "intent") in ("intent", "neutral"):
            yield told["text"]


def speed(raws: list[bytes], words: Words) -> float:
    """Mails read, sorted and understood a second of one core; of three tries the best.

    The collector is spared as in the daemon.
    """
    best = 0.0
    spare_collector()
    for _ in range(3):
        count, begun = 0, time.process_time()
        for raw in raws:
            told = kinds.sort(letters.read(raw), words, None, NOW)
            if told.kind is ReplyKind.HUMAN:
                understand(told.own_text, words)
            count += 1
            if time.process_time() - begun > SECONDS:
                break
        best = max(best, count / (time.process_time() - begun))
    return round(best, 1)


def _shares(**pairs: tuple[int, int]) -> dict[str, float]:
    return {name: round(part / whole, 4) for name, (part, whole) in pairs.items() if whole}


def main() -> int:
    """Measure, print a line for each group and the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    if not given.folder.is_dir():
        parser.error(f"{given.folder} is no folder; give one laid out like the samples")
    counted = Counter(path.parent.parent.name for path in given.folder.rglob("labels.jsonl"))
    print("samples of", ", ".join(f"{name} ({count})" for name, count in sorted(counted.items())))
    print(json.dumps(measure(given.folder, read_words())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
