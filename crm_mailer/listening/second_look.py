"""Asks the shop's learner about a mail, where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crm_mailer.listening import learner
from crm_mailer.listening.complaints import Understanding
from crm_mailer.listening.learner import Model
from crm_mailer.store import learners

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: Shorter letters say too little to be judged by their sound.
_LEAST_LETTERS = 8
#: Fingerprint of the weights -> model: one process reads the mails of one shop.
_known: dict[str, Model | None] = {}
_MOST_KNOWN = 4


def take(connection: Connection, said: Understanding, text: str) -> Understanding:
    """The rules' word after a second look; as it is while the learner is off."""
    model = _model(connection)
    if model is None or len("".join(text.split())) < _LEAST_LETTERS:
        return said
    return learner.rerank(said, learner.chance(model, text))


def chance_of(said: Understanding) -> float | None:
    """The learner's chance of a complaint, as the evidence tells it; None where it was off."""
    words = [one.words for one in said.evidence if one.code == learner.CODE]
    return float(words[0].removeprefix(learner.CODE)) if words else None


def _model(connection: Connection) -> Model | None:
    stamp = learners.find(connection, learners.COMPLAINTS)
    if stamp is None or stamp.judged < learner.LEAST or not stamp.figures.get("is_on"):
        return None
    digest = str(stamp.figures.get("digest"))
    if digest not in _known:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[digest] = learner.unpack(learners.weights(connection, learners.COMPLAINTS))
    return _known[digest]
