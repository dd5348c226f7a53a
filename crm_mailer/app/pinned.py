"""The words of a campaign as they were when a mail was planned: edits are for later mails."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from crm_mailer.app.wiring import App
from crm_mailer.definitions.campaign_words import Words, read_words
from crm_mailer.model.campaign import Campaign
from crm_mailer.store import campaign_texts


@dataclass(slots=True)
class Pinned:
    """Finds a campaign by its version: subjects and `vars` as they were, all else as it is now.

    What a mail gives stays that of the file as it is now: codes, limits and approvals are looked
    at when a mail leaves. Templates are pinned by each mail itself.
    """

    app: App
    _found: dict[tuple[str, str], Campaign] = field(default_factory=dict)

    def __call__(self, live: Campaign, version: str) -> Campaign:
        """The campaign in this version; `live` where its text was not kept."""
        key = live.id, version
        found = self._found.get(key)
        if found is None:
            words = self._words(live.id, version)
            found = self._found[key] = live if words is None else with_words(live, words, version)
        return found

    def _words(self, campaign: str, version: str) -> Words | None:
        with self.app.store.read() as connection:
            text = campaign_texts.find_version(connection, campaign, version)
        return None if text is None else read_words(text)


def with_words(live: Campaign, words: Words, version: str) -> Campaign:
    """The campaign with the words of another version of it, and a version of its own."""
    steps = tuple(replace(one, benefit=live.benefit_of(one.id)) for one in words.steps)
    return replace(live, vars=words.vars, steps=steps, version=f"{version}+{live.version}")
