"""A mail server that fails by chance, and knows the truth: `python -m benchmarks.fault_server`.

At the final dot it now and then takes the mail and drops the line without a word, drops the line
without taking the mail, or answers 451 or 550; some lines are slow. Each mail that it takes is
noted before it is answered, so its log is what sending is judged by.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import mmap
import os
import random
import re
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sinks import HOST

#: What the server and whoever watches it share: mails taken, faults after and before taking one,
#: and how many seconds the senders' clock is ahead.
SHARED = struct.Struct("=4q")
MESSAGE_ID = re.compile(rb"^Message-ID:\s*(\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """How often each thing happens, of 1."""

    taken_and_dropped: float = 0.01
    dropped: float = 0.01
    deferred: float = 0.02
    refused: float = 0.005
    slow: float = 0.005


USUAL = Odds()
#: It never fails, and takes its time over each mail.
SLOW = Odds(taken_and_dropped=0, dropped=0, deferred=0, refused=0, slow=1)


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail that the server took. `at` is by the senders' clock, in seconds."""

    recipient: str
    message_id: str
    digest: str
    at: int


@dataclass(slots=True)
class Faults:
    """A running fault server, seen from outside."""

    port: int
    shared: mmap.mmap
    log: Path

    @property
    def taken(self) -> int:
        """Mails taken so far."""
        return int(SHARED.unpack_from(self.shared)[0])

    @property
    def injected(self) -> int:
        """Lines dropped after the dot, with and without the mail."""
        _taken, after, before, _ahead = SHARED.unpack_from(self.shared)
        return int(after + before)

    @property
    def ahead(self) -> int:
        """Seconds by which the clocks of all senders are ahead, also while they run."""
        return int(SHARED.unpack_from(self.shared)[3])

    def put_ahead(self, seconds: int) -> None:
        """Put the senders' clocks ahead."""
        struct.pack_into("=q", self.shared, 24, seconds)

    def truth(self) -> list[Taken]:
        """All that it took."""
        rows = (line.split() for line in self.log.read_text(encoding="ascii").splitlines())
        return [Taken(rcpt, message_id, digest, int(at)) for rcpt, message_id, digest, at in rows]


@contextmanager
def fault_server(
    folder: Path, seed: int, *, before: Sequence[str] = (), is_slow: bool = False
) -> Iterator[Faults]:
    """A server in a process of its own.

    Args:
        before: words before its command, such as those that start it on another host; it is then
            reached by each of that host's addresses.
        is_slow: it takes its time and never fails.
    """
    log, board = folder / "taken.log", folder / "board"
    log.touch()
    board.write_bytes(bytes(SHARED.size))
    command = [*before, sys.executable, "-m", "benchmarks.fault_server", str(folder), str(seed)]
    command += ["--host", "0.0.0.0"] if before else []
    command += ["--slow"] if is_slow else []
    root = Path(__file__).resolve().parent.parent
    with (
        board.open("r+b") as file,
        mmap.mmap(file.fileno(), SHARED.size) as shared,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process,
    ):
        try:
            assert process.stdout is not None
            yield Faults(int(process.stdout.readline()), shared, log)
        finally:
            process.terminate()


class Board:
    """The shared numbers and the log, as the server writes them."""

    def __init__(self, folder: Path) -> None:
        with (folder / "board").open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), SHARED.size)
        self._log = os.open(folder / "taken.log", os.O_WRONLY | os.O_APPEND)

    def take(self, recipient: str, content: bytes) -> None:
        """Note a mail: from now on it is out."""
        found = MESSAGE_ID.search(content)
        message_id = found[1].decode("ascii", "replace") if found else "-"
        at = int(time.time()) + SHARED.unpack_from(self._shared)[3]
        digest = hashlib.sha256(content).hexdigest()
        os.write(self._log, f"{recipient} {message_id} {digest} {at}\n".encode("ascii"))
        self._add(0)

    def note(self, *, is_taken: bool) -> None:
        """Count a line that is dropped after the dot."""
        self._add(1 if is_taken else 2)

    def _add(self, place: int) -> None:
        value = SHARED.unpack_from(self._shared)[place]
        struct.pack_into("=q", self._shared, place * 8, value + 1)


class Line(asyncio.Protocol):
    """One connection."""

    def __init__(self, board: Board, chance: random.Random, odds: Odds) -> None:
        self._board = board
        self._chance = chance
        self._odds = odds
        self._buffer = bytearray()
        self._recipient = ""
        self._is_body = False
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._say(b"220 faults ESMTP")

    def data_received(self, data: bytes) -> None:
        """Take whole lines and whole bodies, unless the line is slow just now."""
        self._buffer += data
        self._go_on()

    def _go_on(self) -> None:
        while not (self._is_waiting or self._transport.is_closing()):
            end = b"\r\n.\r\n" if self._is_body else b"\r\n"
            place = self._buffer.find(end)
            if place < 0:
                return
            piece = bytes(self._buffer[: place + len(end)])
            del self._buffer[: place + len(end)]
            if self._is_body:
                self._is_body = False
                self._body(piece)
            else:
                self._command(piece)

    def _command(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._say(b"250-faults\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES")
        elif verb == b"DATA":
            self._is_body = True
            self._buffer[:0] = b"\r\n"  # an empty mail ends right here
            self._say(b"354 go")
        elif verb == b"QUIT":
            self._say(b"221 2.0.0 bye")
            self._transport.close()
        else:
            if verb == b"RCPT":
                self._recipient = line[line.index(b"<") + 1 : line.index(b">")].decode("ascii")
            self._say(b"250 2.0.0 ok")

    def _body(self, content: bytes) -> None:
        odds, draw = self._odds, self._chance.random()
        if self._chance.random() < odds.slow:
            self._is_waiting = True
            wait = self._chance.uniform(0.02, 0.2)
            asyncio.get_running_loop().call_later(wait, self._wake, content, draw)
        else:
            self._judge(content, draw)

    def _wake(self, content: bytes, draw: float) -> None:
        self._is_waiting = False
        self._judge(content, draw)
        self._go_on()

    def _judge(self, content: bytes, draw: float) -> None:
        odds = self._odds
        for share, act in (
            (odds.taken_and_dropped, self._take_and_drop),
            (odds.dropped, self._drop),
            (odds.deferred, lambda _content: self._say(b"451 4.3.0 not now")),
            (odds.refused, lambda _content: self._say(b"550 5.1.1 nobody here")),
        ):
            if draw < share:
                act(content)
                return
            draw -= share
        self._board.take(self._recipient, content)
        self._say(b"250 2.0.0 taken")

    def _take_and_drop(self, content: bytes) -> None:
        self._board.take(self._recipient, content)
        self._board.note(is_taken=True)
        self._transport.abort()

    def _drop(self, _content: bytes) -> None:
        self._board.note(is_taken=False)
        self._transport.abort()

    def _say(self, text: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(text + b"\r\n")


async def serve(folder: Path, seed: int, host: str, odds: Odds) -> None:
    """Listen until the process is ended."""
    board, chance = Board(folder), random.Random(seed)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Line(board, chance, odds), host, 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Serve."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("seed", type=int)
    options.add_argument("--host", default=HOST)
    options.add_argument("--slow", action="store_true", help="take its time and never fail")
    given = options.parse_args()
    asyncio.run(serve(given.folder, given.seed, given.host, SLOW if given.slow else USUAL))


if __name__ == "__main__":
    main()
