"""Debian's Postfix as a child process: takes mail on loopback, files it in Maildirs, bounces."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.servers.imap_box import HOST, free_port

POSTFIX = shutil.which("postfix") or shutil.which("postfix", path="/usr/sbin:/sbin")

#: Every service runs without chroot, since all its files lie in one folder of the test.
MASTER = """
{host}:{port} inet n - n - - smtpd
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
tlsmgr    unix - - n 1000? 1 tlsmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
verify    unix - - n - 1 verify
flush     unix n - n 1000? 0 flush
proxymap  unix - - n - - proxymap
smtp      unix - - n - - smtp
relay     unix - - n - - smtp
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
local     unix - n n - - local
virtual   unix - n n - - virtual
anvil     unix - - n - 1 anvil
scache    unix - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""

#: Nothing leaves the machine: what is for another domain comes back at once. An unknown mailbox
#: is accepted at first, so that the sender learns of it by a delivery report.
MAIN = """
compatibility_level = 3.6
myhostname = mx.example.net
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = {host}
inet_protocols = ipv4
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
default_transport = error:5.1.2 nothing leaves this machine
relay_transport = error:5.1.2 nothing leaves this machine
local_transport = error:5.1.1 nobody lives here
alias_maps =
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {certificate}
smtpd_peername_lookup = no
virtual_mailbox_domains = {domains}
virtual_mailbox_base = {mail}
virtual_mailbox_maps = regexp:{folder}/mailboxes
virtual_minimum_uid = 1
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
"""


class PostOffice:
    """A running Postfix and the Maildirs in which it files what it takes."""

    def __init__(self, folder: Path, mail: Path, port: int) -> None:
        self.folder = folder
        self.mail = mail
        self.port = port

    def mails(self, name: str) -> list[bytes]:
        """What lies in a mailbox, the oldest first."""
        found = (self.mail / name / "new").glob("*")
        return [path.read_bytes() for path in sorted(found, key=lambda one: one.stat().st_mtime)]

    def log(self) -> str:
        path = self.folder / "postfix.log"
        return path.read_text() if path.exists() else ""


@contextmanager
def post_office(
    mail: Path, mailboxes: Mapping[str, str], domains: list[str], certificate: Path
) -> Iterator[PostOffice]:
    """Postfix on any free port.

    Args:
        mail: the folder of the Maildirs.
        mailboxes: an address, or a pattern such as `b-*@shop.example` -> the name of its Maildir.
        domains: what it takes mail for.
        certificate: key and certificates in one file.
    """
    assert POSTFIX is not None
    folder = Path(tempfile.mkdtemp(prefix="crm-postfix-", dir="/tmp"))
    office = PostOffice(folder, mail, free_port())
    _configure(office, mailboxes, domains, certificate)
    with (folder / "told").open("wb") as told:
        process = subprocess.Popen(
            [POSTFIX, "-c", str(folder), "start-fg"],
            stdin=subprocess.DEVNULL,
            stdout=told,
            stderr=told,
            start_new_session=True,
        )
    try:
        _await(office, process)
        yield office
    finally:
        _stop(office, process)
        shutil.rmtree(folder, ignore_errors=True)


def _configure(
    office: PostOffice, mailboxes: Mapping[str, str], domains: list[str], certificate: Path
) -> None:
    folder, owner = office.folder, office.mail.stat()
    folder.chmod(0o755)
    for name in ("queue", "data"):
        (folder / name).mkdir()
    shutil.chown(folder / "data", "postfix")
    values = {
        "folder": folder,
        "host": HOST,
        "port": office.port,
        "mail": office.mail,
        "domains": ", ".join(domains),
        "certificate": certificate,
        "uid": owner.st_uid,
        "gid": owner.st_gid,
    }
    (folder / "main.cf").write_text(MAIN.format(**values))
    (folder / "master.cf").write_text(MASTER.format(**values))
    lines = [f"/^{_pattern(address)}$/ {name}/" for address, name in mailboxes.items()]
    (folder / "mailboxes").write_text("\n".join(lines) + "\n")


def _stop(office: PostOffice, process: subprocess.Popen[bytes]) -> None:
    """End the master, which has left the group of the process that we started, and its group."""
    with suppress(OSError, ValueError):
        os.kill(int((office.folder / "queue" / "pid" / "master.pid").read_text()), signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _pattern(address: str) -> str:
    return re.escape(address).replace(r"\*", ".*")


def _await(office: PostOffice, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until and process.poll() is None:
        with suppress(OSError), socket.create_connection((HOST, office.port), 1) as line:
            if line.recv(4).startswith(b"220"):
                return
        time.sleep(0.05)
    told = (office.folder / "told").read_text()
    raise AssertionError(f"postfix did not start: {told} {office.log()}")
