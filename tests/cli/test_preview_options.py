from __future__ import annotations

import json
import struct
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import App, chromium, delivering, mail_tests, planning, rendering
from crm_mailer.model.errors import NotFound, NotPossible
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.store import outbox, suppressions
from crm_mailer.store.tables import (
    customers,
    deliveries,
    messages,
    order_events,
    orders,
    touches,
)
from tests.cli.conftest import Run
from tests.conftest import NOON, StandingClock
from tests.small_shop import small_shop

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def shop_home(tmp_path: Path) -> Path:
    """A shop with two campaigns, one about an order and one that comes back."""
    return small_shop(
        tmp_path / "shop",
        {"shipped", "win-back"},
        {"during_sale/shipped", "growth/win-back-1", "growth/win-back-2"},
    )


def has_chromium() -> bool:
    try:
        return bool(chromium.find())
    except NotPossible:
        return False


needs_chromium = pytest.mark.skipif(not has_chromium(), reason="no Chromium")


def test_every_language_is_shown_and_written_to_a_file_of_its_own(
    run: Run, app: App, tmp_path: Path
) -> None:
    result = run("preview", "shipped", "--all-languages", "--text",
                 "--html", str(tmp_path / "mail.html"))  # fmt: skip

    languages = app.templates.languages("during_sale/shipped")
    assert result.exit_code == 0
    assert "Здравствуйте, Анна Сергеевна!" in result.output
    assert {path.name for path in tmp_path.glob("mail*")} == {
        f"mail.{code}.html" for code in languages
    }
    assert 'lang="ru"' in (tmp_path / "mail.ru.html").read_text()


def test_every_language_as_json_is_a_list(run: Run, app: App) -> None:
    data = json.loads(run("preview", "win-back", "--all-languages", "--json").stdout)["data"]

    assert [mail["language"] for mail in data] == list(app.templates.languages("growth/win-back-1"))


def test_lang_is_language(run: Run, app: App) -> None:
    assert "Lotus Shop" in run("preview", "shipped", "--lang", "es", "--text").output
    assert '"language": "es"' in run("preview", "shipped", "--lang", "es", "--json").output


def test_without_a_campaign_it_says_what_to_name(run: Run, app: App) -> None:
    result = run("preview")

    assert result.exit_code == 2
    assert "--serve" in result.output


@needs_chromium
def test_pictures_have_both_widths_and_the_whole_height(run: Run, app: App, tmp_path: Path) -> None:
    result = run("preview", "shipped", "--text", "--png", str(tmp_path / "mail.png"))

    assert result.exit_code == 0
    sizes = [_size(tmp_path / f"mail-{width}.png") for width in (375, 720)]
    assert [width for width, _height in sizes] == [375, 720]
    assert all(700 < height < 3_000 for _width, height in sizes)
    assert sizes[0][1] > sizes[1][1]


def _size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content.startswith(PNG)
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_where_no_browser_is_found_the_picture_says_so(
    run: Run, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(chromium.VARIABLE, "/nowhere/chromium")

    result = run("preview", "shipped", "--png", str(tmp_path / "mail.png"))

    assert result.exit_code == 2
    assert "/nowhere/chromium" in str(result.exception)
    assert "--html" in getattr(result.exception, "hint", "")


def test_a_browser_that_does_not_answer_is_told(
    run: Run, app: App, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(chromium.VARIABLE, "/bin/true")

    result = run("preview", "shipped", "--png", str(tmp_path / "mail.png"))

    assert (result.exit_code, "the browser has ended" in str(result.exception)) == (69, True)


def test_a_preview_is_what_sending_sends(app: App, run: Run, tmp_path: Path) -> None:
    _anna_with_a_shipped_order(app)
    campaign = app.home / "campaigns" / "lifecycle" / "shipped.yaml"
    campaign.write_text(campaign.read_text().replace("mode: draft", "mode: live"))
    app.reload()
    planning.apply(app, ["shipped"])
    delivering.send(app)
    [sent] = [
        message_from_bytes(path.read_bytes(), policy=policy.default)
        for path in app.outbox_folder.glob("*.eml")
    ]

    mail = rendering.preview(app, "shipped", customer="anna@example.com")
    shown = message_from_bytes(mail.content, policy=policy.default)

    assert mail.subject == sent["Subject"]
    for kind in ("html", "plain"):
        assert body(shown, kind) == body(sent, kind)
    assert mail.html.split() == body(sent, "html").split()
    same = ("From", "To", "Auto-Submitted", "Feedback-ID", "Reply-To")
    assert [shown[name] for name in same] == [sent[name] for name in same]


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def _anna_with_a_shipped_order(app: App) -> None:
    with app.store.write() as connection:
        connection.execute(customers.insert().values(
            id=7, email="anna@example.com", email_key="anna@example.com", given_name="Анна",
            patronymic="Петровна", language="ru", country="RU", created_at=NOON,
            changed_at=NOON))  # fmt: skip
        connection.execute(orders.insert().values(
            id=1, platform="x", number="N-1", customer_id=7, state="shipped", placed_at=NOON,
            currency="USD", amount_minor=100, is_counted=True, tracking_number="LP7",
            created_at=NOON, changed_at=NOON))  # fmt: skip
        connection.execute(order_events.insert().values(
            order_id=1, state="shipped", at=NOON, learnt_at=NOON))  # fmt: skip


# ------------------------------------------------------------------ tests of a mail


@pytest.mark.parametrize("command", ["preview", "test-send"])
def test_a_test_leaves_at_once_and_says_that_it_is_one(run: Run, app: App, command: str) -> None:
    result = run(command, "win-back", "--lang", "ru", "--to", "me@example.org")

    assert result.exit_code == 0, result.output
    [path] = app.outbox_folder.glob("*.eml")
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert mail["Subject"].startswith("[Тест] ")
    assert mail["X-CRM-Test"] == "yes"
    assert mail["To"].addresses[0].addr_spec == "me@example.org"
    assert "List-Unsubscribe" in mail
    assert "me@example.org" in result.output
    assert "written to the outbox folder" in result.output


def test_a_test_stands_in_the_ledger_and_in_no_figures(run: Run, app: App) -> None:
    run("preview", "win-back", "--to", "me@example.org", "--to", "you@gmail.com")

    with app.store.read() as connection:
        rows = connection.execute(
            sa.select(touches, messages.c.rcpt_to, messages.c.content)
            .join(messages, messages.c.touch_id == touches.c.id)
            .order_by(touches.c.id)
        ).all()
        tries = connection.scalar(sa.select(sa.func.count()).select_from(deliveries))
        audit = outbox.audit(connection, NOON)
    assert [(row.kind, row.state, row.rcpt_to) for row in rows] == [
        ("test", "accepted", "me@example.org"),
        ("test", "accepted", "you@gmail.com"),
    ]
    assert {(row.campaign, row.stream) for row in rows} == {("(test)", "marketing")}
    assert [row.provider for row in rows] == ["other", "gmail"]
    assert len({row.anchor for row in rows}) == 2
    assert all(row.content for row in rows)
    assert tries == 2
    assert audit.is_sound
    assert "(test)" not in run("report", "campaigns", "--json").output
    assert "win-back" not in run("outbox", "list", "--campaign", "win-back", "--json").stdout


def test_a_test_makes_no_customer_and_is_listed_with_its_address(run: Run, app: App) -> None:
    run("preview", "win-back", "--to", "me@example.org")

    with app.store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(customers)) == 0
    [line] = json.loads(run("outbox", "list", "--json").stdout)["data"]
    assert (line["customer_id"], line["address"]) == (None, "me@example.org")
    assert "me@example.org" in run("outbox", "list").output
    assert "Test mails" not in run("customer", "list").output


def test_quiet_hours_and_caps_do_not_hold_a_test(app: App, clock: StandingClock) -> None:
    clock.forward(hours=8)  # four in the morning where the shop is

    outcomes = [
        mail.outcome
        for _time in range(4)
        for mail in mail_tests.send(app, "win-back", ["me@example.org"]).mails
    ]

    assert outcomes == ["accepted"] * 4


def test_a_test_shows_a_real_customer_and_mails_another(run: Run, app: App) -> None:
    _anna_with_a_shipped_order(app)

    run("preview", "shipped", "--customer", "anna@example.com", "--to", "me@example.org")

    [path] = app.outbox_folder.glob("*.eml")
    mail = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert "Анна Петровна" in body(mail, "plain")
    assert b"anna@example.com" not in path.read_bytes()
    with app.store.read() as connection:
        assert connection.execute(sa.select(touches.c.customer_id)).all() == [(None,)]


@pytest.mark.parametrize("reason", [SuppressionReason.UNSUBSCRIBED, SuppressionReason.HARD_BOUNCE])
def test_a_suppressed_address_is_told_before_anything_is_written(
    run: Run, app: App, reason: SuppressionReason
) -> None:
    with app.store.write() as connection:
        suppressions.add(connection, "me@example.org", reason, source="test", at=NOON)

    refused = run("preview", "win-back", "--to", "Me@Example.org")
    wanted = run("preview", "win-back", "--to", "me@example.org", "--even-suppressed")

    assert refused.exit_code == 2
    assert reason.value.replace("_", " ") in str(refused.exception)
    assert "--even-suppressed" in getattr(refused.exception, "hint", "")
    assert wanted.exit_code == 0
    assert len(list(app.outbox_folder.glob("*.eml"))) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--to", "nobody"], "`nobody` cannot be mailed"),
        (["--to", "a@b.com\nBcc: c@d.com"], "cannot be mailed"),
        ([word for n in range(11) for word in ("--to", f"a{n}@example.org")], "at most 10"),
        (["--to", "me@example.org", "--step", "x"], "no step `x`"),
    ],
    ids=["no-address", "header", "eleven", "no-step"],
)
def test_what_cannot_be_tried_is_told_and_nothing_is_written(
    run: Run, app: App, arguments: list[str], said: str
) -> None:
    result = run("preview", "win-back", *arguments)

    assert result.exit_code == 2
    assert said in str(result.exception)
    with app.store.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(touches)) == 0


def test_a_broken_template_sends_no_test(run: Run, app: App) -> None:
    path = app.home / "templates" / "growth" / "win-back-1.en.mjml"
    path.write_text(path.read_text().replace("{{ greeting }}", "{{ greting }}"))

    result = run("preview", "win-back", "--lang", "en", "--to", "me@example.org")

    assert result.exit_code == 65
    assert "greting" in str(result.exception)
    assert not list(app.outbox_folder.glob("*.eml"))


def test_all_languages_are_no_test(run: Run, app: App) -> None:
    assert run("preview", "shipped", "--all-languages", "--to", "a@example.org").exit_code == 2


@pytest.mark.parametrize(
    ("name", "said", "help"),
    [
        ("growth/win-back-2", "is a template", "preview win-back --step one-question"),
        ("templates/during_sale/shipped.ru.mjml", "is a template", "preview shipped --step"),
        ("during_sale/shiped", "no campaign", "did you mean `during_sale/shipped`?"),
    ],
)
def test_a_templates_name_is_told_whose_mail_it_is(
    run: Run, name: str, said: str, help: str
) -> None:
    result = run("preview", name)

    assert isinstance(result.exception, NotFound)
    assert said in str(result.exception)
    assert help in result.exception.hint
