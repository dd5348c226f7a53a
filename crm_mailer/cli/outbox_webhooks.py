"""`crm-mailer outbox webhooks`: what other programs told us and are told, and once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from crm_mailer.cli import pass_app, show
from crm_mailer.cli.options import Command, Number, as_json_option
from crm_mailer.i18n import _, n_, say

if TYPE_CHECKING:
    from crm_mailer.app import App
    from crm_mailer.app.hooks import Overview
    from crm_mailer.app.telling import EndpointLine
    from crm_mailer.store.tellings import Message

_numbers = Number()


@click.command(cls=Command)
@click.option(
    "--replay",
    multiple=True,
    type=_numbers,
    metavar="NUMBER",
    help=_("Tell this message once more; may be given more than once."),
)
@click.option(
    "--read",
    "again",
    multiple=True,
    type=_numbers,
    metavar="NUMBER",
    help=_("Read this request once more; may be given more than once."),
)
@click.option("--enable", metavar="NAME", help=_("Try this receiver again at once."))
@as_json_option
@pass_app
def webhooks(
    app: App, replay: tuple[int, ...], again: tuple[int, ...], enable: str | None, as_json: bool
) -> None:
    """List what other programs sent by webhooks, and what they are told; do it again.

    What is told once more is told by `crm-mailer run`.
    """
    from crm_mailer.app import hooks, telling

    if replay:
        telling.replay(app, replay)
        show.good(
            n_("1 message will be told again", "{number} messages will be told again", len(replay))
        )
    if enable is not None:
        telling.enable(app, enable)
        show.good(_("{name} is tried again at once").format(name=enable))
    for number in again:
        _read_again(app, number)
    if replay or again or enable is not None:
        return
    came, lines, unheard = hooks.overview(app), telling.endpoints(app), telling.list_unheard(app)
    if as_json:
        show.json_({"in": came, "out": lines, "unheard": unheard})
        return
    _in(app, came)
    _out(app, lines, unheard)


def _read_again(app: App, number: int) -> None:
    from crm_mailer.app import hooks

    report = hooks.read_again(app, number)
    why = dict(report.troubles).get(number)
    if why is None:
        show.good(_("request {number} was read").format(number=number))
    else:
        show.warn(_("request {number} cannot be read: {why}").format(number=number, why=say(why)))


def _in(app: App, came: Overview) -> None:
    show.heading(_("Told to us"))
    show.table(
        [_("source"), _("read"), _("waiting"), _("set aside"), _("last")],
        [(one.source, one.done, one.new, one.failed, show.local(one.last_at, app.zone))
         for one in came.sources],
        right=(1, 2, 3),
        empty=_("nothing came yet; docs/webhooks.md says how to set up a sender"),
    )  # fmt: skip
    if came.failed:
        show.table(
            [_("request"), _("source"), _("topic"), _("came"), _("why it was set aside")],
            [(one.id, one.source, one.topic, show.local(one.received_at, app.zone),
              say(one.error))
             for one in came.failed],
            right=(0,),
            title=_("Set aside: --read NUMBER tries again"),
        )  # fmt: skip
    if came.refusals:
        show.table(
            [_("source"), _("times"), _("last"), _("why it was turned away")],
            [(one.source, one.times, show.local(one.last_at, app.zone), say(one.reason))
             for one in came.refusals],
            right=(1,),
            title=_("Turned away"),
        )  # fmt: skip


def _out(app: App, lines: list[EndpointLine], unheard: list[Message]) -> None:
    show.heading(_("Told by us"))
    show.table(
        [_("receiver"), _("web address"), _("told"), _("waiting"), _("given up"), _("rests until"),
         _("gone")],
        [(one.name, one.url, one.told, one.waiting, one.given_up,
          show.local(one.rests_until, app.zone), say(one.why))
         for one in lines],
        right=(2, 3, 4),
        empty=_("nobody is told; docs/webhooks.md says how to set up a receiver"),
    )  # fmt: skip
    states = {"waiting": _("waiting"), "given_up": _("given up")}
    if unheard:
        show.table(
            [_("message"), _("receiver"), _("event"), _("state"), _("tries"), _("next try"),
             _("why")],
            [(one.id, one.endpoint, one.event, states.get(one.state, one.state), one.attempts,
              show.local(one.next_at, app.zone), say(one.error))
             for one in unheard],
            right=(0, 4),
            title=_("Not heard: --replay NUMBER tells again"),
        )  # fmt: skip
