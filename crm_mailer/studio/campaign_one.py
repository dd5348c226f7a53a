"""The pages of one campaign: its flow, a step, what its file says, its versions, its results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.responses import Response
from starlette.routing import Route

from crm_mailer.app import campaign_looks, campaign_story, campaign_texts
from crm_mailer.app.campaign_story import Counts, Head, Progress, StepStory
from crm_mailer.app.remembered import Told
from crm_mailer.i18n import _, joined
from crm_mailer.model.errors import NotFound
from crm_mailer.model.sentence import Sentence
from crm_mailer.model.touch import SKIP_SENTENCES, SkipReason
from crm_mailer.studio import campaign_charts, campaign_drawing, campaign_words, flow, given
from crm_mailer.studio.desk import Asked, Desk, as_json
from crm_mailer.studio.formats import number

if TYPE_CHECKING:
    from crm_mailer.planning import Results

#: Figures of the whole campaign that live.
TOTALS = ("waiting", "sent", "not_sent", "replied", "complained", "orders")


def routes(desk: Desk) -> list[Route]:
    """The pages below /campaigns/{id}."""
    return [
        *desk.page("/campaigns/{id}/definition", "campaigns-definition", definition),
        *desk.page("/campaigns/{id}/versions", "campaigns-versions", versions),
        *desk.page("/campaigns/{id}/results", "campaigns-results", results),
        *desk.page("/campaigns/{id}/steps/{step}", "campaigns-step", step_page),
        *desk.fetch("/campaigns/{id}/live", live),
        *desk.page("/campaigns/{id}", "campaigns-one", one),
    ]


def head_of(asked: Asked, tab: str, head: Head | None = None) -> dict[str, Any]:
    """What stands above every page of a campaign."""
    top = head or campaign_story.head(asked.app, asked.path["id"])
    found = top.campaign
    pause = top.pause
    return {
        "tab": tab,
        "campaign": {
            "id": found.id,
            "name": found.name,
            "kind": found.kind.value,
            "stream": found.stream.value,
            "mode": found.mode.value,
            "standing": top.standing.value,
            "badge": campaign_words.BADGES[top.standing],
            "path": found.path,
            "version": found.version,
            "digest": top.digest,
            "next_on": top.next_on,
            "waiting": sum(top.states.get(state, 0) for state in campaign_looks.WAITING),
            "held": top.held,
            "may_release": top.may_release,
            "pause": {"reason": pause.reason, "by": pause.by, "at": pause.at} if pause else None,
            "findings": [
                {"place": one.place, "message": one.message, "help": one.help,
                 "is_error": one.is_error}
                for one in top.findings
            ],
        },
    }  # fmt: skip


def one(asked: Asked) -> Mapping[str, Any]:
    """The flow with its numbers."""
    story = campaign_story.story(asked.app, asked.path["id"])
    found = story.head.campaign
    progress = story.progress
    drawn = campaign_drawing.parts(story)
    return {
        **head_of(asked, "flow", story.head),
        "steps": [_told_step(one, found.id) for one in story.steps],
        "former": [{"id": name, **told(counts)} for name, counts in story.former.items()],
        "started": story.started,
        "total": told(story.total),
        "progress": None if progress is None else _told_progress(progress),
        "counted_at": story.counted_at,
        "is_counting": story.is_counting,
        "has_money": story.has_money,
        "is_adaptive": found.adaptive is not None,
        "drawing": {"wide": flow.draw(*drawn), "narrow": flow.draw(*drawn, flow.NARROW)},
    }


def _told_progress(progress: Progress) -> dict[str, Any]:
    return {
        "is_sending": progress.is_sending,
        "done": progress.done,
        "all": progress.all,
        "share": progress.share,
        "due": progress.due,
        "rate": progress.rate,
        "seconds_left": progress.seconds_left,
        "next_at": progress.next_at,
        "told": _("{done} of {all} done, {rate} mails a second").format(
            done=number(progress.done), all=number(progress.all), rate=f"{progress.rate:.1f}"
        ),
        "left": campaign_drawing.time_left(progress),
    }


def live(asked: Asked) -> Response:
    """The numbers of the flow as they are now, for the page that is open."""
    story = campaign_story.story(asked.app, asked.path["id"])
    total = told(story.total)
    figures = campaign_drawing.live(story)
    figures |= {f"total.{name}": number(total[name]) for name in TOTALS}
    progress = story.progress
    if progress is not None:
        shown = _told_progress(progress)
        figures |= {"progress.told": shown["told"], "progress.left": shown["left"]}
    return as_json({
        "figures": figures,
        "share": progress.share if progress is not None else None,
        "is_sending": progress is not None and progress.is_sending,
        "standing": story.head.standing,
    })  # fmt: skip


def _told_step(one: StepStory, campaign: str) -> dict[str, Any]:
    return {
        "id": one.step.id,
        "template": one.step.template,
        "after": campaign_words.duration(one.step.offset) if one.step.offset else "",
        "wait": one.wait,
        "condition": campaign_drawing.rule_line(one.step.condition),
        "benefit": one.step.benefit.id if one.step.benefit else "",
        "href": f"/campaigns/{campaign}/steps/{one.step.id}",
        "arms": {name: told(counts) for name, counts in one.arms.items()},
        **told(one.counts),
    }


def told(counts: Counts) -> dict[str, Any]:
    """Counts as plain data."""
    return {
        "all": counts.all,
        "states": dict(counts.states),
        "sent": counts.sent,
        "waiting": counts.waiting,
        "not_sent": counts.not_sent,
        "in_doubt": counts.states["in_doubt"],
        "refused": counts.states["refused"],
        "reasons": [
            {"reason": reason, "sentence": sentence(reason), "mails": mails}
            for reason, mails in counts.reasons.most_common()
        ],
        "replied": counts.echoes["reply"],
        "complained": counts.echoes["complaint"],
        "clicked": counts.echoes["click"],
        "bounced": counts.echoes["bounce"],
        "spam": counts.echoes["spam"],
        "orders": counts.orders,
        "usd_cents": counts.usd_cents,
    }


def sentence(reason: str) -> str:
    """Why a mail was not sent, in words; a reason that we do not know as it is."""
    if reason in set(SkipReason):
        return _(SKIP_SENTENCES[SkipReason(reason)])
    return reason


def step_page(asked: Asked) -> Mapping[str, Any]:
    """One step: its mail, what became of it, who was left out and why."""
    story = campaign_story.story(asked.app, asked.path["id"])
    names = [one.step.id for one in story.steps]
    if asked.path["step"] not in names:
        raise NotFound(
            Sentence("the campaign has no step `{step}`", step=asked.path["step"]),
            hint=_("there are: {names}").format(names=joined(names)),
        )
    place = names.index(asked.path["step"])
    found = story.steps[place]
    templates = {arm.template or found.step.template: None for arm in _arms(found)}
    own = asked.app.shop_or_default.languages
    languages = sorted(
        asked.app.templates.languages(found.step.template),
        key=lambda code: (own.index(code) if code in own else len(own), code),
    )
    asks = asked.query.get("language", "")
    language = asks if asks in languages else languages[0] if languages else ""
    shown = {
        "template": found.step.template,
        "use": f"{story.head.campaign.id}/{found.step.id}",
        "language": language,
    }
    return {
        **head_of(asked, "flow", story.head),
        "step": _told_step(found, story.head.campaign.id),
        "place": place + 1,
        "places": len(names),
        "before": names[place - 1] if place else "",
        "after": names[place + 1] if place + 1 < len(names) else "",
        "templates": list(templates) or [found.step.template],
        "subjects": found.step.subject,
        "arms": [
            {"id": arm.id, "share": arm.share, "template": arm.template or found.step.template,
             "subject": arm.subject, **told(found.arms[arm.id])}
            for arm in _arms(found)
        ],
        "languages": languages,
        "language": language,
        "mail_src": f"/templates/mail.html?{urlencode(shown)}",
        "is_counting": story.is_counting,
        "counted_at": story.counted_at,
    }  # fmt: skip


def _arms(found: StepStory) -> tuple[Any, ...]:
    return found.step.trial.arms if found.step.trial is not None else ()


# ------------------------------------------------------------------ what the file says


def definition(asked: Asked) -> Mapping[str, Any]:
    """The campaign in words, and its file with line numbers."""
    top = campaign_story.head(asked.app, asked.path["id"])
    found, shop = top.campaign, asked.app.shop_or_default
    text = campaign_texts.text_of(asked.app, found)
    by_line: dict[int, list[Any]] = {}
    for finding in top.findings:
        place = finding.place.removeprefix(found.path).split(":")
        line = int(place[1]) if len(place) > 1 and place[1].isdigit() else 0
        by_line.setdefault(line, []).append({"message": finding.message, "help": finding.help})
    return {
        **head_of(asked, "definition", top),
        "begins": campaign_words.anchor(found.anchor),
        "audience": campaign_drawing.rule(found.audience),
        "steps": [
            {
                "id": step.id,
                "after": campaign_words.duration(step.offset) if step.offset else _("at once"),
                "template": step.template,
                "condition": campaign_drawing.rule_line(step.condition),
                "arms": [arm.id for arm in step.trial.arms] if step.trial else [],
                "benefit": step.benefit.id if step.benefit else "",
            }
            for step in found.steps
        ],
        "curve": found.curve,
        "goal": campaign_words.goal(found),
        "exits": campaign_words.other_exits(found),
        "send_time": campaign_words.send_time(found, shop),
        "window": campaign_words.window(found),
        "valid_for": campaign_words.duration(found.valid_for),
        "hold": campaign_words.duration(found.hold) if found.hold else "",
        "catch_up": campaign_words.catch_up(found),
        "reentry": campaign_words.reentry(found),
        "hold_out": found.hold_out,
        "warm_first": campaign_words.duration(found.warm_first) if found.warm_first else "",
        "priority": found.priority,
        "is_parallel": found.is_parallel,
        "quiet": campaign_words.quiet(shop),
        "cap": campaign_words.cap(shop),
        "lines": text.splitlines() if text is not None else [],
        "faults": by_line,
    }


def versions(asked: Asked) -> Mapping[str, Any]:
    """What the file said before, and what was changed between two of its texts."""
    top = campaign_story.head(asked.app, asked.path["id"])
    mails = campaign_story.mails_by_version(asked.app, top.campaign.id)
    listed = campaign_texts.versions(asked.app, top.campaign.id, mails.value)
    kept = [one.number for one in listed if one.number >= 0]
    newer = _number(asked.query.get("newer"), kept, 0)
    after = kept.index(newer) + 1 if newer is not None else 0
    older = _number(asked.query.get("older"), kept, after)
    shown = older is not None and newer is not None and older != newer
    lines = (
        campaign_texts.difference(
            campaign_texts.text(asked.app, top.campaign.id, older or 0),
            campaign_texts.text(asked.app, top.campaign.id, newer or 0),
        )
        if shown
        else []
    )
    return {
        **head_of(asked, "versions", top),
        "versions": [
            {"number": one.number, "version": one.version, "mode": one.mode, "at": one.at,
             "by": one.by, "mails": one.mails, "is_now": one.is_now}
            for one in listed
        ],
        "older": older,
        "newer": newer,
        "is_compared": shown,
        "lines": [
            {"kind": one.kind, "older": one.older, "newer": one.newer, "parts": one.parts}
            for one in lines
        ],
    }  # fmt: skip


def _number(asked: str | None, kept: list[int], usual: int) -> int | None:
    """The text that is asked for, else the usual one, where there is one."""
    wanted = given.number(asked or "")
    if wanted is not None and wanted in kept:
        return wanted
    return kept[usual] if usual < len(kept) else None


# ------------------------------------------------------------------ results


def results(asked: Asked) -> Mapping[str, Any]:
    """What followed the mails: arms with their intervals, the hold-out, kinds of mails."""
    top = campaign_story.head(asked.app, asked.path["id"])
    found = campaign_story.results_of(asked.app, top.campaign.id)
    mix = campaign_story.mix(asked.app, top.campaign.id)
    kinds = mix.value
    return {
        **head_of(asked, "results", top),
        "results": _told_results(found),
        "hold_out": top.campaign.hold_out,
        "languages": campaign_charts.shares(kinds.languages) if kinds else [],
        "providers": campaign_charts.shares(
            {name: sum(states.values()) for name, states in kinds.providers.items()}
        )
        if kinds
        else [],
        "provider_states": {name: dict(states) for name, states in kinds.providers.items()}
        if kinds
        else {},
        "hours": [kinds.hours.get(hour, 0) for hour in range(24)] if kinds else [],
        "counted_at": found.at,
        "is_counting": found.value is None or mix.value is None,
    }


def _told_results(found: Told[Results]) -> dict[str, Any] | None:
    told = found.value
    if told is None:
        return None
    rates = [one.rate for one in told.arms if one.customers]
    scale = campaign_charts.scale(rates)
    lift = told.uplift
    return {
        "by": told.by.value,
        "days": told.days,
        "scale": scale,
        "arms": [
            {
                "step": one.step,
                "arm": one.arm,
                "customers": one.customers,
                "bought": one.bought,
                "replied": one.replied,
                "rate": one.rate if one.customers else None,
                "whisker": scale.whisker(one.rate) if one.customers else None,
                "lead": one.lead if one.customers else None,
                "orders": one.orders,
                "usd_cents": one.usd_cents,
                "has_won": one.has_won,
            }
            for one in told.arms
        ],
        "benefits": {name: list(both) for name, both in told.benefits.items()},
        "uplift": None
        if lift is None
        else {
            "mailed": lift.mailed,
            "held": lift.held,
            "mailed_bought": lift.mailed_bought,
            "held_bought": lift.held_bought,
            "rate": lift.rate,
            "usd": lift.usd,
            "scale": (bar := campaign_charts.scale([lift.rate])),
            "whisker": bar.whisker(lift.rate),
            "verdict": "more" if lift.rate.low > 0 else "fewer" if lift.rate.high < 0 else "",
        },
    }
