"""Where access tokens for XOAUTH2 come from. Nothing here is ever logged or shown."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Protocol

from crm_mailer.model.errors import SettingsError
from crm_mailer.model.sentence import Sentence

#: Seconds before its end at which a token counts as over: the login takes time too.
MARGIN = 60
#: Seconds that a token is good for where the answer does not say (RFC 6749 4.2.2 leaves it open).
USUAL_LIFE = 3600
#: More than any token answer has.
MAX_ANSWER = 65_536


class TokenFailed(Exception):
    """There is no token.

    Attributes:
        is_ours: what we hold is wrong (a file, a refresh token); else the service is in trouble.
    """

    def __init__(self, why: str, *, is_ours: bool) -> None:
        super().__init__(why)
        self.is_ours = is_ours


class TokenSource(Protocol):
    """Port: gives the access token for a login."""

    async def token(self, *, refused: str = "") -> str:
        """A token that should be good now.

        Args:
            refused: the token that a server did not take; get another one if there is one.

        Raises:
            TokenFailed: there is none.
        """
        ...


class TokenFile:
    """A token in a file that another program renews: read anew at each login."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def token(self, *, refused: str = "") -> str:
        """What the file holds now."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or Sentence("it is no text")
            raise TokenFailed(
                Sentence("the token file {path}: {why}", path=self.path, why=why), is_ours=True
            ) from None
        return _checked(text.strip(), Sentence("the token file {path}", path=self.path))


class RefreshedToken:
    """Access tokens got with a refresh token (RFC 6749 section 6), kept until they run out.

    A new refresh token that comes with an answer is used from then on, in this process.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        client_id: str,
        refresh_token: str,
        client_secret: str = "",
        scope: str = "",
        ca_file: str = "",
        timeout: float = 20,
    ) -> None:
        """
        Args:
            endpoint: the token service's address, `https://` only.
            client_secret: empty for public clients.
            ca_file: more certificates to trust than the system's.
            timeout: seconds for one request.

        Raises:
            SettingsError: `endpoint` is not https, or `ca_file` holds no certificates.
        """
        if urllib.parse.urlsplit(endpoint).scheme != "https":
            raise SettingsError(
                Sentence("the token endpoint {endpoint} is not https", endpoint=endpoint),
                hint="secrets are sent there: give its https address",
            )
        self.endpoint = endpoint
        self.timeout = timeout
        self._form = {"grant_type": "refresh_token", "client_id": client_id}
        self._form |= {"refresh_token": refresh_token}
        self._form |= {"client_secret": client_secret} if client_secret else {}
        self._form |= {"scope": scope} if scope else {}
        self._opener = urllib.request.build_opener(
            _StayHere(), urllib.request.HTTPSHandler(context=_context(ca_file))
        )
        self._token = ""
        self._until = 0.0
        self._turn = threading.Lock()

    async def token(self, *, refused: str = "") -> str:
        """The kept token, or a new one where it runs out or was refused."""
        if self._is_good() and self._token != refused:
            return self._token
        return await asyncio.to_thread(self._renewed, refused)

    def _renewed(self, refused: str) -> str:
        """A token other than `refused`. Blocks; runs in a thread."""
        with self._turn:
            # whoever waited here may find that another connection has just got a new one
            if not self._is_good() or self._token == refused:
                self._keep(self._ask())
            return self._token

    def _is_good(self) -> bool:
        return bool(self._token) and time.monotonic() < self._until

    def _ask(self) -> dict[str, Any]:
        """One request; it blocks for up to `timeout` seconds."""
        form = urllib.parse.urlencode(self._form).encode("ascii")
        request = urllib.request.Request(
            self.endpoint, data=form, headers={"Accept": "application/json"}
        )
        try:
            with self._opener.open(request, timeout=self.timeout) as response:
                answer = json.loads(response.read(MAX_ANSWER))
        except urllib.error.HTTPError as error:
            with error:
                raise _refused(error) from None
        except (OSError, ValueError, RecursionError) as error:
            why = getattr(error, "reason", None) or type(error).__name__
            raise TokenFailed(
                Sentence("the token endpoint: {why}", why=why), is_ours=False
            ) from None
        if not isinstance(answer, dict):
            raise TokenFailed(
                Sentence("the token endpoint: its answer is no object"), is_ours=False
            )
        return answer

    def _keep(self, answer: dict[str, Any]) -> None:
        self._token = _checked(
            str(answer.get("access_token") or ""), Sentence("the token endpoint")
        )
        life = answer.get("expires_in")
        seconds = float(life) if isinstance(life, int | float | str) and _is_number(life) else 0
        self._until = time.monotonic() + max(0.0, (seconds or USUAL_LIFE) - MARGIN)
        renewed = answer.get("refresh_token")
        if isinstance(renewed, str) and renewed:
            self._form["refresh_token"] = renewed


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: our secrets go to the endpoint that was named, nowhere else."""

    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        return None


def _refused(error: urllib.error.HTTPError) -> TokenFailed:
    """What an error answer says (RFC 6749 5.2): only its short code, never what we sent."""
    try:
        code = str(json.loads(error.read(MAX_ANSWER)).get("error", ""))
    except (OSError, ValueError, AttributeError, RecursionError):
        code = ""
    words = code if code.replace("_", "").isalnum() and code.isascii() else ""
    is_ours = 400 <= error.code < 500 and error.code not in (408, 425, 429)
    return TokenFailed(
        Sentence("the token endpoint answers {words}", words=f"{error.code} {words}".strip()),
        is_ours=is_ours,
    )


def _checked(token: str, place: str) -> str:
    """A token that cannot break out of the login's line."""
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise TokenFailed(Sentence("{place} gives no usable token", place=place), is_ours=True)
    return token


def _context(ca_file: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:
            raise SettingsError(
                Sentence(
                    "no certificates can be read from {ca_file}: {why}",
                    ca_file=ca_file,
                    why=error,
                ),
                hint="name a file of certificates in PEM form",
            ) from error
    return context


def _is_number(value: int | float | str) -> bool:
    try:
        return 0 <= float(value) < 10**9
    except ValueError:
        return False
