"""What stands in the drawing of a campaign: its parts in words, with their numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from crm_mailer.app import planning
from crm_mailer.app.campaign_story import Counts, Progress, StepStory, Story
from crm_mailer.i18n import _, joined, n_, say
from crm_mailer.model.segment import AllOf, AnyOf, Not, Rule
from crm_mailer.studio import campaign_words
from crm_mailer.studio.flow import End, Figure, Leaving, Stop
from crm_mailer.studio.formats import number, share, word

#: So many reasons are told on the drawing; the table has all of them.
REASONS = 4


def parts(story: Story) -> tuple[End, list[Stop], End]:
    """How it begins, its steps, how it ends."""
    return _begin(story), [_stop(story, place) for place in range(len(story.steps))], _end(story)


def rule(found: Rule) -> list[tuple[int, str]]:
    """The parts of a rule with their depth, in the reader's words."""
    return [(depth, say(words)) for depth, words in planning.rule_words(found)]


def rule_line(found: Rule) -> str:
    """A rule in one line; empty for everybody."""
    match found:
        case AllOf(inner):
            return joined(_within(part) for part in inner)
        case AnyOf(inner):
            return _(" or ").join(_within(part) for part in inner)
        case Not(inner):
            return _("not {rule}").format(rule=_within(inner))
        case _:
            return rule(found)[0][1]


def _within(part: Rule) -> str:
    """A part of a rule, in brackets where it has parts of its own."""
    line = rule_line(part)
    return f"({line})" if isinstance(part, AllOf | AnyOf) and len(part.parts) > 1 else line


def time_left(progress: Progress) -> str:
    """How long what is due will take, in words; empty where it cannot be told."""
    if progress.seconds_left is None:
        return ""
    if progress.seconds_left < 60:
        return _("less than a minute left")
    minutes = round(progress.seconds_left / 60)
    return _("about {time} left").format(time=campaign_words.duration(timedelta(minutes=minutes)))


def live(story: Story) -> dict[str, str]:
    """Every number of the drawing by its name, as it is written."""
    found = {"started": _started(story)}
    for one in story.steps:
        for figure in _figures(story, one):
            found[figure.live] = figure.value
            found[f"{figure.live}_share"] = figure.share
        found[f"{one.step.id}.not_sent"] = _leaving(one).title
    return found


def _begin(story: Story) -> End:
    campaign = story.head.campaign
    audience = rule_line(campaign.audience)
    lines = [
        _started(story),
        _("only: {rule}").format(rule=audience) if audience else "",
        n_("held out by chance: 1 percent", "held out by chance: {number} percent",
           campaign.hold_out) if campaign.hold_out else "",
    ]  # fmt: skip
    title = _("Begins with {what}").format(what=campaign_words.anchor(campaign.anchor))
    return End(title=title, lines=tuple(line for line in lines if line), live="started")


def _started(story: Story) -> str:
    if story.is_counting:
        return _("being counted")
    return n_("1 event so far", "{number} events so far", story.started)


def _end(story: Story) -> End:
    campaign = story.head.campaign
    ends = joined(campaign_words.other_exits(campaign))
    lines = [
        _("goal: {what}").format(what=campaign_words.goal(campaign)) if campaign.goal else "",
        _("sooner when {what}").format(what=ends) if ends else "",
    ]
    return End(title=_("Ends"), lines=tuple(line for line in lines if line))


def _stop(story: Story, place: int) -> Stop:
    one = story.steps[place]
    campaign, counts = story.head.campaign.id, one.counts
    condition = rule_line(one.step.condition)
    leaving = _leaving(one)
    started = max(story.started, counts.all, 1)
    figures = _figures(story, one)
    told = joined(f"{figure.label} {figure.value} {figure.share}".rstrip() for figure in figures)
    return Stop(
        id=f"step-{one.step.id}",
        href=f"/campaigns/{campaign}/steps/{one.step.id}",
        title=f"{place + 1}. {one.step.id}",
        template=one.step.template,
        wait=campaign_words.wait(one.wait, is_first=place == 0),
        condition=_("if {rule}").format(rule=condition) if condition else "",
        figures=figures,
        arms=tuple(_arm(one, name, arm) for name, arm in one.arms.items()),
        leaving=leaving,
        sent=counts.sent / started,
        waiting=counts.waiting / started,
        label=_("Step {number}, {name}: {figures}; {left}").format(
            number=place + 1, name=one.step.id, figures=told, left=leaving.title
        ),
    )


def _figures(story: Story, one: StepStory) -> tuple[Figure, ...]:
    counts, id_ = one.counts, one.step.id
    found = (
        Figure(label=_("waiting"), value=number(counts.waiting), live=f"{id_}.waiting"),
        Figure(label=_("sent"), value=number(counts.sent), live=f"{id_}.sent"),
        _rated(_("clicked"), counts, counts.echoes["click"], f"{id_}.clicked"),
        _rated(_("replied"), counts, counts.echoes["reply"], f"{id_}.replied"),
        _rated(_("ordered"), counts, counts.orders, f"{id_}.orders"),
    )
    if story.is_counting:
        return tuple(replace(one, value="…") for one in found)
    return found if story.has_money else (*found[:-1], replace(found[-1], value="…"))


def _rated(label: str, counts: Counts, mails: int, name: str) -> Figure:
    part = counts.share(mails)
    return Figure(label=label, value=number(mails), share=share(part) if mails else "", live=name)


def _leaving(one: StepStory) -> Leaving:
    counts = one.counts
    reasons = [(word(reason), number(mails)) for reason, mails in counts.reasons.most_common()]
    if counts.states["refused"]:
        reasons.append((word("refused"), number(counts.states["refused"])))
    shown = reasons[:REASONS] if len(reasons) <= REASONS else reasons[: REASONS - 1]
    rest = sum(counts.reasons.values()) + counts.states["refused"]
    rest -= sum(int(mails.replace(",", "")) for _reason, mails in shown)
    if rest and len(reasons) > REASONS:
        shown.append((_("other reasons"), number(rest)))
    return Leaving(
        title=_("not sent: {number}").format(number=number(counts.not_sent)),
        reasons=tuple(shown),
        live=f"{one.step.id}.not_sent",
    )


def _arm(one: StepStory, name: str, counts: Counts) -> tuple[str, str, str]:
    trial = one.step.trial
    arms: Any = trial.arms if trial is not None else ()
    total = sum(arm.share for arm in arms) or 1
    own = next((arm.share for arm in arms if arm.id == name), 0)
    told = _("{sent} sent, {orders} ordered").format(
        sent=number(counts.sent), orders=number(counts.orders)
    )
    return name, share(own / total, 0), told
