from __future__ import annotations

import asyncio
import smtplib
import threading
from collections.abc import Iterator

import pytest

from crm_mailer.demo.smtp_server import Conversation


class Box:
    """Takes mail; says no to `nobody@`."""

    def __init__(self) -> None:
        self.mails: list[tuple[str, str, bytes]] = []
        self.port = 0

    def refuse(self, address: str) -> str:
        return "550 5.1.1 No such user" if address.startswith("nobody@") else ""

    def receive(self, address: str, mail_from: str, raw: bytes) -> None:
        self.mails.append((address, mail_from, raw))


@pytest.fixture
def box() -> Iterator[Box]:
    box, ready, loop = Box(), threading.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        server = await loop.create_server(lambda: Conversation(box), "127.0.0.1", 0)
        box.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await stop.wait()

    stop = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    ready.wait(5)
    yield box
    loop.call_soon_threadsafe(stop.set)
    thread.join(5)
    loop.close()


def test_a_mail_arrives_as_it_was_sent(box: Box) -> None:
    body = "Subject: dots\r\n\r\n.one\r\n..two\r\nend\r\n"
    with smtplib.SMTP("127.0.0.1", box.port) as client:
        client.sendmail("shop@a.example", ["anna@b.example"], body)
        client.sendmail("shop@a.example", ["ben@b.example"], body)
    assert box.mails == [
        ("anna@b.example", "shop@a.example", body.encode()),
        ("ben@b.example", "shop@a.example", body.encode()),
    ]


def test_a_dead_address_is_refused_at_the_door(box: Box) -> None:
    with (
        smtplib.SMTP("127.0.0.1", box.port) as client,
        pytest.raises(smtplib.SMTPRecipientsRefused),
    ):
        client.sendmail("shop@a.example", ["nobody@b.example"], "Subject: x\r\n\r\n")
    assert box.mails == []


def test_pipelined_commands_are_answered_in_order(box: Box) -> None:
    with smtplib.SMTP("127.0.0.1", box.port) as client:
        client.ehlo()
        client.send(b"MAIL FROM:<a@a.example>\r\nRCPT TO:<anna@b.example>\r\nDATA\r\n")
        assert [client.getreply()[0] for _ in range(3)] == [250, 250, 354]
        client.send(b"hello\r\n.\r\nNOOP\r\n")
        assert [client.getreply()[0] for _ in range(2)] == [250, 250]
    assert box.mails == [("anna@b.example", "a@a.example", b"hello\r\n")]


def test_nonsense_and_endless_lines_are_answered(box: Box) -> None:
    with smtplib.SMTP("127.0.0.1", box.port) as client:
        assert client.docmd("DATA")[0] == 503
        assert client.docmd("BREW", "coffee")[0] == 502
        client.send(b"x" * 5000)
        assert client.getreply()[0] == 500
        client.close()
