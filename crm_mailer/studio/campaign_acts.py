"""What can be done about a campaign: pause, resume, release, cancel, and switch its mode.

What lets many mails leave, or ends them, is asked once more: a person types the campaign's id, or
the number of mails where they are many.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from crm_mailer.app import (
    campaign_looks,
    campaign_modes,
    campaign_plans,
    campaign_story,
    outbox,
    pausing,
)
from crm_mailer.app.campaign_story import Head
from crm_mailer.i18n import _, joined, n_
from crm_mailer.model.campaign import Mode
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.sentence import Sentence
from crm_mailer.studio import campaign_one, given
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.formats import word
from crm_mailer.studio.roles import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked before something is done."""

    title: str
    #: What it means, in sentences.
    told: tuple[str, ...]
    button: str
    #: How many mails it is about; None while they are counted.
    mails: int | None
    #: What a person types; empty: nothing.
    word: str = ""
    is_danger: bool = False


def routes(desk: Desk) -> list[Route]:
    """The questions and the acts."""
    return [
        *desk.act("/campaigns/{id}/pause", pause, Role.MARKETER),
        *desk.act("/campaigns/{id}/resume", resume, Role.MARKETER),
        *desk.act("/campaigns/{id}/do/{what}", do, Role.MARKETER),
        *desk.page("/campaigns/{id}/ask/{what}", "campaigns-ask", ask, Role.MARKETER),
    ]


def pause(asked: Asked) -> Done:
    """Stop the campaign's mails."""
    reason = " ".join(asked.form.get("reason", "").split())[:200]
    id_ = asked.path["id"]
    done = pausing.pause(asked.app, campaign=id_, reason=reason)
    campaign_story.look_again(asked.app)
    if not done.is_new:
        return Done(to=_page(id_), said=_("{name} was paused already").format(name=id_))
    held = n_("1 mail waits", "{number} mails wait", done.mails)
    return Done(to=_page(id_), said=_("{name} is paused: {held}").format(name=id_, held=held))


def resume(asked: Asked) -> Done:
    """Let the campaign's mails go on."""
    id_ = asked.path["id"]
    done = pausing.resume(asked.app, campaign=id_)
    campaign_story.look_again(asked.app)
    if not done.is_new:
        return Done(to=_page(id_), said=_("{name} was not paused").format(name=id_))
    mails = n_("1 mail goes on", "{number} mails go on", done.mails)
    return Done(to=_page(id_), said=_("{name} goes on: {mails}").format(name=id_, mails=mails))


# ------------------------------------------------------------------ asked once more


def ask(asked: Asked) -> Mapping[str, Any]:
    """What is about to be done, how many mails it is about, and what to type."""
    top = campaign_story.head(asked.app, asked.path["id"])
    what = asked.path["what"]
    question = _question(what)(asked, top)
    return {
        **campaign_one.head_of(asked, "", top),
        "what": what,
        "title": question.title,
        "told": question.told,
        "button": question.button,
        "mails": question.mails,
        "word": question.word,
        "is_danger": question.is_danger,
        "is_counting": question.mails is None,
    }


def _question(what: str) -> Callable[[Asked, Head], Question]:
    known = {
        "live": _ask_live,
        "manual": _ask_manual,
        "draft": _ask_draft,
        "cancel": _ask_cancel,
        "release": _ask_release,
    }
    if what not in known:
        raise NotFound(Sentence("`{what}` cannot be done to a campaign", what=what))
    return known[what]


def _ask_live(asked: Asked, top: Head) -> Question:
    id_ = top.campaign.id
    mails = campaign_plans.count_new(asked.app, id_).value
    waiting = sum(top.states.get(state, 0) for state in campaign_looks.WAITING)
    told = [
        _("Its mails are planned as events and days come, and leave when they are due."),
        n_("1 mail would be planned now", "{number} mails would be planned now", mails or 0),
    ]
    if waiting:
        told.append(n_("1 mail waits already", "{number} mails wait already", waiting))
    return Question(
        title=_("Set {name} live").format(name=id_),
        told=tuple(told),
        button=_("Set live"),
        mails=mails,
        word=campaign_modes.word_for(id_, mails or 0),
    )


def _ask_manual(asked: Asked, top: Head) -> Question:
    id_ = top.campaign.id
    mails = campaign_plans.count_new(asked.app, id_).value
    return Question(
        title=_("Let {name} go by hand").format(name=id_),
        told=(
            _("Its mails are planned and wait until somebody releases them."),
            n_("1 mail would be planned now", "{number} mails would be planned now", mails or 0),
        ),
        button=_("Set to manual"),
        mails=mails,
    )


def _ask_draft(_asked: Asked, top: Head) -> Question:
    waiting = sum(top.states.get(state, 0) for state in campaign_looks.WAITING)
    return Question(
        title=_("Make {name} a draft").format(name=top.campaign.id),
        told=(
            _("Nothing is planned any more, and nothing leaves."),
            _("What is planned waits for the campaign to be live again, until its time is over."),
        ),
        button=_("Make it a draft"),
        mails=waiting,
    )


def _ask_cancel(_asked: Asked, top: Head) -> Question:
    waiting = sum(top.states.get(state, 0) for state in ("planned", "deferred", "held"))
    return Question(
        title=_("End all mails of {name} that have not left").format(name=top.campaign.id),
        told=(
            n_("1 mail ends for good", "{number} mails end for good", waiting),
            _("What has ended is not planned again for the same event."),
            _("Mails in a sender's hands may still leave."),
        ),
        button=_("End them"),
        mails=waiting,
        word=campaign_modes.word_for(top.campaign.id, waiting),
        is_danger=True,
    )


def _ask_release(_asked: Asked, top: Head) -> Question:
    return Question(
        title=_("Release the held mails of {name}").format(name=top.campaign.id),
        told=(
            n_("1 held mail leaves when it is due", "{number} held mails leave when they are due",
               top.held),
            _("What waits for the word on a benefit goes on waiting."),
        ),
        button=_("Release"),
        mails=top.held,
        word=campaign_modes.word_for(top.campaign.id, top.held)
        if top.held > campaign_modes.ASK_ABOVE
        else "",
    )  # fmt: skip


# ------------------------------------------------------------------ done


def do(asked: Asked) -> Done:
    """Do what was asked, if the person typed what belongs there."""
    top = campaign_story.head(asked.app, asked.path["id"])
    what = asked.path["what"]
    acts = {"cancel": _cancel, "release": _release}
    if what in acts:
        said = acts[what](asked, top)
    elif what in set(Mode):
        said = _switch(asked, top, Mode(what))
    else:
        raise NotFound(Sentence("`{what}` cannot be done to a campaign", what=what))
    campaign_story.look_again(asked.app)
    return Done(to=_page(top.campaign.id), said=said)


def _switch(asked: Asked, top: Head, mode: Mode) -> str:
    id_ = top.campaign.id
    if mode is Mode.LIVE:
        campaign_modes.refuse_other_word(
            asked.app, id_, shown=_shown(asked), typed=asked.form.get("typed", "")
        )
    done = campaign_modes.switch(
        asked.app, id_, mode, digest=asked.form.get("digest", ""), by=asked.visitor.name
    )
    return _("{name} is {mode} now: {path} says so").format(
        name=id_, mode=word(mode), path=done.path
    )


def _cancel(asked: Asked, top: Head) -> str:
    _refuse_other_word(asked, top)
    which = outbox.wanted(asked.app, campaign=top.campaign.id)
    done = outbox.cancel(asked.app, which)
    said = n_("1 mail has ended", "{number} mails have ended", done.ended)
    return joined((said, given.in_hands(done.marked)), "; ") if done.marked else said


def _release(asked: Asked, top: Head) -> str:
    if top.held > campaign_modes.ASK_ABOVE:
        _refuse_other_word(asked, top)
    done = outbox.release(asked.app, top.campaign.id)
    said = n_("1 mail is released", "{number} mails are released", done.mails)
    if done.unallowed:
        waiting = n_("1 goes on waiting for the word on its benefit",
                     "{number} go on waiting for the word on their benefit",
                     done.unallowed)  # fmt: skip
        said = joined((said, waiting), "; ")
    return said


def _refuse_other_word(asked: Asked, top: Head) -> None:
    wanted = campaign_modes.word_for(top.campaign.id, _shown(asked))
    if asked.form.get("typed", "").strip().replace(",", "") != wanted:
        raise NotPossible(
            _("what you typed does not match: nothing was changed"),
            hint=_("type {word}").format(word=wanted),
        )


def _shown(asked: Asked) -> int:
    """How many mails the page told of."""
    shown = given.number(asked.form.get("mails", ""))
    if shown is None:
        raise NotPossible(
            _("the mails were still being counted: nothing was changed"),
            hint=_("look at the page again"),
        )
    return shown


def _page(campaign: str) -> str:
    return f"/campaigns/{campaign}"
