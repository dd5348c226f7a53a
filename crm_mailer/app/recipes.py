"""What a mail was made from, and the mail once more: of marketing the bytes are not kept."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from crm_mailer.app import archiving, outbox, rendering
from crm_mailer.app.clocks import SetClock
from crm_mailer.app.wiring import App
from crm_mailer.model.errors import NotFound, RenderError
from crm_mailer.model.message import Message, NotRendered
from crm_mailer.model.sentence import Sentence, Sentences
from crm_mailer.store import outbox as rows
from crm_mailer.store.outbox import Recipe, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """What a mail was made from, and whether making it again gives the same bytes.

    `differences` says why not; empty means that it looked exactly like `content`.
    """

    recipe: Recipe
    fields: dict[str, object]
    sha256: str = ""
    content: bytes = b""
    differences: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether the hash agrees: these are the very bytes that left."""
        return bool(self.sha256) and self.sha256 == self.recipe.sha256


def recipe(app: App, number: int) -> Remade:
    """What a mail was made from; where that is still there, the mail once more.

    Raises:
        NotFound: there is no such mail, or it was never rendered.
    """
    record = outbox.show(app, number)
    with app.store.read() as connection:
        found = rows.recipe(connection, number)
        kept = rows.content(connection, number)
    if found is None and (places := archiving.places_of(app, record.touch)):
        raise NotFound(
            Sentence(
                "mail {number} is archived in {places}", number=number, places=" ".join(places)
            ),
            hint=Sentence(
                "`crm-mailer db archive --find {number}` shows what it was", number=number
            ),
        )
    if found is None:
        state = record.touch.state.value.replace("_", " ")
        raise NotFound(
            Sentence(
                "mail {number} was never rendered: it is {state}",
                number=number,
                state=Sentence(state),
            ),
            hint="`crm-mailer preview` shows what it would look like",
        )
    fields = _fields_of(found.snapshot)
    if kept is not None:
        return Remade(
            recipe=found, fields=fields, sha256=hashlib.sha256(kept).hexdigest(), content=kept
        )
    why = _changed_files(app, found)
    if why:
        return Remade(recipe=found, fields=fields, differences=why)
    return _again(app, record, found, fields)


def content(app: App, number: int) -> bytes:
    """The exact bytes of a mail: those that were kept, or the mail made again with the same hash.

    Raises:
        NotFound: there is no such mail, or it cannot be made again as it was.
    """
    made = recipe(app, number)
    if not made.is_same:
        raise NotFound(
            Sentence(
                "the bytes of mail {number} were not kept, and it cannot be made again as it was: "
                "{why}",
                number=number,
                why=Sentences(*made.differences, between="; "),
            ),
            hint=Sentence(
                "`crm-mailer outbox show {number} --recipe` tells what it was made from",
                number=number,
            ),
        )
    return made.content


def _changed_files(app: App, found: Recipe) -> tuple[str, ...]:
    """Files that are not what they were: with others the mail cannot be made again."""
    version = _template_version(app, found.template, found.language)
    if version is None:
        return (
            Sentence(
                "the template {name} ({language}) is not there any more",
                name=found.template,
                language=found.language,
            ),
        )
    if version != found.template_version:
        return (
            Sentence(
                "the template {name} ({language}) was changed since",
                name=found.template,
                language=found.language,
            ),
        )
    campaign = app.definitions.campaigns.get(found.campaign)
    if campaign is None:
        return (Sentence("the file of the campaign {name} is gone or wrong", name=found.campaign),)
    return ()


def _again(app: App, record: Record, found: Recipe, fields: dict[str, object]) -> Remade:
    """Render it once more, as of then. Its Date is of whole seconds, the clock may have gone on."""
    made = _rendered(app, record, found.rendered_at)
    for seconds in (-1, 1):
        if isinstance(made, NotRendered) or made.sha256 == found.sha256:
            break
        other = _rendered(app, record, found.rendered_at + timedelta(seconds=seconds))
        if isinstance(other, Message) and other.sha256 == found.sha256:
            made = other
    if isinstance(made, NotRendered):
        because = made.detail or made.reason.value.replace("_", " ")
        return Remade(recipe=found, fields=fields, differences=(because,))
    is_same = made.sha256 == found.sha256
    return Remade(
        recipe=found,
        fields=fields,
        sha256=made.sha256,
        content=made.content,
        differences=() if is_same else _why_different(app, found, fields, made),
    )


def _rendered(app: App, record: Record, at: datetime) -> Message | NotRendered:
    [made] = rendering.renderer(app, SetClock(at)).render_batch([record.touch])
    return made


def _why_different(
    app: App, found: Recipe, fields: dict[str, object], made: Message
) -> tuple[str, ...]:
    changed = _differences(fields, _fields_of(made.snapshot))
    campaign = app.definitions.campaigns[found.campaign]
    if campaign.version != found.campaign_version:
        changed = (
            *changed,
            Sentence("the campaign {name} was changed since it was planned", name=found.campaign),
        )
    if made.language != found.language:
        changed = (
            *changed,
            Sentence(
                "the customer reads {language} now, not {before}",
                language=made.language,
                before=found.language,
            ),
        )
    return changed or (
        Sentence(
            "headers, such as addresses and links in shop.yaml or the DKIM key, were changed since"
        ),
    )


def _template_version(app: App, template: str, language: str) -> str | None:
    """The version of a template as it lies in the folder now; None where it cannot be used."""
    if not template:
        return ""  # an agent's letter has none
    try:
        return app.templates.get(template, language).version
    except RenderError:
        return None


def _fields_of(snapshot: bytes) -> dict[str, object]:
    """The fields that a mail used, by name."""
    if not snapshot:
        return {}
    found = json.loads(zlib.decompress(snapshot))
    return found if isinstance(found, dict) else {}


def _differences(then: dict[str, object], now: dict[str, object]) -> tuple[str, ...]:
    """Fields that are not what they were, as sentences."""
    return tuple(
        Sentence(
            "{name} was {before}, is {after} now",
            name=name,
            before=_told(then.get(name)),
            after=_told(now.get(name)),
        )
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    )


def _told(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
