from __future__ import annotations

import socket
import time
from contextlib import closing
from pathlib import Path

import pytest

from crm_mailer.app import App
from crm_mailer.app.showroom import Showroom, Wanted
from crm_mailer.model.errors import CannotWrite
from crm_mailer.settings import read_settings
from crm_mailer.studio.preview.server import is_ours
from crm_mailer.studio.preview.words import words
from crm_mailer.web.serving import LOOPBACK, open_port
from tests.conftest import StandingClock
from tests.small_shop import small_shop
from tests.studio.preview.conftest import SHIPPED, Ear, Site


def test_every_template_is_shown_with_its_languages_and_its_mails(site: Site) -> None:
    shown = site.json("/catalogue.json")
    by_name = {one["name"]: one for one in shown["templates"]}

    assert {"en", "es", "ru"} <= set(by_name[SHIPPED]["languages"])
    assert by_name[SHIPPED]["uses"] == ["shipped/on-its-way"]
    assert shown["readers"][:2] == ["usual", "nameless"]
    assert shown["templates"][-1]["name"].startswith("replies/")


@pytest.mark.parametrize(
    ("reader", "language", "greeting"),
    [
        ("usual", "en", "Anna"),
        ("usual", "ru", "Анна Сергеевна"),
        ("patronymic", "ru", "Анна Сергеевна"),
        ("long", "en", "Maximiliane-Friederike"),
        ("nameless", "es", "Hola"),
    ],
)
def test_a_mail_is_shown_for_readers_of_all_kinds(
    site: Site, reader: str, language: str, greeting: str
) -> None:
    assert greeting in site.look(reader=reader, language=language)["text"]
    assert greeting in site.mail(reader=reader, language=language)


def test_what_an_order_does_not_tell_is_left_out(site: Site) -> None:
    said = [site.look(reader=reader)["text"] for reader in ("usual", "no-order-facts")]

    assert ["LP00123456789CN" in text for text in said] == [True, False]


def test_an_order_is_made_up_for_the_state_that_the_mail_speaks_of(tmp_path: Path) -> None:
    home = tmp_path / "shop"
    small_shop(home, {"delayed"}, {"during_sale/delayed"})

    with closing(App(home, read_settings(home, {}), StandingClock())) as app:
        looks = [
            Showroom(app).look(Wanted(template="during_sale/delayed", language="en", reader=reader))
            for reader in ("usual", "no-order-facts")
        ]

    mails = [one.mail for one in looks if one.mail is not None]
    assert [one.made_up for one in mails] == ["the order is made up"] * 2
    assert "by 1 November 2026, and we did not" in mails[0].text  # it is the 2nd
    assert "by now, and we did not" in mails[1].text


def test_all_forms_of_a_mail_are_told(site: Site) -> None:
    look = site.look()

    assert look["subject"] == "Your order 8101234567890 is on its way"
    assert look["preheader"]
    assert look["source"].startswith("From: ")
    assert ["Auto-Submitted", "auto-generated"] in look["headers"]
    assert 5 < look["kilobytes"] < 102
    assert look["has_dark"]
    assert (look["fault"], look["direction"]) == ("", "ltr")


def test_what_the_wish_leaves_open_or_names_wrongly_is_chosen(site: Site) -> None:
    look = site.look(language="tlh", reader="nobody", use="x/y")

    assert (look["language"], look["reader"], look["use"]) == ("en", "usual", "shipped/on-its-way")


def test_a_template_that_is_not_there_is_told(site: Site) -> None:
    answer, body = site.ask("/look.json?template=during_sale/none")

    assert (answer.status, b"there is no template" in body) == (404, True)
    assert site.mail("during_sale/none") == ""


def test_dark_is_answered_by_the_page_not_by_the_browser(site: Site) -> None:
    light, dark = site.mail(), site.mail(dark="1")

    assert "prefers-color-scheme: dark" not in light + dark
    assert ("@media (max-width: 0)" in light, "@media (min-width: 0)" in dark) == (True, True)


# ------------------------------------------------------------------ on this machine only


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8026", "127.0.0.1.evil.example"])
def test_a_name_that_only_points_here_gets_nothing(site: Site, host: str) -> None:
    for path in ("/", "/look.json?template=" + SHIPPED, "/assets/page.js", "/events"):
        answer, body = site.ask(path, host=host)

        assert (answer.status, body) == (403, b"This page is for this machine only.")


def test_another_sites_page_may_lead_here_but_fetch_nothing() -> None:
    assert is_ours("localhost:8026", "cross-site", "/")
    assert not is_ours("localhost:8026", "cross-site", "/mail.html")
    assert is_ours("[::1]:8026", "same-origin", "/mail.html")
    assert not is_ours("", "", "/")


def test_the_page_and_the_mail_have_policies_of_their_own(site: Site) -> None:
    page, _body = site.ask("/")
    mail, _body = site.ask(f"/mail.html?template={SHIPPED}")
    blind, _body = site.ask(f"/mail.html?template={SHIPPED}&images=0")

    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    shown = mail.headers["Content-Security-Policy"]
    assert ("sandbox allow-same-origin" in shown, "script-src" in shown) == (True, False)
    assert "img-src https:" in shown
    assert "img-src 'none'" in blind.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/assets/page.html", "/assets/..%2fserver.py", "/assets/none.js"])
def test_only_the_pages_own_files_are_given_out(site: Site, path: str) -> None:
    assert site.ask(path)[0].status == 404


def test_nothing_can_be_written(site: Site) -> None:
    line = socket.create_connection((LOOPBACK, site.port), timeout=10)
    line.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")

    assert line.recv(100).startswith(b"HTTP/1.1 405")
    line.close()


def test_a_port_that_is_taken_is_told() -> None:
    with open_port(0, usual=8026) as door, pytest.raises(CannotWrite, match="is taken"):
        open_port(door.getsockname()[1], usual=8026)


# ------------------------------------------------------------------ while somebody writes


def test_a_saved_template_is_shown_at_once(site: Site, ear: Ear, restored: Path) -> None:
    text = restored.read_text(encoding="utf-8")
    site.mail()
    taken = []
    for number in range(5):
        time.sleep(0.3)
        restored.write_text(text.replace("</h1>", f" {number}!</h1>"), encoding="utf-8")
        began = time.perf_counter()
        ear.wait_for("changed")
        assert f" {number}!</h1>" in site.mail()
        taken.append(time.perf_counter() - began)

    # 0.05 s where nobody else wants the processor; benchmarks/render.py measures it
    assert min(taken) < 0.5


def test_a_mistake_is_shown_with_its_caret_and_goes_by_itself(
    site: Site, ear: Ear, restored: Path
) -> None:
    text = restored.read_text(encoding="utf-8")
    restored.write_text(text.replace("{{ greeting }}", "{{ greting }}"), encoding="utf-8")
    ear.wait_for("changed")
    broken = site.look()
    restored.write_text(text, encoding="utf-8")
    ear.wait_for("changed")

    assert "greting" in broken["fault"]
    assert f"templates/{SHIPPED}.en.mjml:" in broken["fault"]
    assert "^^^" in broken["fault"]
    assert site.look()["fault"] == ""


def test_a_tag_that_is_not_closed_kills_nothing(site: Site, ear: Ear, restored: Path) -> None:
    restored.write_text("<mjml><mj-body><mj-section>", encoding="utf-8")
    ear.wait_for("changed")

    assert "error[CRM" in site.look()["fault"]
    assert site.mail() == ""
    assert site.look(language="ru")["fault"] == ""


def test_a_new_template_and_a_changed_campaign_are_taken_in(site: Site, ear: Ear) -> None:
    campaign = site.home / "campaigns" / "lifecycle" / "shipped.yaml"
    before = campaign.read_text(encoding="utf-8")
    new = site.file("special/hello.en")
    new.parent.mkdir(exist_ok=True)
    new.write_text(site.file().read_text(encoding="utf-8"), encoding="utf-8")
    ear.wait_for("changed")
    names = [one["name"] for one in site.json("/catalogue.json")["templates"]]
    campaign.write_text(before.replace(SHIPPED, "special/hello"), encoding="utf-8")
    ear.wait_for("changed")
    uses = {one["name"]: one["uses"] for one in site.json("/catalogue.json")["templates"]}
    campaign.write_text(before, encoding="utf-8")
    new.unlink()
    ear.wait_for("changed")

    assert "special/hello" in names
    assert uses["special/hello"] == ["shipped/on-its-way"]
    assert uses[SHIPPED] == []


def test_the_findings_of_check_come_by_themselves(site: Site, ear: Ear, restored: Path) -> None:
    text = restored.read_text(encoding="utf-8")
    restored.write_text(text.replace("{{ greeting }}", "{{ greting }}"), encoding="utf-8")
    ear.wait_for("checked")
    told = site.json("/checks.json")

    found = [one for one in told["problems"] if one["file"].endswith(f"{SHIPPED}.en.mjml")]
    assert told["trouble"] == ""
    assert any("greting" in one["message"] for one in found)


# ------------------------------------------------------------------ words


def test_the_page_speaks_chinese_and_english(site: Site) -> None:
    pages = {code: site.ask(f"/?ui={code}")[1].decode() for code in ("en", "zh_CN")}

    assert '<html lang="zh-CN">' in pages["zh_CN"]
    assert "保存后自动刷新" in pages["zh_CN"]
    assert "Reloads when you save" in pages["en"]


def test_every_text_of_the_page_is_translated() -> None:
    english, chinese = words("en"), words("zh_CN")

    assert {name for name in english if english[name] == chinese[name]} <= {"kilobytes"}


def test_findings_are_told_in_the_language_of_the_page(
    site: Site, ear: Ear, restored: Path
) -> None:
    text = restored.read_text(encoding="utf-8")
    restored.write_text(text.replace("{{ greeting }}", "{{ greting }}"), encoding="utf-8")
    ear.wait_for("checked")
    english, chinese = (site.json("/checks.json", ui=code) for code in ("en", "zh_CN"))

    assert [one["code"] for one in english["problems"]] == [
        one["code"] for one in chinese["problems"]
    ]
    assert all(isinstance(one["message"], str) for one in english["problems"])
    assert "错误[" in site.look(ui="zh_CN")["fault"]
    assert "error[" in site.look(ui="en")["fault"]


def test_the_page_says_words_only(site: Site) -> None:
    assert b"built-in" not in site.ask("/")[1]
