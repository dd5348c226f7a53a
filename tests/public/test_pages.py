"""What customers do on the public pages, and what follows from it."""

from __future__ import annotations

import re
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
import sqlalchemy as sa

from crm_mailer.app import delivering, importing, planning, privacy, web_version
from crm_mailer.model.suppression import SuppressionReason
from crm_mailer.model.token import Purpose
from crm_mailer.store import suppressions
from crm_mailer.store import tables as t
from tests.conftest import NOON, StandingClock
from tests.public import page_site
from tests.public.page_site import EVIL, HOST, ONE_CLICK, PageSite

ANNA, BOB, CARMEN = "anna@example.ru", "bob@example.com", "carmen@example.es"
MULTIPART = (
    '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
)


def stopped(site: PageSite, address: str) -> list[SuppressionReason]:
    with site.app.store.read() as connection:
        return [one.reason for one in suppressions.find(connection, address)]


def suppressed(site: PageSite) -> list[SuppressionReason]:
    with site.app.store.read() as connection:
        return [one.reason for one in suppressions.list_(connection)]


def customer(site: PageSite, address: str) -> sa.Row[tuple[object, ...]]:
    with site.app.store.read() as connection:
        return connection.execute(
            sa.select(t.customers).where(t.customers.c.email == address)
        ).one()


def feedback(site: PageSite) -> list[tuple[str, str]]:
    with site.app.store.read() as connection:
        rows = connection.execute(sa.select(t.feedback.c.kind, t.feedback.c.reason))
        return [(row.kind, row.reason) for row in rows]


# ------------------------------------------------------------------ unsubscribe


def test_looking_at_the_page_changes_nothing(pages: PageSite) -> None:
    path = pages.link(Purpose.UNSUBSCRIBE, BOB)
    before = pages.acts()
    for method in ("GET", "HEAD", "GET"):
        said = pages.ask(path, method)
        assert said.status == 200
        assert "set-cookie" not in said.headers
    assert pages.acts() == before
    assert not pages.reader(BOB).is_stopped


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded"),
        (MULTIPART, "multipart/form-data; boundary=x"),
        ("", ""),
        ("act=stop", "application/x-www-form-urlencoded"),
    ],
    ids=["one click", "one click in parts", "an empty body", "the page's button"],
)
def test_a_post_opts_out_at_once(site: PageSite, body: str, kind: str) -> None:
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    for _ in range(3):
        said = site.ask(path, "POST", body, content_type=kind)
        assert said.status == 200
        assert "location" not in said.headers
        assert "set-cookie" not in said.headers
    assert site.acts() == 1
    site.take_in()
    assert stopped(site, BOB) == [SuppressionReason.UNSUBSCRIBED]
    assert feedback(site) == [("stop", "")]


def test_the_evidence_says_how_and_from_which_network(site: PageSite) -> None:
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    site.ask(
        path, "POST", ONE_CLICK, content_type=page_site.FORM, user_agent="Mail\x01er/1",
        x_forwarded_for="203.0.113.77",
    )  # fmt: skip
    site.take_in()
    with site.app.store.read() as connection:
        told = connection.scalar(sa.select(t.suppressions.c.evidence))
    assert told == "one click, from 203.0.113.0/24, Mail er/1"


def test_an_opt_out_that_nobody_took_in_is_honoured_by_the_last_look(site: PageSite) -> None:
    clock = site.app.clock
    assert isinstance(clock, StandingClock)
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    clock.forward(days=365)
    planning.apply(site.app)
    site.ask(path, "POST", ONE_CLICK, content_type=page_site.FORM)
    report = delivering.send(site.app)
    assert report.skipped == {"unsubscribed": 1}
    assert report.outcomes == {"accepted": 3}


def test_an_opt_out_by_mistake_is_undone(site: PageSite) -> None:
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    assert "That was a mistake" in site.post(path, act="stop").text
    site.take_in()
    assert site.post(path, act="undo").status == 200
    site.take_in()
    assert stopped(site, BOB) == []
    assert "Stop our marketing emails?" in site.ask(path).text


def test_who_complained_elsewhere_is_not_resubscribed_by_a_link(site: PageSite) -> None:
    with site.app.store.write() as connection:
        suppressions.add(connection, BOB, SuppressionReason.UNSUBSCRIBED, source="mail 7", at=NOON)
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    site.post(path, act="stop")
    assert "That was a mistake" not in site.ask(path).text
    site.post(path, act="undo")
    site.take_in()
    assert stopped(site, BOB) == [SuppressionReason.UNSUBSCRIBED]


@pytest.mark.parametrize(
    "reason", [SuppressionReason.HARD_BOUNCE, SuppressionReason.BY_HAND, SuppressionReason.IMPORTED]
)
def test_an_opt_out_is_kept_beside_what_else_stops_mail(
    site: PageSite, reason: SuppressionReason
) -> None:
    with site.app.store.write() as connection:
        suppressions.add(connection, BOB, reason, source="somewhere", at=NOON)
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    for _ in range(2):
        for _ in range(2):
            assert site.ask(path, "POST", ONE_CLICK, content_type=page_site.FORM).status == 200
        site.take_in()
    assert site.acts() == 1
    with site.app.store.write() as connection:
        suppressions.lift(connection, BOB, reason)
    assert stopped(site, BOB) == [SuppressionReason.UNSUBSCRIBED]


def test_an_opt_out_reaches_the_present_address_though_the_old_one_is_dead(site: PageSite) -> None:
    path, moved = site.link(Purpose.UNSUBSCRIBE, BOB), "bob@new.example"
    with site.app.store.write() as connection:
        suppressions.add(connection, BOB, SuppressionReason.HARD_BOUNCE, source="x", at=NOON)
        connection.execute(
            sa.update(t.customers).where(t.customers.c.email == BOB).values(
                email=moved, email_key=moved
            )
        )  # fmt: skip
    assert "Stop our marketing emails?" in site.ask(path).text
    site.ask(path, "POST", ONE_CLICK, content_type=page_site.FORM)
    site.take_in()
    assert stopped(site, moved) == [SuppressionReason.UNSUBSCRIBED]


def test_who_is_erased_gets_no_page_and_nothing_is_kept_of_them(site: PageSite) -> None:
    paths = {
        one: site.link(one, BOB)
        for one in (Purpose.PREFERENCES, Purpose.CONFIRM, Purpose.UNSUBSCRIBE)
    }
    number = customer(site, BOB).id
    privacy.erase(site.app, str(number), by="test", is_forced=True)
    before = suppressed(site)
    for purpose in (Purpose.PREFERENCES, Purpose.CONFIRM):
        assert site.ask(paths[purpose]).status == 404
        assert site.post(paths[purpose], act="save", day="3", month="4").status == 404
    assert "Stop our marketing emails?" not in site.ask(paths[Purpose.UNSUBSCRIBE]).text
    for form in ({"act": "stop"}, {"act": "undo"}, {"act": "why", "reason": "other"}):
        assert site.post(paths[Purpose.UNSUBSCRIBE], **form).status == 200
    assert site.acts() == 0
    assert suppressed(site) == before


@pytest.mark.parametrize(
    ("reason", "line"),
    [
        ("too_many", ("stop", "mail.too_many")),
        ("not_interested", ("stop", "not_interested")),
        ("never_signed_up", ("spam_report", "mail.not_mine")),
        ("nonsense", ("stop", "")),
    ],
)
def test_the_reason_goes_into_the_log_of_what_customers_say(
    site: PageSite, reason: str, line: tuple[str, str]
) -> None:
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    site.post(path, act="stop")
    assert site.post(path, act="why", reason=reason).status == 200
    site.take_in()
    assert feedback(site) == [line]


def test_a_test_mail_s_links_work_and_do_nothing(site: PageSite) -> None:
    touch_id = site.touch(BOB)
    with site.app.store.write() as connection:
        connection.execute(
            sa.update(t.touches).where(t.touches.c.id == touch_id).values(customer_id=None)
        )
    said = site.post(site.link(Purpose.UNSUBSCRIBE, BOB), act="stop")
    assert "This was a test email" in said.text
    assert site.acts() == 0


# ------------------------------------------------------------------ preferences


def choose(site: PageSite, address: str, **form: str) -> page_site.Said:
    shown = {"shown": "news\nwishes", "topic": "news\nwishes", "often": "usual", "act": "save"}
    path = site.link(Purpose.PREFERENCES, address)
    fields = [
        f"{name}={value}" for name, values in (shown | form).items() for value in values.split("\n")
    ]
    return site.ask(path, "POST", "&".join(fields), content_type=page_site.FORM)


def test_a_topic_that_is_not_wanted_stops_its_campaigns_and_no_other(site: PageSite) -> None:
    clock = site.app.clock
    assert isinstance(clock, StandingClock)
    assert "Saved." in choose(site, BOB, topic="news").text
    assert site.reader(BOB).topics_off == {"wishes"}
    clock.forward(days=365)
    planning.apply(site.app)
    with site.app.store.read() as connection:
        reasons = connection.execute(
            sa.select(t.touches.c.reason)
            .join(t.customers, t.customers.c.id == t.touches.c.customer_id)
            .where(t.customers.c.email == BOB, t.touches.c.anchor.contains("2027"))
        ).scalars()
        assert list(reasons) == ["topic"]


def test_a_topic_is_left_in_the_last_look_too(site: PageSite) -> None:
    clock = site.app.clock
    assert isinstance(clock, StandingClock)
    clock.forward(days=365)
    planning.apply(site.app)
    choose(site, BOB, topic="news")
    assert delivering.send(site.app).skipped == {"topic": 1}


def test_fewer_mails_are_half_of_the_cap(site: PageSite) -> None:
    choose(site, BOB, often="fewer")
    site.take_in()
    assert customer(site, BOB).wants_fewer
    choose(site, BOB, often="usual")
    site.take_in()
    assert not customer(site, BOB).wants_fewer


def test_a_break_of_30_days_begins_and_ends(site: PageSite) -> None:
    choose(site, BOB, pause="begin")
    site.take_in()
    assert customer(site, BOB).snoozed_until == NOON + timedelta(days=30)
    assert "You have a break until" in site.ask(site.link(Purpose.PREFERENCES, BOB)).text
    choose(site, BOB, pause="end")
    site.take_in()
    assert customer(site, BOB).snoozed_until is None


def test_a_file_does_not_overwrite_what_the_customer_said(site: PageSite, tmp_path: Path) -> None:
    choose(site, BOB, language="es", day="24", month="6", year="1990")
    site.take_in()
    row = customer(site, BOB)
    assert (row.language, row.birth_month, row.birth_day, row.birth_year) == ("es", 6, 24, 1990)
    path = tmp_path / "customers.csv"
    path.write_text(f"email,language,birthday,city\n{BOB},ru,1985-01-02,Leeds\n", "utf-8")
    importing.import_customers(site.app, path)
    row = customer(site, BOB)
    assert (row.language, row.birth_month, row.birth_day, row.birth_year) == ("es", 6, 24, 1990)
    assert row.city == "Leeds"


def test_the_birthday_is_never_shown_to_who_has_a_link_only(site: PageSite) -> None:
    choose(site, BOB, day="24", month="6", year="1990")
    site.take_in()
    page = site.ask(site.link(Purpose.PREFERENCES, BOB)).text
    assert "We know it already" in page
    assert "1990" not in page
    assert not re.search(r"<option[^>]* selected[^>]*>(24|June)<", page)
    assert BOB not in page


@pytest.mark.parametrize(
    "form",
    [
        {"day": "30", "month": "2"},
        {"day": "29", "month": "2", "year": "2001"},
        {"day": "1", "month": ""},
        {"day": "x", "month": "1"},
        {"day": "1", "month": "1", "year": "1850"},
        {"day": "1", "month": "1", "year": "2030"},
        {"day": "9" * 30, "month": "1"},
    ],
    ids=["30 February", "29 February of no leap year", "no month", "no number", "too old",
         "not born yet", "a huge number"],
)  # fmt: skip
def test_a_day_that_is_none_is_said_and_nothing_is_lost(
    pages: PageSite, form: dict[str, str]
) -> None:
    before = pages.acts()
    said = choose(pages, CARMEN, topic="news", often="fewer", **form)
    assert said.status == 422
    assert "Ese día no existe" in said.text
    assert 'value="fewer" checked' in said.text
    assert pages.acts() == before


@pytest.mark.parametrize(
    "form",
    [
        {"language": "xx"},
        {"topic": "other", "shown": "other"},
        {"often": "never"},
        {"pause": "for ever"},
        {"act": "erase everything"},
    ],
    ids=["a language that the shop has not", "a topic that it has not", "another rhythm",
         "another pause", "another act"],
)  # fmt: skip
def test_choices_that_the_page_does_not_offer_change_nothing(
    pages: PageSite, form: dict[str, str]
) -> None:
    before = pages.acts()
    assert choose(pages, CARMEN, **form).status == 200
    assert pages.acts() == before


def test_unsubscribing_from_everything_is_one_button_there(site: PageSite) -> None:
    path = site.link(Purpose.PREFERENCES, BOB)
    assert "You get no marketing emails" in site.post(path, act="all").text
    site.take_in()
    assert stopped(site, BOB) == [SuppressionReason.UNSUBSCRIBED]


def test_no_person_does_so_much_in_a_day(site: PageSite) -> None:
    answers = [
        choose(site, BOB, often="fewer" if n % 2 else "usual", topic="news").status
        for n in range(70)
    ]
    assert answers[:60] == [200] * 60
    assert answers[60] == 429
    assert site.acts() == 60
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    assert site.ask(path, "POST", ONE_CLICK, content_type=page_site.FORM).status == 200
    assert site.post(path, act="undo").status == 429
    site.take_in()
    assert stopped(site, BOB) == [SuppressionReason.UNSUBSCRIBED]


# ------------------------------------------------------------------ a mail in the browser


def test_the_mail_is_shown_as_it_was_without_what_acts(pages: PageSite) -> None:
    said = pages.ask(pages.link(Purpose.WEB, ANNA))
    assert said.status == 200
    assert "Анна" in said.text
    assert said.headers["content-language"] == "ru"
    assert "sandbox" in said.headers["content-security-policy"]
    assert "unsubscribe" not in said.text.lower()
    assert f"{HOST}/" not in said.text
    assert "<script" not in said.text


def test_a_later_change_of_the_customer_does_not_change_the_mail(site: PageSite) -> None:
    path = site.link(Purpose.WEB, ANNA)
    before = site.ask(path).text
    with site.app.store.write() as connection:
        connection.execute(sa.update(t.customers).values(given_name="X", name="Y", language="en"))
    assert site.ask(path).text == before


def test_a_mail_whose_template_was_changed_is_gone_politely(site: PageSite) -> None:
    path = site.link(Purpose.WEB, BOB)
    template = site.app.home / "templates" / "care" / "birthday.en.mjml"
    template.write_text(template.read_text("utf-8").replace("wonderful", "splendid"), "utf-8")
    said = site.ask(path)
    assert said.status in (200, 410)  # files are looked at every few seconds
    site.running.stop()
    again = page_site.serve(site.app)
    assert again.ask(path).status == 410
    again.running.stop()


OWN = f"https://{HOST}/u/abc.def"


@pytest.mark.parametrize(
    "shown",
    [
        f'<a href="{OWN}">x</a>',
        f"<a href={OWN}>x</a>",
        f'<a title="a>b" href="{OWN}">x</a>',
        f"<a title='>' href='{OWN}'>x</a>",
        f'<a title="a"href="{OWN.replace("/u/", "/&#117;/")}">x</a>',
        f'<img alt=">" src={OWN.replace("/u/", "/o/")}>',
        f"<pre>Bye: {OWN}\nor {OWN.upper()}</pre>",
        f'<form action="{OWN}">',
        f"<a title=' href=x' href='{OWN}'>x</a>",
    ],
    ids=["a link", "without quotes", "behind a mark", "in other quotes", "written oddly",
         "a picture", "plain text", "a form", "behind a false one"],
)  # fmt: skip
def test_no_way_out_is_left_in_the_page(shown: str) -> None:
    kept = '<a href="https://shop.example/u/x">shop</a> 1 < 2 <img src="cat.png">'
    page = web_version.without_traces(f"{kept}{shown}<b>end</b>", f"https://{HOST}")
    assert page.startswith(kept)
    assert page.endswith("<b>end</b>")
    for trace in ("abc.def", "href", "<img"):
        assert trace not in page.removeprefix(kept).lower()


def test_a_mail_of_plain_text_is_shown_without_its_links_to_us() -> None:
    mail = f"Subject: hi\r\nContent-Type: text/plain\r\n\r\nHello\r\nBye: {OWN}\r\n"
    page = web_version.without_traces(web_version._of_bytes(mail.encode()), f"https://{HOST}")
    assert "Hello" in page
    assert HOST not in page


# ------------------------------------------------------------------ yes, write to me


def test_a_yes_is_kept_with_its_evidence(site: PageSite) -> None:
    path = site.link(Purpose.CONFIRM, BOB)
    assert "May we write to you?" in site.ask(path).text
    assert site.acts() == 0
    assert "Thank you" in site.post(path, act="yes").text
    site.take_in()
    with site.app.store.read() as connection:
        consent = connection.execute(sa.select(t.consents)).one()
        tags = connection.execute(sa.select(t.customer_tags.c.tag)).scalars().all()
    assert (consent.purpose, consent.basis, consent.source) == ("marketing", "consent", "page")
    assert "127.0.0.0/24" in consent.evidence
    assert tags == ["confirmed"]


# ------------------------------------------------------------------ how pages are


@pytest.mark.parametrize(
    ("code", "word", "direction"),
    [
        ("ar", "إلغاء", "rtl"), ("de", "Abbestellen", "ltr"), ("en", "Unsubscribe", "ltr"),
        ("es", "Darme de baja", "ltr"), ("fr", "désabonner", "ltr"), ("it", "Annulla", "ltr"),
        ("pl", "Wypisz", "ltr"), ("pt", "Cancelar", "ltr"), ("ru", "Отписаться", "ltr"),
        ("zh", "退订", "ltr"),
    ],
)  # fmt: skip
def test_the_page_speaks_the_language(
    pages: PageSite, code: str, word: str, direction: str
) -> None:
    page = pages.ask(f"{pages.link(Purpose.UNSUBSCRIBE, BOB)}?hl={code}").text
    assert f'<html lang="{code}" dir="{direction}">' in page
    assert word in page


def test_without_a_choice_it_is_the_customer_s_own_language(pages: PageSite) -> None:
    assert '<html lang="ru"' in pages.ask(pages.link(Purpose.UNSUBSCRIBE, ANNA)).text


def test_a_stranger_s_page_speaks_what_the_browser_asks_for(pages: PageSite) -> None:
    said = pages.ask("/nowhere", accept_language="xx;q=1, fr-CA;q=0.8, en;q=0.5")
    assert (said.status, said.headers["content-language"]) == (404, "fr")


def test_a_public_address_with_a_path_works_with_and_without_it(
    built: Path, tmp_path: Path
) -> None:
    app = page_site.copy(built, tmp_path / "shop")
    shop = app.home / "campaigns" / "shop.yaml"
    shop.write_text(shop.read_text("utf-8").replace(f"//{HOST}", f"//{HOST}/post/"), "utf-8")
    site = page_site.serve(app)
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    for one in (path, f"/post{path}"):
        page = site.ask(one, host=HOST).text
        assert f'action="/post{path}"' in page
        assert 'href="/post/assets/page.css"' in page
    site.running.stop()
    app.close()


def test_pictures_of_mails_are_served_and_nothing_else_of_the_folder(site: PageSite) -> None:
    folder = site.app.home / "templates" / "images"
    folder.mkdir()
    (folder / "logo.png").write_bytes(b"\x89PNG\r\n\x1a\n....")
    (folder / "liar.png").write_bytes(b"<script>alert(1)</script>")
    (folder / "page.html").write_text("<p>", "utf-8")
    (folder / "secret.png").symlink_to(site.app.home / "crm-mailer.key")
    said = site.ask("/images/logo.png")
    assert (said.status, said.headers["content-type"]) == (200, "image/png")
    assert "max-age" in said.headers["cache-control"]
    again = site.ask("/images/logo.png", if_none_match=said.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    for name in ("liar.png", "page.html", "secret.png", "..%2f..%2fcrm-mailer.key", "none.png"):
        assert site.ask(f"/images/{name}").status == 404


def test_what_stands_in_mails_leads_to_these_pages(pages: PageSite) -> None:
    content = next(pages.app.outbox_folder.rglob("*.eml")).read_bytes()
    mail = message_from_bytes(content, policy=default)
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    html = mail.get_body(("html",))
    assert html is not None
    for letter in "upw":
        assert f"https://{HOST}/{letter}/" in html.get_content()
        found = re.search(rf"https://{HOST}(/{letter}/[a-z2-7.]+)", text)
        assert found, letter
        assert pages.ask(found[1], host=HOST).status == 200


def test_a_name_with_markup_is_shown_as_text(pages: PageSite) -> None:
    for purpose in (Purpose.WEB, Purpose.PREFERENCES, Purpose.UNSUBSCRIBE):
        assert EVIL not in pages.ask(pages.link(purpose, "evil@example.com")).text
    page = pages.ask(pages.link(Purpose.PREFERENCES, "evil@example.com")).text
    assert "&lt;b&gt;Wishes&lt;/b&gt; &amp; more" in page
