"""How a mail looks in the list of an inbox: subject, preview text, headings and language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from crm_mailer.definitions.problems import Problem, Severity
from crm_mailer.model import language
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering.check_page import Element, Page
from crm_mailer.rendering.markup import Draft

#: About how many places of a subject are shown, in places of which a Chinese letter takes two.
#: Programs fit it to the width of the window and of the letters, so these are round figures.
SUBJECTS = {
    Sentence("Gmail on Android"): 40,
    Sentence("Mail on iPhones"): 45,
    Sentence("Yahoo Mail"): 50,
    Sentence("Outlook for Windows"): 60,
    Sentence("Gmail in a browser"): 70,
}
SHORT_PREVIEW, LONG_PREVIEW = 25, 140
PREVIEW = re.compile(r"<mj-preview\b[^>]*>(.*?)</mj-preview\s*>", re.DOTALL | re.IGNORECASE)
ROOT = re.compile(r"<mjml\b[^>]*>", re.IGNORECASE)
GIVEN = re.compile(r"\b(lang|dir)\s*=\s*[\"']([^\"']*)[\"']", re.IGNORECASE)
#: Letters of Hebrew and Arabic.
FROM_THE_RIGHT = re.compile("[\u0590-\u08ff]")
HEADING = re.compile(r"h([1-6])")


def width(text: str) -> int:
    """How many places a text takes in a list of mails."""
    return sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


def look(page: Page, subject: str) -> Iterator[Problem]:
    """What a reader sees before opening the mail, and how it can be read aloud."""
    yield from _subject(page, subject)
    yield from _preview(page, subject)
    yield from _headings(page)
    yield from _direction(page)


def _subject(page: Page, subject: str) -> Iterator[Problem]:
    places = width(subject)
    cut = [
        Sentence("{program} shows about {most}", program=program, most=most)
        for program, most in SUBJECTS.items()
        if places > most
    ]
    if len(cut) == len(SUBJECTS):
        yield page.problem(
            "CRM250", Sentence("the subject takes {places} places: {first}, {last}",
                                places=places, first=cut[0], last=cut[-1]), "<mj-title>",
            severity=Severity.ADVICE, help="say the heart of it first, in fewer words")  # fmt: skip


def _preview(page: Page, subject: str) -> Iterator[Problem]:
    masked = page.draft.masked
    found = PREVIEW.search(masked.text)
    text = " ".join(found[1].split()) if found else ""
    plain = " ".join(masked.word.sub("name name", text).split())
    places = width(plain)
    if not text:
        what = Sentence("the mail has no preview text")
    elif plain.casefold() == subject.casefold():
        what = Sentence("the preview text says what the subject says")
    elif masked.word.search(text):
        return  # as long as its fields
    elif places < SHORT_PREVIEW:
        what = Sentence(
            "the preview text takes {places} places: what follows in the mail fills it up",
            places=places,
        )
    elif places > LONG_PREVIEW:
        what = Sentence("the preview text takes {places} places: the end is cut off", places=places)
    else:
        return
    yield page.problem("CRM251", what, "<mj-preview>" if found else "<mj-title>",
                       severity=Severity.ADVICE,
                       help="40 to 90 letters that go on from the subject")  # fmt: skip


def _headings(page: Page) -> Iterator[Problem]:
    before = 0
    for element in page.shown():
        match = HEADING.fullmatch(element.tag)
        if match is None:
            continue
        level = int(match[1])
        if level > before + 1 or (level == 1 and before):
            what = (
                Sentence("h{level} after h{before}", level=level, before=before)
                if before
                else Sentence("the first heading is h{level}", level=level)
            )
            yield page.problem("CRM246", what, element.words(), severity=Severity.ADVICE,
                               help="one h1, then h2, and no level left out")  # fmt: skip
            return
        before = level


def language_problems(draft: Draft) -> Iterator[Problem]:
    """A language or a direction in the file that is not that of its name."""
    source = draft.source
    root = ROOT.search(source.text)
    base = language.base(draft.language)
    runs = "rtl" if base in language.RIGHT_TO_LEFT else "ltr"
    for name, value in GIVEN.findall(root[0]) if root else ():
        is_right = value == runs if name.lower() == "dir" else language.base(value) == base
        if root is not None and not is_right:
            position = root.start() + root[0].find(value)
            yield source.problem("CRM238", Sentence('{name}="{value}" in a file of `{language}`',
                                          name=name, value=value, language=draft.language),
                                 position, width=max(1, len(value)), severity=Severity.WARNING,
                                 help="the file's name decides: leave it out")  # fmt: skip


def _direction(page: Page) -> Iterator[Problem]:
    """Arabic and its like begin at the right, but MJML sets texts to the left unless told."""
    if language.base(page.draft.language) not in language.RIGHT_TO_LEFT:
        return
    for element in page.shown():
        text = " ".join(element.texts)
        if FROM_THE_RIGHT.search(text) and _alignment(element) == "left":
            yield page.problem("CRM247", "the text is set to the left", text,
                               severity=Severity.ADVICE, help='write align="right"')  # fmt: skip
            return


def _alignment(element: Element) -> str:
    for one in element.above():
        found = one.style.get("text-align") or one.given.get("align", "")
        if found and one.tag != "table":
            return found.lower()
    return ""
