from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from crm_mailer.app import open_app
from crm_mailer.cli import group
from crm_mailer.demo.summary import summarise
from crm_mailer.model.errors import CrmMailerError


def demo(folder: Path, *options: str) -> str:
    done = CliRunner().invoke(
        group, ["demo", "--folder", str(folder), "--days", "3", *options], catch_exceptions=False
    )
    assert done.exit_code == 0
    return done.output


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> tuple[Path, str]:
    """A demo that has run; half a minute, so that all processes of the tests look at one."""
    if worker_id == "master":
        folder = tmp_path_factory.mktemp("demo") / "shop"
        return folder, demo(folder)
    shared = tmp_path_factory.getbasetemp().parent / "demo-of-all"
    shared.mkdir(exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        output = shared / "output"
        if not output.exists():
            told = demo(shared / "shop")
            output.write_text(told, encoding="utf-8")
    return shared / "shop", output.read_text(encoding="utf-8")


def facts(folder: Path) -> dict[str, Any]:
    app = open_app(str(folder))
    try:
        found = summarise(app)
    finally:
        app.close()
    return {
        "mails": found.mails,
        "skips": found.skips,
        "replies": found.replies,
        "cases": found.open_cases,
        "cells": found.cells,
        "audit": found.audit,
    }


def test_it_ends_with_a_summary_that_a_shop_owner_understands(ran: tuple[Path, str]) -> None:
    for words in ("Made up", "not sent", "what came back", "Try next", "F 5",
                  "The ledger adds up"):  # fmt: skip
        assert words in ran[1]


def test_mails_went_out_and_answers_came_in(ran: tuple[Path, str]) -> None:
    found = facts(ran[0])
    accepted = sum(one.states.get("accepted", 0) for one in found["mails"])
    assert accepted > 100
    assert sum(found["replies"].values()) > 3
    assert found["audit"].is_sound


def test_five_mails_are_there_to_look_at(ran: tuple[Path, str]) -> None:
    samples = ran[0] / "samples"
    assert len(list(samples.glob("*.html"))) == len(list(samples.glob("*.eml"))) == 5


def test_the_same_seed_gives_the_same_result(ran: tuple[Path, str], tmp_path: Path) -> None:
    demo(tmp_path / "again")
    assert facts(tmp_path / "again") == facts(ran[0])


def test_what_is_left_is_a_shop_that_stands_at_the_last_moment(ran: tuple[Path, str]) -> None:
    done = CliRunner().invoke(group, ["--home", str(ran[0]), "status", "--json"])
    status = json.loads(done.stdout)["data"]
    assert status["now"].startswith("2011-09-03T17:00")
    assert status["is_sandbox"]


def test_a_folder_that_holds_something_else_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(CrmMailerError, match="holds something"):
        demo(tmp_path, "--replace")
    assert (tmp_path / "mine.txt").read_text() == "precious"
