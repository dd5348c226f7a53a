"""How fast links and pictures of mails are answered while mails are being sent, and studio pages.

Run: python -m benchmarks.web [--customers 1000000] [--seconds 8] [--lines 32] [--mails 100]
The last line printed is one JSON object. The shop has so many customers, each with a planned mail;
the daemon sends to a cheap sink at the wanted pace meanwhile, links and openings are tracked in
every mail. `pixel_rps` and `click_rps` are answers a second of `crm-mailer public` (one process),
`p99_ms` is the worse of the two times within which 99 % were there. The load comes from `hammer.c`
over lines that stay open, with the genuine address of another mail in each request. Server, load,
daemon and sink share the machine's cores. What was answered and what was written down must agree,
else there are no figures. `studio_ms` is the slowest page of the studio's menu: the best of three
requests, as a visitor waits for it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

if not __package__:  # started as a file
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import sqlalchemy as sa

from benchmarks import shops, sinks
from benchmarks.sinks import HOST, Missing
from crm_mailer.app import App
from crm_mailer.model import tracking
from crm_mailer.model.token import Purpose
from crm_mailer.store.tables import links, web_events

ROOT = Path(__file__).resolve().parent.parent
SOURCE = Path(__file__).resolve().parent / "hammer.c"
#: Under which name the pages are asked for.
NAME = "mail.lotus-shop.example"
#: Different addresses in a round.
ADDRESSES = 20_000
#: Seconds that a program may take to be there.
PATIENCE = 120
#: Requests a second of which none may be lost, and those that may be under way at the end.
DEMANDED, LINES_AT_MOST = 3_000, 1_000

T = TypeVar("T")


class Disagreement(Exception):
    """Answers were wrong, or are not what was written down: a rate would mean nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One round of the hammer."""

    answered: int
    wrong: int
    seconds: float
    half_us: int
    p99_us: int
    slowest_us: int

    @property
    def rps(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--lines", type=int, default=32)
    parser.add_argument("--mails", type=int, default=100, help="a second")
    wanted = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="crm-mailer-web-") as folder:
            found = measure(Path(folder), wanted)
    except (Missing, Disagreement) as error:
        print(json.dumps({"error": str(error)}))
        sys.exit(1)
    print(json.dumps(found))


def measure(folder: Path, wanted: argparse.Namespace) -> dict[str, Any]:
    """All figures, with everything made in `folder`."""
    hammer, home = compiled(folder), folder / "shop"
    with ExitStack() as held:
        sink = held.enter_context(sinks.cheap_sink(folder))
        shops.make_shop(home, port=sink.port, connections=4)
        track(home, wanted.mails)
        app = shops.shop(home)
        held.callback(app.close)
        began = time.monotonic()
        touches = shops.plan(app.store, wanted.customers)
        print(f"{wanted.customers:,} customers in {time.monotonic() - began:.0f} s")
        daemon = held.enter_context(child(home, "run"))
        patiently(lambda: list_links(app) or None, daemon)
        with child(home, "public", "--port", "0") as public:
            port = port_of(public)
            pixels = addresses(app, touches, [])
            clicks = addresses(app, touches, list_links(app))
            before, sent_at = sink.taken(), time.monotonic()
            pixel = load(hammer, port, pixels, wanted)
            click = load(hammer, port, clicks, wanted)
            rate = (sink.taken() - before) / (time.monotonic() - sent_at)
            answered, written = agree(app, pixel, click)
        studio = studio_pages(home)
    for path, took in sorted(studio.items(), key=lambda one: -one[1]):
        print(f"studio  {path:24} {took:8.1f} ms")
    for name, one in (("pixel", pixel), ("click", click)):
        half, p99, slowest = (us / 1000 for us in (one.half_us, one.p99_us, one.slowest_us))
        print(
            f"{name}   {one.rps:,.0f}/s; half within {half:.1f}, 99 % {p99:.1f}, "
            f"all {slowest:.1f} ms"
        )
    print(f"mails   {rate:,.0f}/s meanwhile")
    return {
        "pixel_rps": round(pixel.rps),
        "click_rps": round(click.rps),
        "p99_ms": round(max(pixel.p99_us, click.p99_us) / 1000, 1),
        "studio_ms": round(max(studio.values()), 1) if studio else None,
        "mails_per_s": round(rate, 1),
        "answered": answered,
        "written": written,
        "customers": wanted.customers,
        "lines": wanted.lines,
        "cores": os.cpu_count(),
    }


def track(home: Path, mails_a_second: int) -> None:
    """Everything is tracked, and mails leave at the wanted pace."""
    shop = home / "campaigns" / "shop.yaml"
    text = shop.read_text(encoding="utf-8")
    shop.write_text(f"{text}tracking: {{clicks: on, opens: on}}\n", encoding="utf-8")
    settings = home / "crm-mailer.toml"
    text = settings.read_text(encoding="utf-8")
    pace = f"per_minute = {mails_a_second * 60}"
    settings.write_text(re.sub(r"(?m)^per_minute = .*$", pace, text, count=1), encoding="utf-8")


def compiled(folder: Path) -> Path:
    """The hammer as a program."""
    program = folder / "hammer"
    command = [sinks.tool("cc", "gcc"), "-O2", "-D_GNU_SOURCE", "-o", str(program), str(SOURCE)]
    subprocess.run(command, check=True)
    return program


@contextmanager
def child(home: Path, *words: str) -> Iterator[Path]:
    """A command of ours as a process of its own; gives the file with what it says."""
    command = [sys.executable, "-m", "crm_mailer", "--home", str(home), *words]
    told = home / f"{words[0]}.log"
    with told.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield told
        finally:
            process.terminate()
            process.wait(60)


def port_of(told: Path) -> int:
    """Where a server says that it is."""
    return int(patiently(lambda: re.search(rf"http://{HOST}:(\d+)/", told.read_text()), told)[1])


def patiently(look: Callable[[], T | None], told: Path) -> T:
    """What `look` finds, once it is there.

    Raises:
        Missing: it never was.
    """
    until = time.monotonic() + PATIENCE
    while (found := look()) is None:
        if time.monotonic() > until:
            raise Missing(f"{told.stem} does not come: {told.read_text()[-500:]}")
        time.sleep(0.2)
    return found


def list_links(app: App) -> list[int]:
    """The links of the mails that left."""
    with app.store.read() as connection:
        return list(connection.scalars(sa.select(links.c.id)))


def addresses(app: App, touches: Sequence[int], numbers: Sequence[int]) -> list[str]:
    """Genuine addresses of links, or of pictures where there are no `numbers`."""
    rng, found = random.Random(7), []
    for touch_id in rng.sample(touches, min(len(touches), ADDRESSES)):
        if not numbers:
            found.append(f"/o/{app.keys.make(Purpose.OPEN, touch_id)}.gif")
            continue
        link = rng.choice(numbers)
        token = app.keys.make_for(Purpose.CLICK, touch_id, tracking.set_bytes(link))
        found.append(f"/c/{token}/{tracking.code(link)}")
    return found


def load(hammer: Path, port: int, paths: Sequence[str], wanted: argparse.Namespace) -> Load:
    """Ask for these addresses again and again.

    Raises:
        Disagreement: an answer was not what it should be.
    """
    command = [str(hammer), str(port), str(wanted.lines), str(wanted.seconds), NAME]
    text = "\n".join(paths)
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Disagreement(f"the server hung up: {done.stderr.strip()}")
    answered, wrong, seconds, half, p99, slowest = done.stdout.split()
    if int(wrong):
        raise Disagreement(f"{wrong} of {answered} answers were wrong")
    return Load(
        answered=int(answered),
        wrong=int(wrong),
        seconds=float(seconds),
        half_us=int(half),
        p99_us=int(p99),
        slowest_us=int(slowest),
    )


def agree(app: App, *loads: Load) -> tuple[int, int]:
    """What was answered and what was written down, once all of it is.

    What comes faster than it can be written is dropped and told of; within the demanded pace
    nothing may be missing.

    Raises:
        Disagreement: more was lost than came too fast.
    """
    answered = sum(one.answered for one in loads)
    until, before = time.monotonic() + PATIENCE, -1
    while time.monotonic() < until:
        with app.store.read() as connection:
            written = connection.scalar(sa.select(sa.func.count()).select_from(web_events)) or 0
        if written == before:
            break
        before = written
        time.sleep(1.5)
    demanded = sum(min(one.answered, round(DEMANDED * one.seconds)) for one in loads)
    if not demanded <= written <= answered + sum(LINES_AT_MOST for _ in loads):
        raise Disagreement(f"{answered} answers, but {written} are written down")
    return answered, written


def studio_pages(home: Path) -> dict[str, float]:
    """Milliseconds of each page of the menu: the best of three, after a first look."""
    found: dict[str, float] = {}
    with child(home, "studio", "--port", "0") as told:
        port = port_of(told)
        menu = re.search(r"<nav.*?</nav>", ask(port, "/").decode(), re.DOTALL)
        paths = re.findall(r'href="(/[a-z-]*)"', menu[0]) if menu is not None else []
        for path in dict.fromkeys(["/", *paths]):
            ask(port, path)
            time.sleep(1.0)
            found[path] = min(timed(port, path) for _ in range(3)) * 1000
    return found


def timed(port: int, path: str) -> float:
    """Seconds until a page is there."""
    begun = time.monotonic()
    ask(port, path)
    return time.monotonic() - begun


def ask(port: int, path: str) -> bytes:
    """A page of the studio.

    Raises:
        Disagreement: it is not there.
    """
    line = HTTPConnection(HOST, port, timeout=PATIENCE)
    line.request("GET", path)
    answer = line.getresponse()
    body = answer.read()
    line.close()
    if answer.status != 200:
        raise Disagreement(f"the studio answers {answer.status} to {path}")
    return body


if __name__ == "__main__":
    main()
