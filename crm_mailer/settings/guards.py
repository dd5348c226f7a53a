"""The table `[guards]`: when sending is stopped by itself."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings.values import Settings

#: From the mildest to the gravest: the share from which each acts.
_SPAM = ("spam_warn", "spam_half", "spam_stop")


def check(settings: Settings, path: Path) -> None:
    """See that what was set of the three steps of spam reports is in their order.

    A default that lies beyond what was set is no fault: the graver step is judged first.

    Raises:
        SettingsError: a graver step would act before a milder one.
    """
    told = [one for one in _SPAM if settings.origins[f"guards.{one}"] != "default"]
    for mild, grave in pairwise(told):
        first, second = getattr(settings.guards, mild), getattr(settings.guards, grave)
        if first > second:
            raise SettingsError(
                Sentence(
                    "{path}: guards.{mild} ({first}) is above guards.{grave} ({second}), so it "
                    "never acts",
                    path=path,
                    mild=mild,
                    first=first,
                    grave=grave,
                    second=second,
                ),
                hint="they rise: spam_warn, spam_half, spam_stop, as 10, 20, 30",
            )
