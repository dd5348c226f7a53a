"""The pages that show what would be planned for a campaign, and what an edit would change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from starlette.routing import Route

from crm_mailer.app import (
    campaign_modes,
    campaign_plans,
    campaign_story,
    campaign_texts,
    standstill,
)
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.model.campaign import Mode
from crm_mailer.model.errors import NotPossible
from crm_mailer.model.touch import SkipReason
from crm_mailer.studio import campaign_charts, campaign_one
from crm_mailer.studio.desk import Asked, Desk, Done
from crm_mailer.studio.roles import Role

if TYPE_CHECKING:
    from crm_mailer.app.plan_diffs import Difference
    from crm_mailer.planning import CampaignPlan, PlannedRow


def routes(desk: Desk) -> list[Route]:
    """The pages and their acts."""
    return [
        *desk.act("/campaigns/{id}/plan/keep", keep, Role.MARKETER),
        *desk.act("/campaigns/{id}/plan/apply", apply, Role.MARKETER),
        *desk.act("/campaigns/{id}/plan/forget", forget, Role.MARKETER),
        *desk.page("/campaigns/{id}/plan", "campaigns-plan", plan),
        *desk.act("/campaigns/{id}/try/look", put_trial, Role.MARKETER),
        *desk.act("/campaigns/{id}/try/forget", forget_trial, Role.MARKETER),
        *desk.page("/campaigns/{id}/try", "campaigns-try", trial, Role.MARKETER),
    ]


def plan(asked: Asked) -> Mapping[str, Any]:
    """Who would get what and when, who not and why; and the plan that was kept."""
    top = campaign_story.head(asked.app, asked.path["id"])
    id_ = top.campaign.id
    told = campaign_plans.outlook(asked.app, id_)
    kept = campaign_plans.saved(asked.app, id_)
    found = told.value.campaigns[0] if told.value is not None and told.value.campaigns else None
    mails = sum(one.planned for one in kept.campaigns) if kept else 0
    return {
        **campaign_one.head_of(asked, "plan", top),
        "plan": None if found is None else _told(found),
        "standstill": "" if found is None or found.occasions else say(
            standstill.whole_reason(asked.app, top.campaign)),
        "is_draft": top.campaign.mode is Mode.DRAFT,
        "loads": []
        if told.value is None
        else [
            {"hour": one.hour, "provider": one.provider, "mails": one.mails, "room": one.room,
             "is_too_much": one.is_too_much}
            for one in told.value.loads
        ],
        "kept": None
        if kept is None
        else {
            "at": kept.at,
            "mails": mails,
            "left_out": sum(one.left_out for one in kept.campaigns),
            "samples": [sample for one in kept.campaigns for sample in one.samples],
            "version": kept.campaigns[0].version if kept.campaigns else "",
            "word": campaign_modes.word_for(id_, mails),
        },
        "counted_at": told.at,
        "is_counting": told.value is None,
    }  # fmt: skip


def _told(found: CampaignPlan) -> dict[str, Any]:
    return {
        "occasions": found.occasions,
        "people": found.people,
        "planned": found.planned,
        "left_out": sum(found.left_out.values()),
        "reasons": _counted(found.left_out),
        "waiting": _counted(
            {one: mails for one, mails in found.waiting.items() if one is not SkipReason.CONDITION}
        ),
        # which is asked again when the mail leaves, and then ends it
        "unmet": found.waiting.get(SkipReason.CONDITION, 0),
        "gave_way": [
            {"campaign": one.campaign, "moved": one.moved, "ended": one.ended}
            for one in found.gave_way
        ],
        "arms": dict(found.arms),
        "languages": campaign_charts.shares(found.languages),
        "fallbacks": dict(found.fallbacks),
        "unreadable": dict(found.unreadable),
        "providers": campaign_charts.shares(found.providers),
        "first": _row(found.first) if found.first else None,
        "last": _row(found.last) if found.last else None,
        "rows": [_row(one) for one in found.rows],
        "left_out_rows": [_row(one) for one in found.left_out_rows],
    }


def _counted(reasons: Mapping[SkipReason, int]) -> list[dict[str, Any]]:
    return [
        {"reason": reason.value, "sentence": campaign_one.sentence(reason), "mails": mails}
        for reason, mails in sorted(reasons.items(), key=lambda one: -one[1])
    ]


def _row(one: PlannedRow) -> dict[str, Any]:
    return {
        "customer_id": one.customer_id,
        "email": one.email,
        "step": one.step,
        "due_at": one.due_at,
        "local": f"{one.local:%Y-%m-%d %H:%M}",
        "zone": one.zone,
        "language": one.language,
        "waits": campaign_one.sentence(one.waits) if one.waits else "",
        "reason": campaign_one.sentence(one.reason) if one.reason else "",
    }


def keep(asked: Asked) -> Done:
    """Keep what would be planned now."""
    mails = campaign_plans.save(asked.app, asked.path["id"])
    return Done(
        to=_page(asked, "plan"),
        said=n_("The plan is kept: 1 mail", "The plan is kept: {number} mails", mails),
    )


def apply(asked: Asked) -> Done:
    """Do what the kept plan says, if the person typed what belongs there."""
    id_ = asked.path["id"]
    kept = campaign_plans.saved(asked.app, id_)
    mails = sum(one.planned for one in kept.campaigns) if kept else 0
    wanted = campaign_modes.word_for(id_, mails)
    if asked.form.get("typed", "").strip().replace(",", "") != wanted:
        raise NotPossible(
            _("what you typed does not match: nothing was planned"),
            hint=_("type {word}").format(word=wanted),
        )
    planned = campaign_plans.apply(asked.app, id_)
    campaign_story.look_again(asked.app)
    said = n_("1 mail is planned", "{number} mails are planned", planned)
    if planned < mails:
        later = _("those of days further ahead are planned when their day is near")
        said = joined((said, later), "; ")
    return Done(to=f"/campaigns/{id_}", said=said)


def forget(asked: Asked) -> Done:
    """Throw the kept plan away."""
    campaign_plans.forget(asked.app, asked.path["id"])
    return Done(to=_page(asked, "plan"), said=_("The kept plan is gone"))


# ------------------------------------------------------------------ trying an edit


def trial(asked: Asked) -> Mapping[str, Any]:
    """An edited text, what differs in it, and which mails would change."""
    top = campaign_story.head(asked.app, asked.path["id"])
    own = campaign_texts.text_of(asked.app, top.campaign) or ""
    found = campaign_plans.trial(asked.app, top.campaign.id)
    return {
        **campaign_one.head_of(asked, "plan", top),
        "text": found.text if found else own,
        "is_tried": found is not None,
        "lines": [
            {"kind": one.kind, "older": one.older, "newer": one.newer, "parts": one.parts}
            for one in (found.lines if found else ())
        ],
        "problems": [
            {"place": f"{one.line}:{one.column}" if one.line else "", "message": one.message,
             "help": one.help, "source": one.source, "code": one.code}
            for one in (found.problems if found else ())
        ],
        "difference": _difference(found.difference) if found and found.difference else None,
        "is_counting": bool(found and found.is_counting),
    }  # fmt: skip


def _difference(found: Difference) -> dict[str, Any]:
    """What changes; why a mail ends, or is left out, as a sentence."""
    examples = [
        {**asdict(one), "before": campaign_one.sentence(one.before),
         "after": campaign_one.sentence(one.after)}
        for one in found.examples
    ]  # fmt: skip
    return {**asdict(found), "examples": examples}


def put_trial(asked: Asked) -> Done:
    """Look what an edited text would change; the file stays as it is."""
    campaign_plans.put_trial(asked.app, asked.path["id"], asked.form.get("text", ""))
    return Done(to=_page(asked, "try"))


def forget_trial(asked: Asked) -> Done:
    """Throw the edited text away."""
    campaign_plans.forget_trial(asked.app, asked.path["id"])
    return Done(to=_page(asked, "try"), said=_("The text is as the file says again"))


def _page(asked: Asked, tab: str) -> str:
    return f"/campaigns/{asked.path['id']}/{tab}"
