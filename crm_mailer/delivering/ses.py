"""Amazon SES (API version 2) as a way out: one signed HTTPS request a mail.

boto3 finds the credentials and the address and signs; the request itself is made here, without
retries behind our back, so that it is always known whether it may have left. SES replaces the
Message-ID of every mail by one of its own: what it answers is kept as the outcome's text.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import json
import re
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import structlog

from crm_mailer.delivering import commands, outcomes, ses_answers
from crm_mailer.delivering.answers import clean
from crm_mailer.delivering.port import STOPPED, Flight, Source
from crm_mailer.delivering.web_line import LineLost, WebLine
from crm_mailer.model.delivery import Blame, Outcome, OutcomeKind, Phase
from crm_mailer.model.errors import SettingsError
from crm_mailer.model.message import Message
from crm_mailer.model.sentence import Sentence

#: The words of a mail whose sending was called off from within.
CALLED_OFF = "sending was stopped"
PATH = "/v2/email/outbound-emails"
#: The header with its folded lines.
_SIGNATURE = re.compile(rb"^dkim-signature:.*\r\n(?:[ \t].*\r\n)*", re.IGNORECASE | re.MULTILINE)
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class SesAccount:
    """One set of keys in one region. What is empty is found where boto3 finds it."""

    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)
    #: Another address than the region's.
    endpoint: str = ""
    configuration_set: str = ""
    #: More certificates to trust than the system's.
    ca_file: str = ""
    connections: int = 4
    #: Seconds: to be connected, between two bytes of an answer, for a whole request.
    connect: float = 10
    answer: float = 60
    whole: float = 120


class SesTransport:
    """Hands mails to Amazon SES, over as many connections as the account has.

    Raises:
        SettingsError: boto3 is not installed, or `ca_file` holds no certificates.
    """

    def __init__(self, account: SesAccount) -> None:
        if importlib.util.find_spec("boto3") is None:
            raise SettingsError(
                "Amazon SES needs boto3, which is not installed",
                hint="pip install 'crm-mailer[ses]'",
            )
        self.account = account
        self._service = _Service(account)
        self._context: ssl.SSLContext | None = None

    @property
    def width(self) -> int:
        """How many requests are under way at once."""
        return self.account.connections

    async def fly(self, source: Source) -> None:
        """One thread a connection; the decisions are made in the loop's own thread."""
        if self._context is None:
            self._context = _context(self.account)
        pool = ThreadPoolExecutor(self.width, thread_name_prefix="ses")
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.width):
                    group.create_task(self._serve(source, _Desk(self, pool)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    async def _serve(self, source: Source, desk: _Desk) -> None:
        try:
            while (flight := await source.next()) is not None:
                await desk.hand_over(source, flight)
        except BaseException:
            desk.cut(for_good=True)
            raise
        desk.close()

    def line(self, address: str) -> WebLine:
        """A new connection to SES."""
        assert self._context is not None
        account = self.account
        return WebLine(
            urlsplit(address), self._context, connect=account.connect, answer=account.answer
        )


class _Desk:
    """One connection's work."""

    def __init__(self, transport: SesTransport, pool: ThreadPoolExecutor) -> None:
        self._transport = transport
        self._service = transport._service
        self._pool = pool
        self._line: WebLine | None = None

    async def hand_over(self, source: Source, flight: Flight) -> None:
        """Hand over one mail; it lands whatever happens, also when we are cancelled."""
        started, phase = time.monotonic(), Phase.CONNECT
        outcome = outcomes.ours(phase, CALLED_OFF)
        try:
            found = await self._in_thread(self._prepared, flight.message)
            if isinstance(found, Outcome):
                outcome = found
            elif not source.before_dot(flight):
                outcome = outcomes.ours(Phase.BODY, STOPPED)
            else:
                phase = Phase.DOT
                outcome = outcomes.lost(phase, CALLED_OFF)
                outcome = await self._in_thread(self._asked, found)
        except Exception as error:  # a fault of ours must not make a doubtful mail look safe
            log.exception("ses", touch=flight.message.touch_id)
            outcome = outcomes.lost(phase, f"{type(error).__name__}: {error}")
        finally:
            took = int((time.monotonic() - started) * 1000)
            host = outcome.host or self._service.host
            source.landed(flight, outcome._replace(host=host, took_ms=took))

    def close(self) -> None:
        """Let go of the connection, which nobody uses any more."""
        if self._line is not None:
            self._line.close()

    def cut(self, *, for_good: bool = False) -> None:
        """Break off the connection, whatever it is doing."""
        if self._line is not None:
            self._line.cut(for_good=for_good)

    async def _in_thread(self, work: Any, *values: Any) -> Any:
        """Run what waits in a thread, for no longer than a whole request may take."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._transport.account.whole, self.cut)
        try:
            return await loop.run_in_executor(self._pool, work, *values)
        finally:
            timer.cancel()

    # ------------------------------------------------------------------ in the thread

    def _prepared(self, message: Message) -> _Request | Outcome:
        """A signed request and an open connection, or why there is none."""
        body = _body(message, self._transport.account.configuration_set)
        if isinstance(body, Outcome):
            return body
        try:
            self._service.open()
        except _NoService as error:
            return outcomes.ours(error.phase, clean(str(error)))
        if self._line is None:
            self._line = self._transport.line(self._service.address)
        try:
            self._line.open()
        except ssl.SSLError as error:
            return outcomes.lost(Phase.STARTTLS, _ssl_words(error))
        except OSError as error:
            return outcomes.lost(Phase.CONNECT, error.strerror or str(error))
        try:
            return _Request(headers=self._service.signed(body), body=body)
        except _NoService as error:
            return outcomes.ours(error.phase, clean(str(error)))

    def _asked(self, request: _Request) -> Outcome:
        """What SES says; from here on the mail may have left."""
        assert self._line is not None
        try:
            answer = self._line.post(PATH, request.headers, request.body)
        except LineLost as error:
            return outcomes.lost(Phase.DOT, str(error))
        return ses_answers.judge(answer.status, answer.headers, answer.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class _NoService(Exception):
    """boto3 has no keys or no region for us."""

    def __init__(self, phase: Phase, why: str) -> None:
        super().__init__(why)
        self.phase = phase


class _Service:
    """Where SES is and how requests are signed: found once, by all threads."""

    def __init__(self, account: SesAccount) -> None:
        self._account = account
        self._turn = threading.Lock()
        self._credentials: Any = None
        self.address = ""
        self._region = ""

    @property
    def host(self) -> str:
        """The host we talk to, as far as it is known."""
        return urlsplit(self.address or self._account.endpoint).netloc or "ses"

    def open(self) -> None:
        """Find the keys and the address, unless that is done.

        Raises:
            _NoService: there are none.
        """
        with self._turn:
            if not self.address:
                self._find()

    def _find(self) -> None:
        import boto3
        from botocore.exceptions import BotoCoreError

        account = self._account
        try:
            session = boto3.session.Session(
                aws_access_key_id=account.access_key or None,
                aws_secret_access_key=account.secret_key or None,
                region_name=account.region or None,
            )
            self._credentials = session.get_credentials()
            self._region = session.region_name or ""
            address = account.endpoint or session.client("sesv2").meta.endpoint_url
        except (BotoCoreError, ValueError) as error:
            raise _NoService(Phase.CONNECT, f"boto3: {error}") from error
        if not self._region:
            raise _NoService(
                Phase.CONNECT, Sentence("no region was found: set region, such as eu-west-1")
            )
        if self._credentials is None:
            raise _NoService(
                Phase.AUTH,
                Sentence("no keys were found: set access_key and secret_key, or see boto3's docs"),
            )
        self.address = address.rstrip("/")

    def signed(self, body: bytes) -> dict[str, str]:
        """The headers of a request with this body, signature included.

        Raises:
            _NoService: the keys ran out and no new ones can be got.
        """
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.exceptions import BotoCoreError

        assert self._credentials is not None
        headers = {"Host": urlsplit(self.address).netloc, "Content-Type": "application/json"}
        headers["Content-Length"] = str(len(body))
        request = AWSRequest("POST", self.address + PATH, headers=headers, data=body)
        try:
            keys = self._credentials.get_frozen_credentials()
            SigV4Auth(keys, "ses", self._region).add_auth(request)
        except BotoCoreError as error:
            raise _NoService(Phase.AUTH, f"boto3: {error}") from error
        return dict(request.headers.items())


def _body(message: Message, configuration_set: str) -> bytes | Outcome:
    """The request's JSON; an outcome where SES cannot take such a mail at all."""
    try:
        sender = commands.wire_address(message.mail_from) if message.mail_from else ""
    except commands.UnsafeAddress as error:
        return outcomes.ours(Phase.MAIL, Sentence("our sender: {error}", error=error))
    try:
        recipient = commands.wire_address(message.rcpt_to)
    except commands.UnsafeAddress as error:
        is_utf8 = isinstance(error, commands.NeedsUtf8)
        return _refused(str(error), Blame.SITE if is_utf8 else Blame.RECIPIENT)
    if message.is_utf8:
        return _refused(
            Sentence("Amazon SES takes no address with letters outside ASCII"), Blame.SITE
        )
    raw = base64.b64encode(unsigned(message.content)).decode("ascii")
    request: dict[str, Any] = {
        "Destination": {"ToAddresses": [recipient]},
        "Content": {"Raw": {"Data": raw}},
    }
    if sender:
        request["FeedbackForwardingEmailAddress"] = sender
    if configuration_set:
        request["ConfigurationSetName"] = configuration_set
    return json.dumps(request).encode("ascii")


def _refused(why: str, blame: Blame) -> Outcome:
    return Outcome(kind=OutcomeKind.REFUSED, phase=Phase.RCPT, text=clean(why), blame=blame)


def unsigned(content: bytes) -> bytes:
    """A mail without our own DKIM signature, which covers the Message-ID that SES replaces.

    A broken signature is worth less than none; SES signs with a key of its own.
    """
    head, gap, body = content.partition(b"\r\n\r\n")
    if b"dkim-signature:" not in head.lower():
        return content
    return _SIGNATURE.sub(b"", head + b"\r\n") + gap.removeprefix(b"\r\n") + body


def _context(account: SesAccount) -> ssl.SSLContext:
    ca_file = account.ca_file
    if account.endpoint.startswith("http:"):
        # Reading the system's certificates takes 40 ms; without TLS nobody asks for them.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
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
                hint="ca_file names a file of certificates in PEM form",
            ) from error
    return context


def _ssl_words(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return Sentence("its certificate cannot be trusted: {why}", why=error.verify_message)
    return error.reason or str(error)
