"""Switches a campaign's mode in its file: from draft to live and back."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Lock

from crm_mailer.app import campaign_texts, names, planning
from crm_mailer.app.wiring import App
from crm_mailer.definitions.campaign_edit import with_mode
from crm_mailer.model.campaign import Mode
from crm_mailer.model.errors import CannotWrite, NotPossible
from crm_mailer.model.sentence import Sentence

#: Before more mails than this are planned by a word, a person types their number.
ASK_ABOVE = 500

_writing = Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """What a switch did."""

    campaign: str
    before: Mode
    after: Mode
    path: str


def word_for(campaign: str, mails: int) -> str:
    """What a person types before so many mails may be planned: their number, or the id of the
    campaign where they are few.
    """
    return str(mails) if mails > ASK_ABOVE else campaign


def switch(app: App, campaign: str, mode: Mode, *, digest: str, by: str = "") -> Switched:
    """Write another mode into the campaign's file; nothing else of it changes.

    Args:
        app: the shop.
        campaign: its id.
        mode: the new one.
        digest: of the text that the person has seen.
        by: who does it.

    Raises:
        NotFound: there is no such campaign.
        NotPossible: the file was changed since it was seen, or only a person should change it.
        DefinitionError: the file is no YAML.
        CannotWrite: the file cannot be written.
    """
    found = names.campaign(app, campaign)
    path = (app.home / found.path).resolve()
    with _writing:
        text = _read(path)
        if campaign_texts.digest(text.removeprefix("\ufeff")) != digest:
            raise NotPossible(
                "the campaign's file was changed since you looked at it: nothing was written",
                hint="look at the page again",
            )
        changed = with_mode(text, mode)
        campaign_texts.keep(app, only=campaign)
        replace_file(path, changed)
        app.reload()
    campaign_texts.keep(app, only=campaign, by=by)
    return Switched(campaign=campaign, before=found.mode, after=mode, path=found.path)


def refuse_other_word(app: App, campaign: str, *, shown: int, typed: str) -> None:
    """See that a person who lets mails leave knows how many they are.

    Args:
        app: the shop.
        campaign: its id.
        shown: how many the page told of.
        typed: what the person typed.

    Raises:
        NotPossible: that is another word, or the number is another one by now.
    """
    if typed.strip().replace(",", "") != word_for(campaign, shown):
        raise NotPossible(
            "what you typed does not match: nothing was changed",
            hint=Sentence("type {word}", word=word_for(campaign, shown)),
        )
    now = planning.count_new(app, (campaign,)) if shown > ASK_ABOVE else shown
    if now != shown:
        raise NotPossible(
            Sentence(
                "it is {now:,} mails by now, not {shown:,}: nothing was changed",
                now=now,
                shown=shown,
            ),
            hint="look at the page again",
        )


def replace_file(path: Path, text: str) -> None:
    """Put `text` in the place of the file's, all of it or nothing.

    Raises:
        CannotWrite: the folder or the file cannot be written.
    """
    made = ""
    try:
        with NamedTemporaryFile(
            "wb", dir=path.parent, prefix=f".{path.name}.", suffix=".tmp", delete=False
        ) as file:
            made = file.name
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        Path(made).chmod(path.stat().st_mode & 0o777)
        Path(made).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(made).unlink()
        raise CannotWrite(
            Sentence("cannot write {path}: {why}", path=path, why=error.strerror or error),
            hint="look at the folder's rights",
        ) from error


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotPossible(
            Sentence("{name} cannot be read: nothing was changed", name=path.name),
            hint="`crm-mailer check` shows what is wrong",
        ) from error
