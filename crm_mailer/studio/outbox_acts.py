"""What is done to mails from the studio: release, end, try again, settle doubts, stop and go on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from starlette.routing import Route

from crm_mailer.app import App, campaign_modes, doubts, outbox, pausing
from crm_mailer.i18n import _, joined, n_
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.touch import TouchState
from crm_mailer.store.outbox import Record
from crm_mailer.studio import given, scopes
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.given import who, words
from crm_mailer.studio.roles import Role

#: What has not left and is in no sender's hands.
UNSENT = (TouchState.PLANNED, TouchState.HELD, TouchState.DEFERRED)


def routes(desk: Desk) -> list[Route]:
    """The forms, and the page of what is stopped."""
    return [
        *desk.page("/outbox/stops", "outbox-stops", stops),
        *desk.act("/outbox/stop", stop, Role.MARKETER),
        *desk.act("/outbox/go-on", go_on, Role.MARKETER),
        *desk.act("/outbox/release", release, Role.MARKETER),
        *desk.act("/outbox/cancel", cancel_campaign, Role.MARKETER),
        *desk.act("/outbox/retry", retry, Role.MARKETER),
        *desk.act("/outbox/{number}/cancel", cancel, Role.MARKETER),
        *desk.act("/outbox/{number}/settle", settle, Role.MARKETER),
    ]


def may(record: Record) -> dict[str, bool]:
    """What can be done to a mail as it stands."""
    state = record.touch.state
    return {
        "cancel": state in UNSENT,
        "release": state is TouchState.HELD,
        "settle": state is TouchState.IN_DOUBT,
    }


# ------------------------------------------------------------------ what is stopped


def stops(asked: Asked) -> Mapping[str, Any]:
    """What is stopped, and what may be."""
    return {
        "stops": [
            {"scope": one.scope, "name": scopes.name_of(one.scope), "reason": one.reason,
             "by": one.by, "at": one.at} for one in pausing.list_pauses(asked.app)
        ],
        "alerts": pausing.list_alerts(asked.app),
        "lanes": pausing.lane_names(),
        "accounts": pausing.account_names(asked.app),
        "campaigns": sorted(asked.app.definitions.campaigns),
    }  # fmt: skip


def stop(asked: Asked) -> Done:
    """Stop everything, a campaign, a lane or an account; running senders obey within a second."""
    scope = asked.form.get("scope", "")
    reason = words(asked, "reason", longest=300)
    changed = pausing.pause(asked.app, **_named(scope), reason=reason)
    name = scopes.name_of(changed.scope)
    if not changed.is_new:
        return Done(to="/outbox/stops", said=_("{what} was stopped already").format(what=name))
    said = _("{what} is stopped").format(what=name)
    if changed.mails:
        held = n_("1 mail is held", "{number} mails are held", changed.mails)
        said = joined((said, held), "; ")
    return Done(to="/outbox/stops", said=said)


def go_on(asked: Asked) -> Done:
    """Let it go on."""
    changed = pausing.resume(asked.app, **_named(asked.form.get("scope", "")))
    name = scopes.name_of(changed.scope)
    if not changed.is_new:
        return Done(to="/outbox/stops", said=_("{what} was not stopped").format(what=name))
    return Done(to="/outbox/stops", said=_("{what} goes on").format(what=name))


def _named(scope: str) -> dict[str, str]:
    """A scope as the verbs name it; nothing where everything is meant.

    Raises:
        NotPossible: it is no scope.
    """
    kind, _colon, name = scope.partition(":")
    if scope == "all":
        return {}
    if kind in ("campaign", "lane", "account") and name:
        return {kind: name}
    raise NotPossible(_("say what is meant: everything, a campaign, a lane or an account"))


# ------------------------------------------------------------------ mails


def word_to_release(app: App, campaign: str) -> str:
    """What a person types before the held mails of a campaign go; empty where they are few."""
    held = outbox.count_held(app, campaign)
    is_many = held > campaign_modes.ASK_ABOVE
    return campaign_modes.word_for(campaign, held) if is_many else ""


def release(asked: Asked) -> Done:
    """Let the held mails of a campaign go when they are due; of many the number is typed."""
    campaign = asked.form.get("campaign", "")
    wanted = word_to_release(asked.app, campaign)
    if wanted and asked.form.get("typed", "").strip().replace(",", "") != wanted:
        raise NotPossible(
            _("what you typed does not match: nothing was changed"),
            hint=_("type {word}").format(word=wanted),
        )
    done = outbox.release(asked.app, campaign)
    said = n_("1 mail may leave", "{number} mails may leave", done.mails)
    if done.unallowed:
        waits = n_("1 waits until its benefit is allowed",
                   "{number} wait until their benefit is allowed", done.unallowed)  # fmt: skip
        said = joined((said, waits), "; ")
    return Done(to=f"/outbox?{urlencode({'campaign': campaign})}", said=said)


def cancel_campaign(asked: Asked) -> Done:
    """End what has not left of a campaign; its name is typed, so that it is no slip."""
    campaign = asked.form.get("campaign", "")
    if asked.form.get("typed", "").strip() != campaign:
        raise NotPossible(_("nothing was ended: type the campaign's name to end its mails"))
    done = outbox.cancel(asked.app, outbox.wanted(asked.app, campaign=campaign))
    said = n_("1 mail ended", "{number} mails ended", done.ended)
    if done.marked:
        said = joined((said, given.in_hands(done.marked)), "; ")
    return Done(to=f"/outbox?{urlencode({'campaign': campaign})}", said=said)


def retry(asked: Asked) -> Done:
    """Make deferred mails, and those whose template was mended, due at once."""
    campaign = asked.form.get("campaign") or None
    is_refused_too = asked.form.get("refused") == "1"
    number = outbox.retry(asked.app, campaign=campaign, is_refused_too=is_refused_too)
    said = n_("1 mail is due now", "{number} mails are due now", number)
    return Done(to="/outbox?state=deferred", said=said)


def cancel(asked: Asked) -> Done:
    """End one mail that has not left."""
    number = asked.number()
    outbox.show(asked.app, number)
    done = outbox.cancel(asked.app, outbox.wanted(asked.app, number=number))
    if done.is_nothing:
        raise NotPossible(_("mail {number} cannot be ended any more").format(number=number))
    if done.marked:
        return Done(to=f"/outbox/{number}", said=_(
            "mail {number} is in a sender's hands and ends there, unless it leaves this second"
        ).format(number=number))  # fmt: skip
    return Done(
        to=f"/outbox/{number}", said=_("mail {number} will not leave").format(number=number)
    )


def settle(asked: Asked) -> Done:
    """Settle a mail in doubt, because somebody knows; what was not sent leaves once more."""
    number, verdict = asked.number(), asked.form.get("verdict", "")
    if verdict not in ("sent", "not-sent"):
        raise NotPossible(_("say whether it was sent"))
    is_sent = verdict == "sent"
    doubts.resolve(asked.app, number, is_sent=is_sent, by=who(asked))
    if is_sent:
        said = _("mail {number} counts as sent").format(number=number)
    else:
        said = _("mail {number} leaves once more").format(number=number)
    return Done(to=f"/outbox/{number}", said=said)
