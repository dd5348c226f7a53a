"""Agents at work in a real browser: judging with keys, answering, hostile letters, templates."""

from __future__ import annotations

import random
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from crm_mailer.app import outbox
from crm_mailer.store import tables as t
from tests.studio.conftest import NARROW, Studio, window
from tests.studio.letters import letter, receive

sync_api: Any = pytest.importorskip("playwright.sync_api", reason="no Playwright")
expect = sync_api.expect

EVIL = '"><script>window.taken=1</script><img src=x onerror=window.taken=1>{{7*7}}'
PAGES = ["/cases", "/cases/state/new", "/cases/tasks", "/cases/work", "/cases/work/cases",
         "/cases/work/tasks", "/cases/new", "/replies", "/replies/learner", "/replies/quarantine",
         "/reports", "/reports/reviews", "/reports/agents", "/reports/health"]  # fmt: skip


@pytest.fixture(scope="module")
def evil(studio: Studio) -> tuple[int, int]:
    """A customer all of whose words would like to be a script: their case and their letter."""
    with studio.app.store.write() as connection:
        found = connection.execute(
            sa.update(t.customers)
            .where(t.customers.c.email == "dave@example.com")
            .values(name=EVIL, city=EVIL, flag_reason=EVIL, is_flagged=True)
            .returning(t.customers.c.id)
        ).scalar_one()
        connection.execute(
            sa.update(t.orders)
            .where(t.orders.c.customer_id == found)
            .values(note=EVIL, carrier=EVIL, tracking_number=EVIL)
        )
        numbers = sa.select(t.orders.c.id).where(t.orders.c.customer_id == found)
        connection.execute(
            sa.update(t.order_items).where(t.order_items.c.order_id.in_(numbers)).values(title=EVIL)
        )
    html = f"<p>{EVIL}</p><script>parent.taken=1;top.taken=1</script><img src='http://x.example/1'>"
    raw = letter(
        "dave@example.com", EVIL, f"My mug arrived broken and damaged. {EVIL}", html=html,
        files=((f"{EVIL}.png", b"no png"),),
    )  # fmt: skip
    reply = receive(studio.app, raw)
    return int(studio.json(f"/replies/{reply}.json")["file"]["case"]), reply


@pytest.fixture
def narrow(browser: Any) -> Iterator[Any]:
    with window(browser, viewport=NARROW) as one:
        yield one


def test_whatever_a_customer_writes_is_shown_and_never_run(
    studio: Studio, page: Any, evil: tuple[int, int]
) -> None:
    case, reply = evil
    for path in [*PAGES, f"/cases/{case}", f"/replies/{reply}", f"/cases/{case}/reply"]:
        page.goto(f"{studio.url}{path}")
        assert page.evaluate("window.taken") is None, path
        assert "{{7*7}}" in page.content() or "49" not in page.title()
    page.goto(f"{studio.url}/replies/{reply}")
    page.get_by_text("The original HTML").click()
    frame = page.frame_locator("iframe.mail-frame")
    expect(frame.locator("p")).to_contain_text('">')
    assert page.evaluate("window.taken") is None
    expect(page.locator("h1")).to_contain_text("<script>window.taken=1</script>")


def test_a_letter_is_judged_with_keys(studio: Studio, page: Any) -> None:
    reply = receive(studio.app, letter("carmen@example.es", "Well", "It is not what I hoped for."))
    page.goto(f"{studio.url}/replies")
    page.keyboard.press("j")
    expect(page.locator("tr.lit")).to_contain_text(str(reply))
    page.keyboard.press("o")
    page.wait_for_url(re.compile(f"/replies/{reply}$"))
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("a complaint, no complaint")
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(page.get_by_role("status")).to_contain_text("a complaint: see case")
    expect(page.get_by_role("button", name="A complaint", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.keyboard.press("a")
    expect(page.get_by_role("status")).to_contain_text("belongs to")
    page.keyboard.press("n")
    expect(page.get_by_role("status")).to_contain_text("no complaint")
    page.keyboard.press("j")
    page.wait_for_url(lambda url: not url.endswith(f"/replies/{reply}"))
    page.keyboard.press("u")
    page.wait_for_url(re.compile("/replies$"))


def test_a_complaint_is_answered(studio: Studio, page: Any) -> None:
    text = "The teapot came damaged, the spout is broken off."
    reply = receive(studio.app, letter("fan@qq.com", "Teapot", text))
    case = studio.json(f"/replies/{reply}.json")["file"]["case"]
    page.goto(f"{studio.url}/cases/{case}")
    page.keyboard.press("r")
    page.wait_for_url(re.compile("/reply$"))
    words = page.get_by_label("Your words")
    expect(page.locator("#touched")).to_have_text("as suggested")
    words.fill("Dear Ms Fan, I am so sorry. Shall we send a new teapot?")
    expect(page.locator("#touched")).to_have_text("edited")
    page.get_by_role("button", name="Keep and look at it").click()
    frame = page.frame_locator("iframe.mail-frame")
    expect(frame.locator("body")).to_contain_text("Shall we send a new teapot?")
    page.get_by_role("button", name="Send", exact=True).click()
    page.wait_for_url(re.compile(f"/cases/{case}$"))
    said = page.get_by_role("status").inner_text()
    number = int(re.search(r"mail (\d+) to fan@qq\.com", said)[1])  # type: ignore[index]

    expect(page.locator(".letter.agent")).to_contain_text("Shall we send a new teapot?")
    assert outbox.show(studio.app, number).touch.state.value == "planned"
    assert "waiting customer" in page.locator(".head").inner_text()


def test_a_photo_is_made_smaller_and_kept_as_evidence(
    studio: Studio, page: Any, evil: tuple[int, int], tmp_path: Path
) -> None:
    case, _reply = evil
    photo = tmp_path / "<b>photo.png"
    photo.write_bytes(noise(1_400, 1_000))
    assert photo.stat().st_size > 1_000_000
    page.goto(f"{studio.url}/cases/{case}")
    page.get_by_text("Add", exact=True).click()
    page.locator("input[type=file]").set_input_files(photo)
    expect(page.locator("input[name=photo]")).to_have_value(re.compile("^data:image/jpeg"))
    page.get_by_role("button", name="Keep as evidence").click()
    expect(page.get_by_role("status")).to_contain_text("1 new entry")
    shown = page.locator("a.photo img[src*=evidence]")
    shown.scroll_into_view_if_needed()
    expect(shown).to_have_js_property("complete", True)
    assert shown.evaluate("one => one.naturalWidth") > 300


def noise(wide: int, high: int) -> bytes:
    """A picture that no compression makes small."""
    rows = b"".join(b"\0" + random.Random(row).randbytes(wide * 3) for row in range(high))
    size = struct.pack(">IIBBBBB", wide, high, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", size), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def test_the_pages_fit_a_phone(studio: Studio, narrow: Any, evil: tuple[int, int]) -> None:
    case, reply = evil
    for path in [*PAGES, f"/cases/{case}", f"/replies/{reply}", f"/cases/{case}/reply"]:
        narrow.goto(f"{studio.url}{path}")
        over = narrow.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert over <= 0, path


def test_templates_are_looked_at_inside_the_studio(studio: Studio, page: Any) -> None:
    page.goto(f"{studio.url}/templates")
    page.wait_for_selector("html[data-shown]")
    expect(page.locator(".menu a[aria-current]")).to_contain_text("Templates")
    frame = page.frame_locator(".frames iframe:not(.coming)")
    before = frame.locator("body").inner_text()
    page.keyboard.press("j")
    expect(frame.locator("body")).not_to_have_text(before)
    path = studio.app.home / "templates" / "during_sale" / "shipped.en.mjml"
    page.goto(f"{studio.url}/templates#template=during_sale/shipped&language=en")
    expect(frame.locator("h1")).to_have_text("Your parcel is on its way")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("Your parcel is on its way", "It has left!"), encoding="utf-8")
    expect(frame.locator("h1")).to_have_text("It has left!", timeout=15_000)
    path.write_text(text, encoding="utf-8")
