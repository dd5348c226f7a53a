"""Real IMAP servers on loopback: pymap in a thread, and Debian's Dovecot as a child process."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from imapclient import IMAPClient

from crm_mailer.listening import Account

HOST = "127.0.0.1"
USER = "care"
PASSWORD = "s3cret-word"
DOVECOT = shutil.which("dovecot") or shutil.which("dovecot", path="/usr/sbin:/sbin")


class Box:
    """A mailbox on a running server: tests put mail in, the program reads it."""

    def __init__(self, port: int, user: str = USER, password: str = PASSWORD) -> None:
        self.port = port
        self.user = user
        self.password = password

    def account(self, password: str | None = None, folder: str = "INBOX") -> Account:
        return Account(
            host=HOST,
            port=self.port,
            username=self.user,
            password=password or self.password,
            tls="none",
            folder=folder,
        )

    @contextmanager
    def client(self) -> Iterator[Any]:
        with IMAPClient(HOST, self.port, ssl=False, timeout=20) as client:
            client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.login(self.user, self.password)
            yield client

    def put(self, *mails: bytes, when: datetime | None = None) -> None:
        with self.client() as client:
            for mail in mails:
                client.append("INBOX", mail, msg_time=when or datetime.now(UTC))

    def flags(self) -> list[tuple[bytes, ...]]:
        with self.client() as client:
            client.select_folder("INBOX", readonly=True)
            return [tuple(flags) for flags in client.get_flags(client.search("ALL")).values()]


class FaultyServer:
    """Just enough IMAP to misbehave: drops the line, says BYE, wants to know who calls.

    Args:
        on_idle: what to send after IDLE has begun; then the line is closed.
        wants_id: refuse EXAMINE without an ID command, as 163.com does.
        on_fetch: what to send instead of an answer to FETCH; then the line is closed.
    """

    def __init__(
        self, *, on_idle: bytes = b"", wants_id: bool = False, on_fetch: bytes = b""
    ) -> None:
        self.on_idle = on_idle
        self.wants_id = wants_id
        self.on_fetch = on_fetch
        self.said_id = False
        self.listener = socket.create_server((HOST, 0))
        self.port = int(self.listener.getsockname()[1])
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FaultyServer:
        self.thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(5)

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self.listener.accept()
                with line, suppress(OSError):
                    self._talk(line)

    def _talk(self, line: socket.socket) -> None:
        line.sendall(b"* OK hello\r\n")
        for raw in line.makefile("rb"):
            tag, _, rest = raw.strip().partition(b" ")
            verb = rest.split(b" ")[0].upper()
            if rest.upper().startswith(b"UID"):
                verb = rest.split(b" ")[1].upper()
            if verb == b"IDLE":
                line.sendall(b"+ idling\r\n")
                time.sleep(0.2)
                line.sendall(self.on_idle)
                return
            if verb == b"FETCH":
                line.sendall(self.on_fetch)
                return
            line.sendall(self._answer(tag, verb))
            if verb == b"LOGOUT":
                return

    def _answer(self, tag: bytes, verb: bytes) -> bytes:
        ok = tag + b" OK done\r\n"
        if verb == b"ID":
            self.said_id = True
            return b"* ID NIL\r\n" + ok
        if verb in (b"CAPABILITY", b"LOGIN"):
            return b"* CAPABILITY IMAP4rev1 IDLE ID\r\n" + ok
        if verb == b"EXAMINE":
            if self.wants_id and not self.said_id:
                return tag + b" NO EXAMINE Unsafe Login. Please contact kefu@188.com\r\n"
            return b"* 3 EXISTS\r\n* OK [UIDVALIDITY 7] ok\r\n* OK [UIDNEXT 4] ok\r\n" + ok
        if verb == b"SEARCH":
            return b"* SEARCH 1 2 3\r\n" + ok
        return ok


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


@contextmanager
def pymap_box() -> Iterator[Box]:
    """An IMAP server written in Python; its mail lives in memory."""
    port, ready, loop = free_port(), threading.Event(), asyncio.new_event_loop()
    done = asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_serve(port, ready, done)))
    thread.start()
    assert ready.wait(20), "pymap did not start"
    try:
        yield Box(port)
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(10)
        loop.close()


async def _serve(port: int, ready: threading.Event, done: asyncio.Event) -> None:
    from pymap.backend.dict import DictBackend
    from pymap.imap import IMAPService

    parser = argparse.ArgumentParser()
    DictBackend.add_subparser("dict", parser.add_subparsers())
    IMAPService.add_arguments(parser)
    parser.set_defaults(debug=False, passlib_cfg=None)
    arguments = parser.parse_args(
        ["--host", HOST, "--port", str(port), "--no-tls", "dict",
         "--demo-user", USER, "--demo-password", PASSWORD]
    )  # fmt: skip
    backend, config = await DictBackend.init(arguments)
    config.apply_context()
    async with AsyncExitStack() as stack:
        await backend.start(stack)
        await IMAPService(backend, config).start(stack)
        ready.set()
        await done.wait()


class DovecotBox(Box):
    """Dovecot with one user and a Maildir."""

    def __init__(self, port: int, folder: Path) -> None:
        super().__init__(port)
        self.tls_port = free_port()
        self.folder = folder
        self.maildir = folder / "mail" / USER
        self.process: subprocess.Popen[bytes] | None = None

    def deliver(self, mail: bytes) -> None:
        """As a local delivery agent does: written aside, then moved in."""
        name = f"{time.time_ns()}.{os.getpid()}.test"
        for part in ("tmp", "new", "cur"):
            (self.maildir / part).mkdir(parents=True, exist_ok=True)
            _own(self.maildir / part)
        path = self.maildir / "tmp" / name
        path.write_bytes(mail)
        _own(path)
        path.rename(self.maildir / "new" / name)

    def replace(self) -> None:
        """A new UIDVALIDITY, as after a restore: every uid is given anew."""
        self.stop()
        for path in self.maildir.glob("dovecot*"):
            path.unlink()
        time.sleep(1.1)  # UIDVALIDITY is a time in seconds
        self.start()

    def start(self) -> None:
        assert DOVECOT is not None
        config = self.folder / "dovecot.conf"
        self.process = subprocess.Popen(
            [DOVECOT, "-F", "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 15
        while time.monotonic() < until:
            with suppress(OSError), socket.create_connection((HOST, self.port), 1) as line:
                if line.recv(10):
                    return
            time.sleep(0.05)
        raise AssertionError(f"dovecot did not start: {self.log()}")

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(15)
            self.process = None

    def log(self) -> str:
        path = self.folder / "dovecot.log"
        return path.read_text()[-2_000:] if path.exists() else ""


@contextmanager
def dovecot_box(certificate: bytes = b"", *more: str) -> Iterator[DovecotBox]:
    """A Dovecot of our own on any free port; it touches nothing outside its folder.

    Args:
        certificate: certificate and key in PEM form: it speaks TLS, too, on another port at once.
        more: further lines of its configuration.
    """
    folder = Path(tempfile.mkdtemp(prefix="crm-dovecot-", dir="/tmp"))
    box = DovecotBox(free_port(), folder)
    _configure(box, certificate, "\n".join(more))
    try:
        box.start()
        yield box
    finally:
        box.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _configure(box: DovecotBox, certificate: bytes, more: str) -> None:
    """One user from a file, on loopback only, everything in one folder."""
    folder = box.folder
    pem = folder / "server.pem"
    pem.write_bytes(certificate)
    pem.chmod(0o600)
    tls = f"ssl_cert = <{pem}\nssl_key = <{pem}" if certificate else ""
    (folder / "run").mkdir()
    (folder / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\n")
    is_root = os.getuid() == 0
    user = "mail" if is_root else getpass.getuser()
    internal = ("dovecot", "dovenull") if is_root else (user, user)
    box.maildir.mkdir(parents=True)
    for path in (folder, folder / "mail", box.maildir, folder / "users"):
        path.chmod(0o755 if path.is_dir() else 0o644)
        _own(path)
    (folder / "dovecot.conf").write_text(
        f"""
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap
listen = {HOST}
ssl = {"yes" if certificate else "no"}
{tls}
disable_plaintext_auth = no
{more}
default_internal_user = {internal[0]}
default_login_user = {internal[1]}
mail_location = maildir:{folder}/mail/%u
mail_uid = {user}
mail_gid = {user}
first_valid_uid = 1
first_valid_gid = 0
mail_fsync = never
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = static
  args = uid={user} gid={user} home={folder}/mail/%u
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {box.port}
  }}
  inet_listener imaps {{
    port = {box.tls_port if certificate else 0}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
namespace inbox {{
  inbox = yes
}}
"""
    )


def _own(path: Path) -> None:
    if os.getuid() == 0:
        shutil.chown(path, "mail", "mail")
