"""Debian's Postfix as a child process: takes mail on loopback, files it in Maildirs, bounces.

Give it `logins` and it takes mail only from who has logged in, by Dovecot's SASL, under TLS. Its
further `settings` are lines of main.cf, such as `{"smtpd_discard_ehlo_keywords": "pipelining"}` or
`{"message_size_limit": "20000"}`; `certificate_files` makes what it and its clients need for TLS.
"""

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

import trustme

from tests.servers.imap_box import DOVECOT, HOST, free_port

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

#: Nobody is trusted for where he comes from.
SASL = """
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = {folder}/sasl
smtpd_sasl_security_options = noanonymous
smtpd_tls_auth_only = yes
mynetworks = 192.0.2.1/32
smtpd_client_restrictions = permit_sasl_authenticated, reject
smtpd_relay_restrictions = permit_sasl_authenticated, reject
smtpd_delay_reject = yes
smtpd_error_sleep_time = 0
"""

#: Dovecot with nothing but its service of logins.
AUTH = """
base_dir = {folder}/dovecot
state_dir = {folder}/dovecot
log_path = {folder}/dovecot.log
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {folder}/logins
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home=/nonexistent
}}
service auth {{
  unix_listener {folder}/sasl {{
    mode = 0666
  }}
}}
service anvil {{
  chroot =
}}
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


def certificate_files(folder: Path, *names: str) -> tuple[Path, Path]:
    """A certificate with its key for `names` (else for loopback), and who vouches for it."""
    authority = trustme.CA()
    certificate, ca_file = folder / "server.pem", folder / "ca.pem"
    issued = authority.issue_cert(*(names or (HOST,)))
    issued.private_key_and_cert_chain_pem.write_to_path(str(certificate))
    authority.cert_pem.write_to_path(str(ca_file))
    return certificate, ca_file


@contextmanager
def post_office(
    mail: Path,
    mailboxes: Mapping[str, str],
    domains: list[str],
    certificate: Path,
    *,
    logins: Mapping[str, str] | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[PostOffice]:
    """Postfix on any free port.

    Args:
        mail: the folder of the Maildirs.
        mailboxes: an address, or a pattern such as `b-*@shop.example` -> the name of its Maildir.
        domains: what it takes mail for.
        certificate: key and certificates in one file; see `certificate_files`.
        logins: user -> password; without a login it takes nothing then.
        settings: more of main.cf, or other values of what is there.
    """
    assert POSTFIX is not None
    folder = Path(tempfile.mkdtemp(prefix="crm-postfix-", dir="/tmp"))
    office = PostOffice(folder, mail, free_port())
    _configure(office, mailboxes, domains, certificate)
    with (folder / "main.cf").open("a") as main:
        main.write(SASL.format(folder=folder) if logins else "")
        main.writelines(f"{key} = {value}\n" for key, value in (settings or {}).items())
    try:
        with _logins(folder, logins or {}), _running(office):
            yield office
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _logins(folder: Path, logins: Mapping[str, str]) -> Iterator[None]:
    """Dovecot's service of logins beside it, where there are any."""
    if not logins:
        yield
        return
    assert DOVECOT is not None
    (folder / "dovecot").mkdir()
    (folder / "logins").write_text("".join(f"{user}:{word}\n" for user, word in logins.items()))
    (folder / "auth.conf").write_text(AUTH.format(folder=folder))
    process = subprocess.Popen(
        [DOVECOT, "-F", "-c", str(folder / "auth.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + 20
        while not (folder / "sasl").exists():
            assert time.monotonic() < until, (folder / "dovecot.log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _running(office: PostOffice) -> Iterator[None]:
    assert POSTFIX is not None
    folder = office.folder
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
        yield
    finally:
        _stop(office, process)


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
