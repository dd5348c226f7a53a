"""A small shop for the studio's pages: customers, orders, mails in each state, replies, cases.

Built once a session by the program's own verbs, then copied: orders are imported, campaigns
planned, mails sent into the sandbox, and two customers have written back.
"""

from __future__ import annotations

import csv
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa

from crm_mailer.app import App, cases, importing, pausing, planning, rounds
from crm_mailer.settings import read_settings
from crm_mailer.store import alerts
from crm_mailer.store import tables as t
from tests.conftest import NOON, StandingClock
from tests.learning.shop import SmallShop
from tests.small_shop import small_shop

CAMPAIGNS = {"shipped", "welcome", "autumn-new-arrivals"}
TEMPLATES = {
    "during_sale/shipped",
    "care/welcome",
    "growth/new-arrivals",
    "replies/nad-damaged",
    "replies/which-order",
    "replies/other",
    "replies/hurry-in-time",
    "replies/clash-not-arrived",
    "replies/question",
}
#: A name that would be a script if a page forgot itself.
EVIL = "<script>alert(1)</script>"
#: (order, buyer, address, name, language, country, amount, days ago that it was shipped or None)
ORDERS = (
    ("A-1", "b1", "anna@gmail.com", "Anna Petrova", "ru", "RU", "120.00", 0),
    ("A-2", "b1", "anna@gmail.com", "Anna Petrova", "ru", "RU", "35.50", None),
    ("B-1", "b2", "bob@outlook.com", "Bob Miller", "en", "US", "89.90", 1),
    ("C-1", "b3", "carmen@example.es", "Carmen Ruiz", "es", "ES", "15.00", 0),
    ("D-1", "b4", "dave@example.com", EVIL, "en", "GB", "420.00", None),
    ("E-1", "b5", "", "Emil Nobody", "en", "DE", "9.99", None),
    ("F-1", "b6", "fan@qq.com", "范小姐", "en", "CN", "66.00", 0),
)
COLUMNS = (
    "order_number placed_at state platform buyer_id email customer_name language country city "
    "currency amount shipped_at carrier tracking_number sku title quantity price"
).split()


def build(home: Path) -> Path:
    """The shop, in a new folder; its database stands at NOON."""
    small_shop(home, CAMPAIGNS, TEMPLATES)
    _go_live(home)
    app = App(home, read_settings(home, {}), StandingClock())
    try:
        _import(app)
        rounds.segment(app)
        planning.apply(app)
        rounds.send(app)
        _hear(app)
        _trouble(app)
    finally:
        app.close()
    return home


def _go_live(home: Path) -> None:
    """Order mail leaves; the welcome waits to be released; the EDM is for next week."""
    modes = {"lifecycle/shipped": "live", "lifecycle/welcome": "manual"}
    for name, mode in {**modes, "edm/autumn-new-arrivals": "live"}.items():
        path = home / "campaigns" / f"{name}.yaml"
        text = path.read_text(encoding="utf-8").replace("mode: draft", f"mode: {mode}", 1)
        path.write_text(text.replace("2011-10-04", f"{NOON + timedelta(days=7):%F}"), "utf-8")


def _import(app: App) -> None:
    path = app.home / "orders.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for number, buyer, email, name, language, country, amount, shipped in ORDERS:
            placed = NOON - timedelta(days=2)
            left = "" if shipped is None else f"{NOON - timedelta(days=shipped, hours=1):%F %T}"
            writer.writerow([
                number, f"{placed:%F %T}", "shipped" if left else "paid", "shop", buyer, email,
                name, language, country, "", "USD", amount, left, "DHL" if left else "",
                "JD0146" if left else "", "mug-1", "Mug <b>blue</b>", "1", amount,
            ])  # fmt: skip
    importing.import_orders(app, path, map_name="generic")


def _hear(app: App) -> None:
    """Anna complains about what she was told has left; Bob asks, Carmen is away."""
    shop = SmallShop.__new__(SmallShop)
    shop.store, shop.anna, shop.order = app.store, 0, 0
    with app.store.read() as connection:
        people = dict(connection.execute(sa.select(t.customers.c.email, t.customers.c.id)).all())
        orders = dict(connection.execute(sa.select(t.orders.c.number, t.orders.c.id)).all())
        mails = dict(connection.execute(
            sa.select(t.touches.c.order_id, t.touches.c.id)
            .where(t.touches.c.campaign == "shipped")).all())  # fmt: skip
    said = "The mug came in pieces! I am <i>very</i> unhappy.\nPlease send my money back."
    shop.wrote(
        "complaint", "nad.damaged", received_at=NOON - timedelta(hours=1), sender="anna@gmail.com",
        subject="Re: your order", own_text=said, full_text=f"{said}\n\n> Your parcel is on its way",
        language="en", severity="P2", asks="refund", score=4.0, message_id="<r1@mail.example>",
        evidence=[{"code": "nad.damaged", "weight": 3.0, "words": "in pieces"}],
        customer_id=people["anna@gmail.com"], order_id=orders["A-1"], touch_id=mails[orders["A-1"]],
        rung="token",
    )  # fmt: skip
    shop.wrote(
        "question", "ask.hurry", received_at=NOON - timedelta(minutes=30), sender="bob@outlook.com",
        subject="When?", own_text="When will it be here?", full_text="When will it be here?",
        language="en", message_id="<r2@mail.example>", customer_id=people["bob@outlook.com"],
        order_id=orders["B-1"],
    )  # fmt: skip
    shop.wrote(
        None, kind="auto_reply", received_at=NOON - timedelta(minutes=20),
        sender="carmen@example.es", subject="Fuera", own_text="Estoy fuera.", language="es",
        customer_id=people["carmen@example.es"], order_id=None,
    )  # fmt: skip
    cases.learn(app)


def _trouble(app: App) -> None:
    pausing.pause(app, lane="mailru", reason="they asked us to wait")
    with app.store.write() as connection:
        alerts.raise_(
            connection, "account:sandbox/auth", "the mail server refused the password",
            hint="see smtp.password in crm-mailer.toml", now=NOON,
        )  # fmt: skip
