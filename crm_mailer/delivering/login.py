"""Logs in to a mail server: AUTH PLAIN, LOGIN or XOAUTH2. Secrets never leave this module's
commands: no outcome, error or log holds one."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Sequence

from crm_mailer.delivering import commands, outcomes
from crm_mailer.delivering.account import Account, Auth
from crm_mailer.delivering.answers import Answer, clean
from crm_mailer.delivering.oauth import TokenFailed, TokenSource
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.sentence import Sentence

#: Sends one command and hears its answer.
Ask = Callable[[bytes], Awaitable[Answer]]
#: The server wants more from us.
GO_ON = 334
#: Login refused.
REFUSED = 535


class Refused(Exception):
    """We are not logged in."""

    def __init__(
        self, why: str = "", *, answer: Answer | None = None, blame: Blame = Blame.SITE
    ) -> None:
        super().__init__(why)
        self.answer = answer
        self.blame = blame

    def outcome(self, host: str) -> Outcome:
        """The same as a value, with the server's words where it said some."""
        why = str(self)
        if self.answer is None:
            return Outcome(
                kind=OutcomeKind.DEFERRED, phase=Phase.AUTH, text=why, blame=self.blame, host=host
            )
        heard = outcomes.from_answer(Phase.AUTH, self.answer, host=host)
        if not why:
            return heard
        return Outcome(
            kind=heard.kind,
            phase=heard.phase,
            code=heard.code,
            status=heard.status,
            text=clean(f"{heard.text} ({why})"),
            blame=heard.blame,
            host=host,
        )


async def log_in(account: Account, offered: Sequence[str], ask: Ask) -> None:
    """Log in as the account asks, with what the server offers.

    Args:
        offered: the mechanisms of EHLO's AUTH line, in capitals.

    Raises:
        Refused: we are not logged in, and why.
        OSError: the line was lost.
    """
    kind = _choose(account, offered)
    if kind is Auth.XOAUTH2 and account.oauth is not None:
        await _xoauth2(account.username, account.oauth, ask)
        return
    if kind is Auth.PLAIN:
        answer = await _say(commands.auth_plain(account.username, account.password), ask)
    else:
        answer = await ask(b"AUTH LOGIN\r\n")
        for text in (account.username, account.password):
            if answer.code == GO_ON:
                answer = await _say(commands.auth_login(text), ask)
    if not answer.is_good:
        raise Refused(answer=answer)


def _choose(account: Account, offered: Sequence[str]) -> Auth:
    wanted = [account.auth]
    if account.auth is Auth.AUTO:
        wanted = [Auth.XOAUTH2] if account.oauth is not None else [Auth.PLAIN, Auth.LOGIN]
    if account.oauth is None and Auth.XOAUTH2 in wanted:
        raise Refused(
            Sentence("XOAUTH2 needs a source of tokens, and there is none"), blame=Blame.US
        )
    for kind in wanted:
        if kind.value.upper() in offered:
            return kind
    kinds = " ".join(offered) or Sentence("none")
    if account.auth is Auth.AUTO and account.oauth is None:
        raise Refused(
            Sentence("the server offers no login that we know (it offers {kinds})", kinds=kinds)
        )
    raise Refused(
        Sentence(
            "the server offers no {wanted} login (it offers {kinds})",
            wanted=wanted[0].value.upper(),
            kinds=kinds,
        )
    )


async def _xoauth2(user: str, source: TokenSource, ask: Ask) -> None:
    """Log in with a token; a refused one is renewed once, where that gives another one."""
    token = await _token(source)
    answer, why = await _offer(user, token, ask)
    if answer.code == REFUSED:
        another = await _token(source, refused=token)
        if another != token:
            answer, why = await _offer(user, another, ask)
    if not answer.is_good:
        raise Refused(why, answer=answer)


async def _offer(user: str, token: str, ask: Ask) -> tuple[Answer, str]:
    """One try. A server that refuses explains itself first and wants an empty line for that."""
    answer = await _say(commands.auth_xoauth2(user, token), ask)
    if answer.code != GO_ON:
        return answer, ""
    why = _explained(answer)
    return await ask(b"\r\n"), why


async def _say(command: bytes, ask: Ask) -> Answer:
    """Say a secret. A server that repeats it in its answer must not bring it into the ledger."""
    answer = await ask(command)
    secret = command.split()[-1] if command.split() else b""
    if not secret or not any(secret in line for line in answer.raw):
        return answer
    return Answer(answer.code, tuple(line.replace(secret, b"***") for line in answer.raw))


def _explained(answer: Answer) -> str:
    """What the error challenge says: base64 of a JSON object with status, schemes and scope."""
    try:
        value = json.loads(base64.b64decode(answer.raw[0], validate=False))
    except (ValueError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    known = ("status", "scope", "schemes")
    return clean(", ".join(f"{key} {value[key]}" for key in known if key in value))


async def _token(source: TokenSource, *, refused: str = "") -> str:
    try:
        return await source.token(refused=refused)
    except TokenFailed as error:
        raise Refused(str(error), blame=Blame.US if error.is_ours else Blame.SITE) from None
