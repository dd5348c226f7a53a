"""Where the studio may be served, and what must be so before strangers could reach it."""

from __future__ import annotations

from crm_mailer.app import staff
from crm_mailer.app.wiring import App
from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings.values import is_loopback


def check_host(app: App, host: str) -> None:
    """See that nobody comes in from outside without a password.

    Raises:
        SettingsError: other machines could reach `host`, and nobody has a password.
    """
    if not is_loopback(host) and not staff.has_users(app):
        raise SettingsError(
            Sentence("other machines can reach {host}, and nobody has a password yet", host=host),
            hint="`crm-mailer studio user add NAME --role admin` first; "
            "without --host the studio is for this machine only",
        )
