"""The servers that benchmarks send to, and Postfix' own load generator as the ceiling.

`smtp-sink` and `smtp-source` come with Debian's package postfix. The cheap sink is `sink.c` beside
this file, compiled when it is first needed.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SOURCE = Path(__file__).resolve().parent / "sink.c"
HOST = "127.0.0.1"
#: Connections that a sink's kernel queue holds.
BACKLOG = 300


class Sink(Protocol):
    """A running server that counts what it takes."""

    port: int

    def taken(self) -> int:
        """How many mails it has answered with 250 so far."""
        ...


class Missing(Exception):
    """A program that a benchmark needs is not installed."""


def tool(name: str, package: str) -> str:
    """The path of a program.

    Raises:
        Missing: it is not installed.
    """
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        raise Missing(f"{name} is not installed (Debian: {package})")
    return found


@dataclass(slots=True)
class SmtpSink:
    """Postfix' smtp-sink. It reads bodies byte by byte, and so is soon the limit."""

    port: int
    counts: Path

    def taken(self) -> int:
        """What its running counter says once it stands still."""
        before = -1
        while before != (now := self._read()):
            before = now
            time.sleep(0.05)
        return now

    def _read(self) -> int:
        found = re.findall(r"mesg=(\d+)", self.counts.read_text()[-2000:])
        return int(found[-1]) if found else 0


@dataclass(slots=True)
class CheapSink:
    """Our own sink in C."""

    port: int
    process: subprocess.Popen[str]

    def taken(self) -> int:
        """What it counts."""
        assert self.process.stdout is not None
        self.process.send_signal(signal.SIGUSR1)
        return int(self.process.stdout.readline())


@contextmanager
def smtp_sink(folder: Path) -> Iterator[SmtpSink]:
    """A running smtp-sink."""
    port, counts = _free_port(), folder / "smtp-sink.counts"
    as_nobody = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [tool("smtp-sink", "postfix"), "-c", *as_nobody, f"{HOST}:{port}", str(BACKLOG)]
    with counts.open("wb") as file, subprocess.Popen(command, stdout=file) as process:
        try:
            _await(port)
            yield SmtpSink(port, counts)
        finally:
            process.terminate()


@contextmanager
def cheap_sink(folder: Path, *, round_trip_ms: float = 0) -> Iterator[CheapSink]:
    """A running sink of our own; its answers come `round_trip_ms` late."""
    program = compiled(folder)
    command = [str(program), "-d", str(round_trip_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield CheapSink(int(process.stdout.readline()), process)
        finally:
            process.terminate()


def compiled(folder: Path) -> Path:
    """The cheap sink as a program in `folder`."""
    program = folder / "sink"
    if not program.exists():
        compiler = tool("cc", "gcc")
        subprocess.run([compiler, "-O2", "-o", str(program), str(SOURCE)], check=True)
    return program


def smtp_source(port: int, *, mails: int, size: int, sessions: int) -> float:
    """How many mails a second Postfix' load generator gets rid of, over reused connections."""
    command = [
        tool("smtp-source", "postfix"),
        *("-d", "-s", str(sessions), "-m", str(mails), "-l", str(size)),
        *("-f", "from@shop.example", "-t", "to@example.com", f"{HOST}:{port}"),
    ]
    begin = time.monotonic()
    subprocess.run(command, check=True)
    return mails / (time.monotonic() - begin)


def _free_port() -> int:
    with socket.socket() as door:
        door.bind((HOST, 0))
        return int(door.getsockname()[1])


def _await(port: int) -> None:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        with suppress(OSError), socket.create_connection((HOST, port), 1):
            return
        time.sleep(0.02)
    raise Missing(f"nothing listens on port {port}")
