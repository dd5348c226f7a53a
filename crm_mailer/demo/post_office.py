"""The demo's outside world as a process of its own: an SMTP server, the customers, an IMAP mailbox.

Runs as `python -m crm_mailer.demo.post_office SEED`. The parent speaks one JSON line a question:
`{"do": "tick", "now": 1314835200}` moves the world's clock and lets due answers arrive in the
mailbox; `{"do": "read"}` lets the customers read what they have and has no answer;
`{"do": "count"}` tells what came and went; the end of input ends the process.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import sys
from collections import Counter
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from pymap.backend.dict import DictBackend
from pymap.imap import IMAPService
from pymap.parsing.message import AppendMessage
from pysasl.hashing import BuiltinHash

from crm_mailer.demo.outside import HOST, PASSWORD, USER
from crm_mailer.demo.smtp_server import Conversation
from crm_mailer.demo.world import World


async def serve(seed: int) -> None:
    """Run both servers until the parent closes our input."""
    world = World(seed)
    gc.freeze()  # the people and their orders stay
    gc.set_threshold(50_000, 20, 50)
    loop = asyncio.get_running_loop()
    smtp = await loop.create_server(lambda: Conversation(world), HOST, 0)
    async with AsyncExitStack() as stack:
        imap_port, backend = await _start_imap(stack)
        say({"smtp": smtp.sockets[0].getsockname()[1], "imap": imap_port})
        async for line in _lines(loop):
            question = json.loads(line)
            if question["do"] == "tick":
                mails = world.tick(datetime.fromtimestamp(question["now"], UTC))
                await _deliver(backend, mails)
                say({"arrived": len(mails), "taken": world.counts["mails taken"]})
            elif question["do"] == "read":
                world.read()
            else:
                say({"count": Counter(world.counts)})
    smtp.close()


def say(answer: dict[str, Any]) -> None:
    """One line to the parent."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def _start_imap(stack: AsyncExitStack) -> tuple[int, DictBackend]:
    parser = argparse.ArgumentParser()
    DictBackend.add_subparser("dict", parser.add_subparsers())
    IMAPService.add_arguments(parser)
    port = _free_port()
    parser.set_defaults(debug=False, passlib_cfg=None)
    arguments = parser.parse_args(
        ["--host", HOST, "--port", str(port), "--no-tls", "dict",
         "--demo-user", USER, "--demo-password", PASSWORD]
    )  # fmt: skip
    # One round of hashing: the password guards nothing, and the shop logs in hundreds of times.
    backend, config = await DictBackend.init(arguments, hash_context=BuiltinHash(rounds=1))
    config.apply_context()
    await backend.start(stack)
    await IMAPService(backend, config).start(stack)
    return port, backend


async def _deliver(backend: DictBackend, mails: list[tuple[datetime, bytes]]) -> None:
    identity = backend.login.demo_user_identity
    async with identity.new_session() as session:
        inbox = await session.mailbox_set.get_mailbox("INBOX")
        for when, raw in mails:
            await inbox.append(AppendMessage(raw, when))


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def _lines(loop: asyncio.AbstractEventLoop) -> Any:
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        yield line


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
