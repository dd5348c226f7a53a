from __future__ import annotations

import os
import smtplib
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme

from crm_mailer.delivering.relay_log import read_relay_log
from tests.servers.postfix import POSTFIX, PostOffice, post_office

pytestmark = pytest.mark.skipif(
    POSTFIX is None or os.geteuid() != 0, reason="Postfix starts by root only"
)
HOST = "127.0.0.1"


def letter(name: str) -> bytes:
    return (
        f"Subject: Hello\r\nMessage-ID: <{name}@shop.example>\r\n\r\n{'Hello.' * 999}\r\n".encode()
    )


def broken_off(office: PostOffice, name: str) -> None:
    """The line is lost before the final dot, with the whole header sent."""
    with socket.create_connection((HOST, office.port), 5) as line:
        for command in (None, b"EHLO x", b"MAIL FROM:<a@shop.example>",
                        b"RCPT TO:<anna@box.example>", b"DATA"):  # fmt: skip
            if command is not None:
                line.sendall(command + b"\r\n")
            line.recv(4096)
        line.sendall(letter(name))
        time.sleep(0.3)


def test_what_a_real_postfix_writes_tells_what_it_took(tmp_path: Path) -> None:
    (tmp_path / "mail").mkdir()
    certificate = tmp_path / "server.pem"
    trustme.CA().issue_cert(HOST).private_key_and_cert_chain_pem.write_to_path(str(certificate))
    boxes = {"anna@box.example": "anna"}
    with post_office(tmp_path / "mail", boxes, ["box.example"], certificate) as office:
        with smtplib.SMTP(HOST, office.port) as line:
            line.sendmail("a@shop.example", ["anna@box.example"], letter("taken"))
            line.sendmail("a@shop.example", ["bob@far.example"], letter("bounced"))
        broken_off(office, "broken")
        until = time.monotonic() + 10
        while office.log().count("status=") < 2 and time.monotonic() < until:
            time.sleep(0.05)
        names = ("taken", "bounced", "broken", "unknown")
        found = read_relay_log(
            [office.folder / "postfix.log"],
            [f"<{name}@shop.example>" for name in names],
            near=datetime.now(UTC),
            domains=["shop.example"],
        )

    told = {name: found.traces[f"{name}@shop.example"] for name in names}
    assert [told[name].is_taken for name in names] == [True, True, False, False]
    assert told["taken"].fate in ("sent", "deferred")  # whether the Maildir could be written
    assert told["bounced"].fate == "bounced"
    assert (told["broken"].seen, told["unknown"].seen) == (1, 0)
    assert found.ours >= 3
