"""Benefits by their commands, in a shop whose mails go to the sandbox."""

from __future__ import annotations

import codecs
import csv
import json
import os
import re
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, benefits, delivering, giving, outbox, planning
from crm_mailer.delivering import NullTransport
from crm_mailer.model.errors import CannotWrite, NotPossible, SourceError
from crm_mailer.settings import read_settings
from crm_mailer.store import alerts
from crm_mailer.store import tables as t
from tests.cli.conftest import Run
from tests.conftest import StandingClock
from tests.planning.people import NOON, customer
from tests.small_shop import small_shop

GIFT = """benefits:
  - id: gift
    kind: coupon
    title: {en: A gift}
    codes: pool
"""
ANNA = "anna@example.com"


class Gifts:
    """A shop whose birthday mail gives something."""

    def __init__(self, app: App, clock: StandingClock) -> None:
        self.home, self.clock, self.app = app.home, clock, app

    def write(self, text: str) -> None:
        (self.home / "campaigns" / "benefits.yaml").write_text(text, encoding="utf-8")
        path = self.home / "campaigns" / "lifecycle" / "birthday.yaml"
        told = path.read_text(encoding="utf-8").replace("mode: draft", "mode: live")
        told = told.replace("# benefit: birthday-free-shipping", "benefit: gift")
        path.write_text(told, encoding="utf-8")
        self.app.reload()

    def load(self, *codes: str) -> benefits.Loaded:
        path = self.home / "codes.txt"
        path.write_text("\n".join(codes), encoding="utf-8")
        return benefits.load(self.app, "gift", path)

    def people(self, *names: str) -> None:
        """Their birthday is today."""
        for name in names:
            customer(self.app.store, name, birth_month=11, birth_day=2, language="en")

    def send(self) -> dict[str, int]:
        report = delivering.send(self.app, way=NullTransport())
        return {**report.outcomes, **report.skipped}

    def column(self, column: sa.Column[Any]) -> list[Any]:
        with self.app.store.read() as connection:
            return list(connection.execute(sa.select(column).order_by(column)).scalars())

    def alerts(self) -> list[str]:
        with self.app.store.read() as connection:
            return [one.cause for one in alerts.list_open(connection)]


@pytest.fixture
def shop_home(tmp_path: Path) -> Path:
    """A shop that greets on birthdays and does nothing else."""
    return small_shop(tmp_path / "shop", {"birthday"}, {"care/birthday"}, {"en"})


@pytest.fixture
def gifts(app: App, clock: StandingClock) -> Gifts:
    found = Gifts(app, clock)
    found.write(GIFT)
    return found


# ------------------------------------------------------------------ as mails leave


def test_a_mail_that_cannot_give_what_it_tells_of_does_not_leave(gifts: Gifts) -> None:
    gifts.people("anna", "boris")
    gifts.load("A1")
    planning.apply(gifts.app)
    assert gifts.alerts() == ["benefit:gift/short"]

    assert gifts.send() == {"accepted": 1, "benefit_empty": 1}

    assert "benefit:gift/empty" in gifts.alerts()
    gifts.load("B2")
    assert gifts.alerts() == []
    assert (outbox.retry(gifts.app), gifts.send()) == (1, {"accepted": 1})
    assert gifts.column(t.benefit_grants.c.code) == ["A1", "B2"]


def test_a_code_lasts_until_the_end_of_the_day_that_the_mail_names(gifts: Gifts) -> None:
    gifts.write(GIFT + "    valid_for: 10d\n")
    customer(gifts.app.store, "anna", birth_month=11, birth_day=2, time_zone="Asia/Tokyo")
    gifts.clock.moment = NOON - timedelta(hours=4)
    gifts.load("A1")
    planning.apply(gifts.app)

    gifts.send()

    [until] = gifts.column(t.benefit_grants.c.valid_until)
    assert until.isoformat() == "2026-11-12T14:59:59+00:00"  # 23:59:59 in Tokyo


def test_a_cancelled_mail_gives_its_code_back_at_the_next_look(gifts: Gifts) -> None:
    gifts.people("anna")
    gifts.load("A1")
    planning.apply(gifts.app)
    gifts.send()
    with gifts.app.store.write() as connection:
        connection.execute(t.touches.update().values(state="expired"))
        connection.execute(t.deliveries.delete())

    giving.attend(gifts.app)

    line = benefits.list_(gifts.app)[0]
    assert (line.figures.granted, line.figures.returned, line.figures.left) == (0, 1, 1)


def test_a_rehearsal_takes_no_code_of_the_real_shop(gifts: Gifts, run: Run) -> None:
    gifts.people("anna")
    gifts.load("A1")

    done = run("simulate", "--from", "2026-11-02", "--to", "2026-11-03", "--json")

    assert done.exit_code == 0, done.output
    assert benefits.list_(gifts.app)[0].figures.left == 1


@pytest.mark.parametrize("pattern", ["A-{8}", "B-{20}-{12}"])
def test_made_codes_cannot_be_guessed_from_one_another(gifts: Gifts, pattern: str) -> None:
    gifts.write(GIFT.replace("codes: pool", f'codes: {{pattern: "{pattern}"}}'))
    gifts.people(*(f"p{n}" for n in range(30)))
    planning.apply(gifts.app)

    gifts.send()

    codes = gifts.column(t.benefit_grants.c.code_key)
    assert len(set(codes)) == 30
    assert {len(code) for code in codes} == {len(codes[0])}
    is_varying = [len(set(letters)) > 1 for letters in zip(*codes, strict=True)]
    assert is_varying == [letter == "x" for letter in re.sub(r"{(\d+)}", places, pattern)]


def places(found: re.Match[str]) -> str:
    return "x" * int(found[1])


def test_a_sender_that_is_killed_gives_no_second_code(gifts: Gifts) -> None:
    gifts.people("anna", "boris")
    gifts.load("A1", "B2", "C3", "D4")
    planning.apply(gifts.app)
    gifts.app.close()
    environment = {**os.environ, "CRM_MAILER_CLOCK": NOON.isoformat(), "CRM_MAILER_ENV": "test"}
    command = [sys.executable, "-m", "crm_mailer", "--home", str(gifts.home), "send"]

    killed = subprocess.run(
        command, env={**environment, "CRM_MAILER_KILL_AT": "KR"}, capture_output=True, timeout=60
    )
    app = App(gifts.home, read_settings(gifts.home, {}), gifts.clock)
    after = Gifts(app, gifts.clock)
    before = after.column(t.benefit_grants.c.code)
    for _hour in (1, 2):
        gifts.clock.forward(hours=1)
        after.send()

    assert killed.returncode == -signal.SIGKILL
    assert before == after.column(t.benefit_grants.c.code) == ["A1", "B2"]
    assert after.column(t.touches.c.state) == ["accepted", "accepted"]
    after.app.close()


# ------------------------------------------------------------------ commands


def test_codes_are_loaded_from_a_list_or_a_table(gifts: Gifts, run: Run, tmp_path: Path) -> None:
    table = tmp_path / "codes.csv"
    table.write_text("name;Coupon Code\nfirst;A1\nsecond; B2 \n\n", encoding="utf-8-sig")

    done = run("benefit", "load", "gift", str(table))

    assert "2 codes loaded, 2 left" in done.output
    assert gifts.column(t.benefit_codes.c.code) == ["A1", "B2"]
    assert gifts.load("a1", "B2", "C3") == benefits.Loaded(new=1, known=2, others=0, left=3)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "there is no code in the file"),
        (b"A1\nB 2\nC3\n", "no code in row 2"),
        (b"code\nA1\n,\n" + b"x" * 41, "no code in row 4"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
    ],
)
def test_a_file_with_something_else_loads_nothing(
    gifts: Gifts, tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "codes.txt"
    path.write_bytes(content)

    with pytest.raises(SourceError, match=message):
        benefits.load(gifts.app, "gift", path)

    assert gifts.column(t.benefit_codes.c.code) == []


def test_a_benefit_without_a_pool_takes_no_file(gifts: Gifts, run: Run) -> None:
    gifts.write(GIFT.replace("codes: pool", "code: WELCOME10"))

    with pytest.raises(NotPossible) as caught:
        gifts.load("A1")

    assert "codes: pool" in caught.value.hint
    missing = run("benefit", "load", "gifts", str(gifts.home / "codes.txt"))
    assert missing.exit_code != 0


def test_what_was_given_is_listed_shown_and_exported(
    gifts: Gifts, run: Run, tmp_path: Path
) -> None:
    gifts.people("anna")
    gifts.load("=A1", "B2")
    planning.apply(gifts.app)
    gifts.send()

    [line] = json.loads(run("benefit", "list", "--json").stdout)["data"]
    assert (line["figures"]["granted"], line["figures"]["left"]) == (1, 1)
    assert ANNA in run("benefit", "show", "gift").output
    assert "gift" in run("benefit", "list").output
    out = tmp_path / "given.csv"
    assert run("benefit", "export", "gift", "--out", str(out)).exit_code == 0
    assert out.read_bytes().startswith(codecs.BOM_UTF8)  # Excel reads it as UTF-8
    [row] = csv.DictReader(out.read_text(encoding="utf-8-sig").splitlines())
    assert (row["code"], row["email"], row["campaign"]) == ("'=A1", ANNA, "birthday")


def test_an_export_that_cannot_be_written_is_told(gifts: Gifts, run: Run, tmp_path: Path) -> None:
    assert gifts.home.is_dir()
    done = run("benefit", "export", "gift", "--out", str(tmp_path / "no" / "given.csv"))

    assert isinstance(done.exception, CannotWrite)


def test_a_benefit_that_the_file_names_no_more_keeps_its_figures(gifts: Gifts, run: Run) -> None:
    gifts.people("anna")
    gifts.load("A1")
    planning.apply(gifts.app)
    gifts.send()
    gifts.write("benefits: []\n")

    output = run("benefit", "list").output

    assert "not in the file any more" in " ".join(output.split())


def test_a_person_may_write_down_that_it_was_used(gifts: Gifts, run: Run) -> None:
    gifts.people("anna")
    gifts.load("A1")
    planning.apply(gifts.app)
    gifts.send()

    first = run("benefit", "redeem", "gift", ANNA)
    second = run("benefit", "redeem", "gift", ANNA)

    assert (first.exit_code, second.exit_code != 0) == (0, True)
    assert "could be used" in str(second.exception)
    assert "used" in run("customer", "show", ANNA).output


def test_a_word_must_be_said_of_somebody_who_waits(gifts: Gifts, run: Run) -> None:
    gifts.people("anna")

    assert "nobody waits" in str(run("benefit", "approve", "gift", "--all").exception)
    assert "does not wait" in str(run("benefit", "deny", "gift", ANNA).exception)
    assert run("benefit", "approve", "gift").exit_code == 2
    assert run("benefit", "approve", "gift", ANNA, "--all").exit_code == 2


def test_all_who_wait_are_allowed_at_once(gifts: Gifts, run: Run) -> None:
    gifts.write(GIFT.replace("codes: pool", "code: HI") + "    approval: required\n")
    gifts.people("anna", "boris")
    planning.apply(gifts.app)
    assert gifts.send() == {}

    assert "2 customers" in run("benefit", "approve", "gift", "--all").output

    assert gifts.send() == {"accepted": 2}


def test_a_preview_shows_a_made_up_code(gifts: Gifts, run: Run) -> None:
    gifts.write(GIFT.replace("codes: pool", 'codes: {pattern: "BDAY-{8}"}'))

    mail = json.loads(run("preview", "birthday", "--json").stdout)["data"]

    assert "BDAY-SAMPLE23" in mail["text"]
    assert "the code is made up" in mail["made_up"]
    assert benefits.list_(gifts.app)[0].figures.granted == 0
