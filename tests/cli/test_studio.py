"""The commands of the studio: its users, its log, where it may be served, who else opens it."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner

from crm_mailer import i18n
from crm_mailer.app import App
from crm_mailer.cli import demo, studio
from crm_mailer.cli.beside import Beside
from tests.cli.conftest import Run
from tests.flows.running import Running

PASSWORD = "five odd words on a wall"

pytestmark = pytest.mark.usefixtures("app")


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "password"
    path.write_text(f"{PASSWORD}\n", encoding="utf-8")
    return str(path)


def users(run: Run) -> list[tuple[str, str]]:
    found = json.loads(run("studio", "user", "list", "--json").stdout)["data"]
    return [(one["name"], one["role"]) for one in found]


def test_a_user_is_added_with_a_password_that_is_asked_for_twice(run: Run) -> None:
    typed = f"{PASSWORD}\n{PASSWORD}\n"
    done = run("studio", "user", "add", "Lin", "--role", "admin", input=typed)

    assert "lin may log in now" in done.stderr
    assert PASSWORD not in done.output
    assert users(run) == [("lin", "admin")]


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("short\nshort\n", "too short"),
        (f"{PASSWORD}\nanother odd password\n", "the two passwords differ"),
        ("linda is my name\n", "contains the name"),
    ],
    ids=["short", "two different", "the name"],
)
def test_a_password_that_will_not_do_is_refused_with_a_reason(
    run: Run, typed: str, words: str
) -> None:
    done = run("studio", "user", "add", "linda", "--role", "admin", input=typed)

    assert done.exit_code == 2
    assert words in str(done.exception)
    assert users(run) == []


def test_scripts_give_the_password_by_a_file(run: Run, file: str, tmp_path: Path) -> None:
    run("studio", "user", "add", "lin", "--role", "agent", "--password-file", file)
    missing = run("studio", "user", "password", "lin", "--password-file", str(tmp_path / "none"))

    assert users(run) == [("lin", "agent")]
    assert missing.exit_code == 2


def test_users_change_and_go_and_all_is_written_down(run: Run, file: str) -> None:
    for name, role in (("boss", "admin"), ("lin", "agent")):
        run("studio", "user", "add", name, "--role", role, "--password-file", file, "--by", "Wei")
    run("studio", "user", "role", "lin", "--role", "viewer", "--by", "Wei")
    run("studio", "user", "password", "lin", "--password-file", file, "--by", "Wei")
    last = run("studio", "user", "remove", "boss", "--by", "Wei")
    run("studio", "user", "remove", "lin", "--by", "Wei")
    again = run("studio", "user", "remove", "lin", "--by", "Wei")
    log = json.loads(run("studio", "audit", "--json").stdout)["data"]

    assert (last.exit_code, again.exit_code) == (2, 2)
    assert users(run) == [("boss", "admin")]
    assert [line["said"] for line in log] == [
        "user lin removed", "password of lin changed", "user lin is viewer now",
        "user lin added as agent", "user boss added as admin",
    ]  # fmt: skip
    assert {line["who"] for line in log} == {"Wei"}
    assert "user lin removed" in run("studio", "audit", "--what", "user").stdout
    with i18n.speaking("zh_CN"):
        assert "已移除用户 lin" in run("studio", "audit", "--what", "user").stdout


def test_other_machines_are_refused_while_nobody_has_a_password(run: Run) -> None:
    done = run("studio", "--host", "0.0.0.0", "--port", "0")

    assert done.exit_code == 78
    assert "nobody has a password yet" in str(done.exception)


def test_the_web_parts_run_beside_the_daemon_and_end_with_it(app: App) -> None:
    with Beside(app) as beside:
        beside.open_studio("127.0.0.1", 0)
        beside.open_public_pages(0)
        addresses = [running.address for _name, running in beside._running]
        with urlopen(addresses[0], timeout=20) as answer:
            assert answer.status == 200

    for address in addresses:
        with pytest.raises(OSError, match="refused"):
            urlopen(address, timeout=5)


def test_run_opens_the_studio_and_sigterm_ends_both(run: Run) -> None:
    daemon = Running(run.home, {}, "", "run", "--studio-port", "0")
    daemon.waits_for(lambda: daemon.lines("action=started"))
    [line] = daemon.lines("action=opened", "what=studio")
    [address] = re.findall(r"address=(\S+)", line)
    with urlopen(address, timeout=20) as answer:
        assert answer.status == 200
    daemon.ends()

    assert daemon.lines("action=stopping", "why=SIGTERM")
    with pytest.raises(OSError, match="refused"):
        urlopen(address, timeout=5)


@pytest.mark.parametrize(
    ("options", "is_terminal", "is_opened"),
    [
        ((), True, True),
        ((), False, False),
        (("--no-studio",), True, False),
        (("--studio",), False, True),
    ],
    ids=["terminal", "no terminal", "not wanted", "wanted"],
)
def test_the_demo_ends_with_the_studio_open_where_somebody_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...],
    is_terminal: bool, is_opened: bool,
) -> None:  # fmt: skip
    opened: list[Any] = []
    monkeypatch.setattr(demo, "_is_looked_at", lambda: is_terminal)
    monkeypatch.setattr(studio, "open_", lambda *given: opened.append(given))
    monkeypatch.setattr("crm_mailer.demo.run.run", lambda folder, **_more: None)
    monkeypatch.setattr("crm_mailer.demo.summary.summarise", lambda app: None)
    monkeypatch.setattr("crm_mailer.app.open_app", lambda folder: Closing())
    monkeypatch.setattr(demo, "_show", lambda ran, summary: None)
    done = CliRunner().invoke(demo.demo, ["--folder", str(tmp_path / "demo"), *options])

    assert done.exception is None
    assert bool(opened) == is_opened


class Closing:
    """A shop that can be closed, and nothing else."""

    def close(self) -> None:
        pass


def test_ctrl_c_ends_the_studio_in_a_terminal(run: Run) -> None:
    main, side = pty.openpty()
    command = [sys.executable, "-m", "crm_mailer", "--home", str(run.home), "studio", "--port", "0"]
    process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side)
    os.close(side)
    told, end = b"", time.monotonic() + 40
    while b"Ctrl-C" not in told and time.monotonic() < end:
        try:
            told += os.read(main, 4096)
        except OSError:
            raise AssertionError(told.decode()) from None
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    code = process.wait(20)
    os.close(main)

    assert b"The studio is at http://127.0.0.1:" in told
    assert (code, b"Traceback" in told) == (0, False)
