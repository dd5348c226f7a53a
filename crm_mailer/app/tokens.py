"""Access tokens for mailboxes, from the same places as those of mail accounts, or a command."""

from __future__ import annotations

import asyncio
import shlex
import subprocess
from collections.abc import Callable

from crm_mailer.app import ways
from crm_mailer.app.wiring import App
from crm_mailer.delivering.oauth import TokenFailed, TokenSource
from crm_mailer.model.errors import LoginRefused, ServiceDown
from crm_mailer.model.sentence import Sentence
from crm_mailer.settings import ImapSettings

#: How long a command may take.
COMMAND_SECONDS = 60


def for_mailbox(app: App, box: ImapSettings) -> Callable[[str], str] | None:
    """What gives the tokens of a mailbox; None where it has a password.

    It is called with the token that the server refused, or with nothing, and raises LoginRefused
    where what we hold is wrong, ServiceDown where the token service is in trouble.
    """
    source = _source(app, box)
    if source is None:
        return None

    def token(refused: str) -> str:
        try:
            return asyncio.run(source.token(refused=refused))
        except TokenFailed as error:
            kind = LoginRefused if error.is_ours else ServiceDown
            raise kind(
                Sentence(
                    "no token for {user} at {server}: {why}",
                    user=box.username,
                    server=box.place,
                    why=error,
                ),
                hint=Sentence("check the oauth settings of the mailbox {name}", name=box.name),
            ) from error

    return token


def _source(app: App, box: ImapSettings) -> TokenSource | None:
    if box.oauth.token_command:
        return TokenCommand(box.oauth.token_command)
    return ways.token_source(app, box)


class TokenCommand:
    """A token that a command prints, such as `gcloud auth print-access-token`."""

    def __init__(self, command: str) -> None:
        self.command = command

    async def token(self, *, refused: str = "") -> str:
        """What the command prints now; it is run without a shell.

        Raises:
            TokenFailed: it fails, takes longer than a minute, or prints no token.
        """
        return await asyncio.to_thread(self._run)

    def _run(self) -> str:
        try:
            words = shlex.split(self.command)
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS,
                check=False,
            )  # fmt: skip
        except (OSError, ValueError, subprocess.TimeoutExpired) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise TokenFailed(
                Sentence("oauth.token_command: {why}", why=why), is_ours=True
            ) from None
        if done.returncode:
            raise TokenFailed(
                Sentence("oauth.token_command ends with {code}", code=done.returncode), is_ours=True
            )
        token = done.stdout.decode("utf-8", "replace").strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise TokenFailed(Sentence("oauth.token_command prints no usable token"), is_ours=True)
        return token
