"""What the preview page shows: every template, for sample readers, made as it would be sent."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Lock
from typing import Any

from crm_mailer.app import rendering, saves
from crm_mailer.app.wiring import App
from crm_mailer.model import campaign as campaigns
from crm_mailer.model.campaign import Campaign, OrderAnchor, Step, Stream
from crm_mailer.model.customer import Customer
from crm_mailer.model.errors import CrmMailerError, NotFound
from crm_mailer.model.order import Order, OrderState
from crm_mailer.model.sentence import Sentence
from crm_mailer.rendering import replies, samples
from crm_mailer.rendering.compose import Composer
from crm_mailer.rendering.faults import TemplateFault
from crm_mailer.rendering.headers import UnsafeHeader
from crm_mailer.rendering.preview import Preview, Stand, preview, take_stand

#: Made-up readers by the name that stands in links.
READERS: dict[str, Callable[[str], Customer]] = {
    "usual": samples.sample_customer,
    "nameless": samples.minimal_customer,
    "patronymic": samples.formal_customer,
    "long": samples.long_customer,
    "no-order-facts": samples.sample_customer,
    "hostile": samples.hostile_customer,
}
#: Those whose order has only what every export has.
BARE = frozenset({"nameless", "no-order-facts", "hostile"})
#: The reader that `--customer` names.
GIVEN = "given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """A mail that a template is for: a campaign's step, or an arm of its test."""

    campaign: str
    step: str
    arm: str = ""

    @property
    def key(self) -> str:
        """How links name it."""
        return "/".join(filter(None, (self.campaign, self.step, self.arm)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A template: its languages and the mails that it is for; none where nothing uses it."""

    name: str
    languages: tuple[str, ...]
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which mail is looked at; what is empty is chosen."""

    template: str
    language: str = ""
    reader: str = ""
    use: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The mail, or why there is none. `fault` is told as `check` tells it, with a caret."""

    wanted: Wanted
    #: The file of the campaign that it is for; empty where there is none.
    campaign: str = ""
    mail: Preview | None = None
    fault: str = ""
    hint: str = ""


class Showroom:
    """A shop's templates as they are on the disk at this moment. Several threads may look.

    Args:
        app: the shop; nobody else may use it meanwhile.
        customer: an address or a number of a real customer to show beside the made-up ones.

    Raises:
        NotFound: there is no such customer.
    """

    def __init__(self, app: App, customer: str = "") -> None:
        self._app = app
        self._lock = Lock()
        self._last: Wanted | None = None
        app.mjml.keep_spare()
        self._given = rendering.find_customer(app, customer) if customer else None

    @property
    def home(self) -> Path:
        """The shop's folder."""
        return self._app.home

    @property
    def shop_name(self) -> str:
        """Whose templates these are."""
        return self._app.shop_or_default.name

    @property
    def readers(self) -> tuple[str, ...]:
        """The readers to choose from, the real one first."""
        return (GIVEN, *READERS) if self._given is not None else tuple(READERS)

    @property
    def given(self) -> str:
        """The real customer's address; empty where there is none."""
        return (self._given.email or "") if self._given is not None else ""

    def exhibits(self) -> list[Exhibit]:
        """Every template, by stage and name; the agents' canned replies last."""
        with self._lock:
            uses = self._uses()
            found = [
                Exhibit(name=name, languages=tuple(files), uses=tuple(uses.get(name, ())))
                for name, files in self._app.templates.names.items()
            ]
        return sorted(found, key=lambda one: (one.name.startswith(replies.FOLDER), one.name))

    def look(self, wanted: Wanted) -> Look:
        """One mail, made on the path that sending uses."""
        with self._lock:
            wanted = self._completed(wanted)
            bare = Look(wanted=wanted, campaign=self._file(wanted.use))
            try:
                return replace(bare, mail=self._mail(wanted))
            except TemplateFault as fault:
                return replace(bare, fault=fault.problem.as_text(), hint=fault.hint)
            except CrmMailerError as error:
                return replace(bare, fault=str(error), hint=error.hint)

    def html(self, wanted: Wanted) -> str:
        """The HTML of the mail alone, which is quicker; empty where there is none."""
        self._last = wanted
        with self._lock:
            wanted = self._completed(wanted)
            try:
                return self._html(wanted)
            except (CrmMailerError, UnsafeHeader):
                return ""

    def take_in(self, saved: Collection[Path]) -> None:
        """Have every look from now on show what stands in these files."""
        with self._lock:
            saves.take_in(self._app, saved)

    def warm(self) -> None:
        """Make the mail that was looked at last, before the page asks for it again."""
        if self._last is not None:
            with suppress(NotFound):  # its template is gone
                self.html(self._last)

    def _completed(self, wanted: Wanted) -> Wanted:
        """The wish with what it leaves open, or names wrongly, chosen."""
        names = self._app.templates.names
        if wanted.template not in names:
            raise NotFound(Sentence("there is no template `{template}`", template=wanted.template))
        spoken = tuple(names[wanted.template])
        uses = [one.key for one in self._uses().get(wanted.template, ())]
        usual = next((one for one in self._app.shop.languages if one in spoken), spoken[0])
        return replace(
            wanted,
            language=wanted.language if wanted.language in spoken else usual,
            reader=wanted.reader if wanted.reader in self.readers else self.readers[0],
            use=wanted.use if wanted.use in uses else next(iter(uses), ""),
        )

    def _mail(self, wanted: Wanted) -> Preview:
        app, now = self._app, self._app.clock.now()
        return preview(self._stand(wanted, now), app.templates, app.shop, app.keys, now)

    def _html(self, wanted: Wanted) -> str:
        app, now = self._app, self._app.clock.now()
        composer = Composer(app.templates, app.shop, app.keys)
        return composer.show(self._stand(wanted, now).occasion, now).html

    def _stand(self, wanted: Wanted, now: datetime) -> Stand:
        app, (campaign, step) = self._app, self._step(wanted)
        reader, order = self._reader(wanted, campaign, now - step.offset)
        return take_stand(
            app.store if wanted.reader == GIVEN else None,
            app.templates,
            campaign,
            step,
            reader,
            order,
            app.shop,
            now,
            wanted_language=wanted.language,
        )

    def _reader(
        self, wanted: Wanted, campaign: Campaign, since: datetime
    ) -> tuple[Customer, Order | None]:
        if wanted.reader == GIVEN:
            assert self._given is not None
            return self._given, None
        reader = READERS[wanted.reader](wanted.language)
        if not isinstance(campaign.anchor, OrderAnchor) or wanted.reader not in BARE:
            return reader, None
        order = samples.sample_order(reader, since, campaign.anchor.state)
        return reader, samples.minimal_order(order)

    def _step(self, wanted: Wanted) -> tuple[Campaign, Step]:
        """The mail's campaign and step; made up for a template that nothing uses."""
        if not wanted.use:
            return trial(wanted.template, replies.trial_vars([wanted.template]))
        name, step_id, *arm = wanted.use.split("/")
        found = self._app.definitions.campaigns[name]
        [step] = [one for one in found.steps if one.id == step_id]
        return found, step.of_arm(arm[0]) if arm else step

    def _file(self, use: str) -> str:
        """The file of the campaign that a mail is of."""
        return self._app.definitions.campaigns[use.split("/")[0]].path if use else ""

    def _uses(self) -> Mapping[str, list[Use]]:
        found: dict[str, list[Use]] = {}
        for one in self._app.definitions.campaigns.values():
            for template, use in _mails(one):
                found.setdefault(template, []).append(use)
        return found


def _mails(one: Campaign) -> Iterator[tuple[str, Use]]:
    for step in one.steps:
        arms = step.trial.arms if step.trial is not None else ()
        for arm in arms:
            yield step.of_arm(arm.id).template, Use(campaign=one.id, step=step.id, arm=arm.id)
        if not arms:
            yield step.template, Use(campaign=one.id, step=step.id)


def trial(template: str, vars: Mapping[str, Any]) -> tuple[Campaign, Step]:
    """A campaign for a template that none uses: transactional, about an order that was shipped."""
    step = Step(id="trial", template=template, offset=timedelta(0))
    made = Campaign(
        id="trial",
        name="trial",
        kind=campaigns.Kind.LIFECYCLE,
        stream=Stream.TRANSACTIONAL,
        mode=campaigns.Mode.DRAFT,
        anchor=OrderAnchor(state=OrderState.SHIPPED),
        steps=(step,),
        vars=dict(vars.get(template, {})),
        version=template,
    )
    return made, step
