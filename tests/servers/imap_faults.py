"""An IMAP server over a dictionary of mails that does wrong what it is told to do wrong."""

from __future__ import annotations

import base64
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from crm_mailer.listening import Account

HOST = "127.0.0.1"
USER = "care"
PASSWORD = "s3cret-word"
MEGABYTE = 1024 * 1024


@dataclass
class Folder:
    """Mails by uid; each with the moment it came."""

    mails: dict[int, bytes] = field(default_factory=dict)
    dates: dict[int, str] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    uidnext: int = 1
    uidvalidity: int = 7

    def put(self, *mails: bytes, date: str = "02-Nov-2026 11:00:00 +0000") -> None:
        for mail in mails:
            self.mails[self.uidnext] = mail
            self.dates[self.uidnext] = date
            self.uidnext += 1

    def remove(self, uid: int) -> None:
        self.mails.pop(uid, None)
        self.deleted.discard(uid)


@dataclass
class BadServer:
    """What it has, what it can, and what it does wrong.

    Attributes:
        faults: uid -> what happens when its body is fetched: `drop` (the line is closed in the
            middle), `no`, `nil`, `garbage`, `endless` (a literal that never ends), `drip` (a byte
            now and then), `flood` (far more than it has announced), `lines` (no end of a line).
        sizes: uid -> what RFC822.SIZE says instead of the truth.
        tokens: what XOAUTH2 takes.
        drops_after: commands that are done, but the line is closed before that is said.
    """

    capabilities: str = "IMAP4rev1 IDLE ID UIDPLUS MOVE AUTH=PLAIN AUTH=XOAUTH2"
    folders: dict[str, Folder] = field(default_factory=lambda: {"INBOX": Folder()})
    faults: dict[int, str] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    wants_id: bool = False
    refuses_folders: bool = False
    drops_after: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    port: int = 0
    #: How long we wait for it.
    patience: float = 20.0

    @property
    def inbox(self) -> Folder:
        return self.folders["INBOX"]

    def account(self, **more: object) -> Account:
        told = {"password": PASSWORD, "tls": "none", "patience": self.patience} | more
        return Account(host=HOST, port=self.port, username=USER, **told)  # type: ignore[arg-type]

    def verbs(self, *names: str) -> list[str]:
        return [line for line in self.said if line.split(" ")[0] in names]


@contextmanager
def running(server: BadServer) -> Iterator[BadServer]:
    """Serve until the block ends, a thread for each line."""
    listener = socket.create_server((HOST, 0))
    server.port = int(listener.getsockname()[1])
    lines: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                line, _ = listener.accept()
                lines.append(line)
                threading.Thread(target=_talk, args=(server, line), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        for one in [listener, *lines]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        thread.join(5)


class _Closed(Exception):
    """We close the line."""


def _talk(server: BadServer, line: socket.socket) -> None:
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError, _Closed, ValueError), line, line.makefile("rb") as reader:
        line.sendall(b"* OK hello\r\n")
        talk = _Talk(server, line, reader)
        for raw in reader:
            talk.answer(raw.decode("utf-8", "replace").strip())


class _Talk:
    def __init__(self, server: BadServer, line: socket.socket, reader: object) -> None:
        self.server, self.line, self.reader = server, line, reader
        self.folder = Folder()
        self.may_write = False

    def answer(self, text: str) -> None:
        tag, _, rest = text.partition(" ")
        verb, _, words = rest.partition(" ")
        if verb.upper() == "UID":
            verb, _, words = words.partition(" ")
        verb = verb.upper()
        self.server.said.append(f"{verb} {words}".strip())
        handler = getattr(self, f"do_{verb.lower()}", None)
        told = handler(words) if handler else "OK done"
        if verb in self.server.drops_after:
            self.server.drops_after.remove(verb)
            raise _Closed
        self.line.sendall(f"{tag} {told}\r\n".encode())
        if verb == "LOGOUT":
            raise _Closed

    def say(self, *lines: str) -> None:
        self.line.sendall("".join(f"* {one}\r\n" for one in lines).encode())

    def ask(self, challenge: str = "") -> str:
        self.line.sendall(f"+ {challenge}\r\n".encode())
        answer = self.reader.readline().strip()  # type: ignore[attr-defined]
        return base64.b64decode(answer).decode()

    # ---------------------------------------------------------------- before a folder is open

    def do_capability(self, _words: str) -> str:
        self.say(f"CAPABILITY {self.server.capabilities}")
        return "OK done"

    def do_login(self, words: str) -> str:
        is_right = words in (f'{USER} "{PASSWORD}"', f'"{USER}" "{PASSWORD}"', f"{USER} {PASSWORD}")
        return "OK in" if is_right else "NO [AUTHENTICATIONFAILED] wrong"

    def do_authenticate(self, words: str) -> str:
        if words == "PLAIN":
            _, user, password = self.ask().split("\0")
            return "OK in" if (user, password) == (USER, PASSWORD) else "NO wrong"
        found = re.fullmatch(r"user=(.*)\x01auth=Bearer (.*)\x01\x01", self.ask())
        if found and found[1] == USER and found[2] in self.server.tokens:
            return "OK in"
        self.ask(base64.b64encode(b'{"status":"401"}').decode())
        return "NO SASL authentication failed"

    def do_id(self, words: str) -> str:
        self.server.ids.append(words)
        self.say("ID NIL")
        return "OK done"

    def do_examine(self, words: str) -> str:
        return self.do_select(words, may_write=False)

    def do_select(self, words: str, *, may_write: bool = True) -> str:
        if self.server.wants_id and not self.server.ids:
            return "NO Unsafe Login. Please contact kefu@188.com for help"
        name = words.strip('"')
        if name not in self.server.folders:
            return "NO [NONEXISTENT] no such folder"
        self.folder, self.may_write = self.server.folders[name], may_write
        self.say(
            f"{len(self.folder.mails)} EXISTS",
            f"OK [UIDVALIDITY {self.folder.uidvalidity}] ok",
            f"OK [UIDNEXT {self.folder.uidnext}] ok",
        )
        return "OK [READ-WRITE] open" if may_write else "OK [READ-ONLY] open"

    def do_status(self, words: str) -> str:
        name = words.split(" (")[0].strip('"')
        if name not in self.server.folders:
            return "NO [NONEXISTENT] no such folder"
        self.say(f'STATUS "{name}" (UIDNEXT {self.server.folders[name].uidnext})')
        return "OK done"

    def do_create(self, words: str) -> str:
        if self.server.refuses_folders:
            return "NO [CANNOT] not here"
        self.server.folders[words.strip('"')] = Folder(uidvalidity=9)
        return "OK made"

    # ---------------------------------------------------------------- within a folder

    def do_search(self, words: str) -> str:
        first, last = re.search(r"(\d+):(\d+)", words).groups()  # type: ignore[union-attr]
        found = [uid for uid in self.folder.mails if int(first) <= uid <= int(last)]
        if "SINCE" in words and found:
            found = [uid for uid in found if "2025" not in self.folder.dates[uid]]
        self.say(("SEARCH " + " ".join(map(str, found))).strip())
        return "OK done"

    def do_fetch(self, words: str) -> str:
        which, _, what = words.partition(" ")
        for uid in [one for one in _uids(which) if one in self.folder.mails]:
            self._fetch_one(uid, what)
        if any(self.server.faults.get(uid) == "no" for uid in _uids(which)) and "BODY" in what:
            return "NO [SERVERBUG] internal error"
        return "OK done"

    def _fetch_one(self, uid: int, what: str) -> None:
        mail, fault = self.folder.mails[uid], self.server.faults.get(uid, "")
        told = f"UID {uid}"
        if "RFC822.SIZE" in what:
            told += f" RFC822.SIZE {self.server.sizes.get(uid, len(mail))}"
        if "INTERNALDATE" in what:
            told += f' INTERNALDATE "{self.folder.dates[uid]}"'
        if "BODY" not in what:
            self.say(f"{uid} FETCH ({told})")
            return
        name, body = "BODY[]", mail
        if "HEADER" in what:
            name, body = "BODY[HEADER]", mail.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        elif found := re.search(r"<0\.(\d+)>", what):
            name, body = "BODY[]<0>", mail[: int(found[1])]
        if fault and name != "BODY[HEADER]":
            self._misbehave(fault, f"* {uid} FETCH ({told} {name} ", body)
            return
        self._send(f"* {uid} FETCH ({told} {name} ", body)

    def _send(self, begin: str, body: bytes) -> None:
        self.line.sendall(f"{begin}{{{len(body)}}}\r\n".encode() + body + b")\r\n")

    def _misbehave(self, fault: str, begin: str, body: bytes) -> None:
        """As the fault says; most of them end the line."""
        if fault == "flood-whole" and "<0>" in begin:
            self._send(begin, body)
        elif fault.startswith("flood"):
            for _ in range(2):
                self._send(begin, b"y" * 25 * MEGABYTE)
        elif fault == "drip":
            self.line.sendall(f"{begin}{{{len(body)}}}\r\n".encode())
            while True:
                time.sleep(0.05)
                self.line.sendall(b"x")
        elif fault == "nil":
            self.line.sendall(f"{begin}NIL)\r\n".encode())
        elif fault != "no":
            half = f"{begin}{{{len(body)}}}\r\n".encode() + body[: len(body) // 2]
            last_words = {
                "drop": half,
                "garbage": b"\xff\xfe((((\r\n",
                "lines": b"* " + b"x" * 2 * MEGABYTE,
                "endless": f"{begin}{{99999999999}}\r\n".encode() + b"x" * 1000,
            }
            self.line.sendall(last_words[fault])
            time.sleep(0.05)
            raise _Closed

    def do_copy(self, words: str) -> str:
        which, _, name = words.partition(" ")
        target = self.server.folders.get(name.strip('"'))
        if target is None:
            return "NO [TRYCREATE] no such folder"
        for uid in [one for one in _uids(which) if one in self.folder.mails]:
            target.put(self.folder.mails[uid], date=self.folder.dates[uid])
        return "OK done"

    def do_move(self, words: str) -> str:
        assert self.may_write
        told = self.do_copy(words)
        if told.startswith("OK"):
            for uid in _uids(words.partition(" ")[0]):
                self.folder.remove(uid)
        return told

    def do_store(self, words: str) -> str:
        assert self.may_write
        self.folder.deleted |= set(_uids(words.partition(" ")[0])) & set(self.folder.mails)
        return "OK done"

    def do_expunge(self, words: str) -> str:
        for uid in set(_uids(words)) & self.folder.deleted:
            self.folder.remove(uid)
        return "OK done"

    def do_idle(self, _words: str) -> str:
        self.line.sendall(b"+ idling\r\n* 1 EXI")
        time.sleep(0.1)
        self.line.sendall(b"STS\r\n")
        self.reader.readline()  # type: ignore[attr-defined]
        return "OK done"

    def do_logout(self, _words: str) -> str:
        self.say("BYE see you")
        return "OK done"


def _uids(which: str) -> list[int]:
    """`1,3:5` in full."""
    found: list[int] = []
    for one in which.split(","):
        first, _, last = one.partition(":")
        found += range(int(first), int(last or first) + 1)
    return found
