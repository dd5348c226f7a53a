"""Pictures of a page, by a Chromium that is on the machine: driven over two pipes, ended after."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from crm_mailer.model.errors import NotPossible, ServiceDown
from crm_mailer.model.sentence import Sentence

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
#: Names the browser to use.
VARIABLE = "CRM_MAILER_CHROMIUM"
ENDED = Sentence("the browser has ended")
#: Seconds for everything, and for one page with its pictures.
SECONDS, LOAD_SECONDS = 60.0, 15.0
#: No mail is taller; a fault must not fill the memory.
TALLEST = 20_000
#: The descriptors on which Chromium hears and speaks.
HEARS, SPEAKS = 3, 4
OPTIONS = (
    "--headless --disable-gpu --hide-scrollbars --no-first-run --no-default-browser-check "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-extensions --mute-audio --disable-dev-shm-usage --remote-debugging-pipe"
).split()


def find() -> str:
    """The browser's path: what CRM_MAILER_CHROMIUM names, else the first that is installed.

    Raises:
        NotPossible: there is none.
    """
    named = os.environ.get(VARIABLE, "")
    for name in (named,) if named else NAMES:
        found = shutil.which(name)
        if found:
            return found
    raise NotPossible(
        Sentence("{variable} names `{named}`, which cannot be run", variable=VARIABLE, named=named)
        if named else
        "a picture needs Chromium or Chrome, and none is installed",
        hint=Sentence("install it (Debian: apt-get install chromium), or name one with {variable}; "
        "--html writes the mail for any browser", variable=VARIABLE),
    )  # fmt: skip


def pictures(html: str, widths: Sequence[int], browser: str) -> list[bytes]:
    """The page as PNG, whole, once for each width in CSS pixels. Its scripts do not run.

    Raises:
        ServiceDown: the browser does not answer.
    """
    with tempfile.TemporaryDirectory(prefix="preview-", ignore_cleanup_errors=True) as folder:
        page = Path(folder) / "mail.html"
        page.write_text(html, encoding="utf-8")
        with _running(browser, Path(folder) / "profile") as line:
            line.attach()
            return [line.picture(page.as_uri(), width) for width in widths]


@contextmanager
def _running(browser: str, profile: Path) -> Iterator[Line]:
    """The browser, until the block ends."""
    to_hear, we_write = os.pipe()
    we_read, to_speak = os.pipe()
    # beyond the numbers that they are to get, or one would overwrite the other
    ends = [fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (to_hear, to_speak)]

    def place() -> None:
        os.dup2(ends[0], HEARS)
        os.dup2(ends[1], SPEAKS)

    options = [*OPTIONS, f"--user-data-dir={profile}"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses root otherwise
    child = subprocess.Popen(
        [browser, *options, "about:blank"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(HEARS, SPEAKS),
        preexec_fn=place,
        start_new_session=True,
    )
    for one in (to_hear, to_speak, *ends):
        os.close(one)
    try:
        yield Line(we_read, we_write)
    finally:
        os.close(we_write)
        os.close(we_read)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, 9)
        child.wait()


class Line:
    """Asks one thing at a time and reads the answer, by the browser's DevTools protocol."""

    def __init__(self, read: int, write: int) -> None:
        self._read, self._write = read, write
        self._buffer = b""
        self._number = 0
        self._session = ""
        self._end = time.monotonic() + SECONDS

    def attach(self) -> None:
        """Open a page whose scripts are off."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        answer = self._ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = answer["sessionId"]
        self._ask("Page.enable")
        self._ask("Emulation.setScriptExecutionDisabled", value=True)

    def picture(self, address: str, width: int) -> bytes:
        """The whole page at a width, as PNG."""
        self._ask(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=800, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        self._ask("Page.navigate", url=address)
        self._wait_for("Page.loadEventFired")
        size = self._ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": width, "height": min(size["height"], TALLEST), "scale": 1}
        answer = self._ask(
            "Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip
        )
        return base64.b64decode(answer["data"])

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        question = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            question["sessionId"] = self._session
        try:
            os.write(self._write, json.dumps(question).encode() + b"\0")
        except OSError:
            raise _silent(ENDED) from None
        while (answer := self._heard(self._end)).get("id") != self._number:
            pass
        if "error" in answer:
            words = answer["error"].get("message", "")
            raise _silent(Sentence("the browser says: {words}", words=words))
        result: dict[str, Any] = answer["result"]
        return result

    def _wait_for(self, event: str) -> None:
        """A page whose pictures do not come is shown without them."""
        end = min(self._end, time.monotonic() + LOAD_SECONDS)
        with suppress(TimeoutError):
            while self._heard(end, is_patient=False).get("method") != event:
                pass

    def _heard(self, end: float, *, is_patient: bool = True) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self._read], [], [], left)[0]:
                if is_patient:
                    raise _silent(Sentence("the browser does not answer"))
                raise TimeoutError
            piece = os.read(self._read, 1 << 16)
            if not piece:
                raise _silent(ENDED)
            self._buffer += piece
        message, _end, self._buffer = self._buffer.partition(b"\0")
        heard: dict[str, Any] = json.loads(message)
        return heard


def _silent(what: Sentence) -> ServiceDown:
    return ServiceDown(
        what,
        hint=Sentence("try another one: {variable}=/path/to/chromium", variable=VARIABLE),
    )
