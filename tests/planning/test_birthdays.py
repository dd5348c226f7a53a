"""What a rule says of birthdays is what planning does."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from crm_mailer.model.moment import local_day
from crm_mailer.model.shop import Shop
from crm_mailer.model.standing import Standing
from crm_mailer.planning import calendar, decisions
from crm_mailer.segmenting.facts import facts
from crm_mailer.store import stories
from crm_mailer.store.occasions import Occasion
from crm_mailer.store.tables import customers

#: A customer's row of whom nothing is known.
NOBODY = {column.name: None for column in customers.c} | {
    "id": 1,
    "created_at": datetime(2023, 1, 1, tzinfo=UTC),
}
START = datetime(2024, 1, 1, tzinfo=UTC)
zones = st.sampled_from(
    ["", "Asia/Shanghai", "Pacific/Kiritimati", "America/St_Johns", "Europe/Moscow", "Nowhere/Land"]
)
countries = st.sampled_from(["", "US", "RU", "CN", "CL", "ru"])
regions = st.sampled_from(["", "HI", "Hawaii", "Камчатский край", "Nirgends"])
tables = st.lists(
    st.sampled_from(
        [
            ("RU", "Asia/Kamchatka"),
            ("US", "America/Denver"),
            ("US-HI", "Pacific/Kiritimati"),
            ("RU-Камчатский край", "Europe/Samara"),
        ]
    ),
    unique=True,
).map(lambda found: tuple(sorted(found)))
births = st.sampled_from([(2, 28), (2, 29), (3, 1), (12, 31), (1, 1), (4, 6), (10, 25)])


@settings(max_examples=300, deadline=None)
@given(
    zones, countries, regions, tables, births, st.sampled_from([(2, 28), (3, 1)]),
    st.integers(0, 3 * 365 * 24),
)  # fmt: skip
def test_on_the_day_of_a_birthday_mail_the_birthday_is_in_0_days(
    time_zone: str,
    country: str,
    region: str,
    table: tuple[tuple[str, str], ...],
    born: tuple[int, int],
    leap_day: tuple[int, int],
    hours: int,
) -> None:
    shop = Shop(name="S", time_zone="Asia/Shanghai", time_zones=table, leap_day=leap_day)
    one = Occasion(key=0, customer_id=1, email="a@b.example", country=country, region=region,
                   time_zone=time_zone, standing=Standing())  # fmt: skip
    place = decisions.zone_of(one, shop)
    today = local_day(START + timedelta(hours=hours), place)
    day = calendar.celebration(born, today, leap_day=leap_day)
    row = {**NOBODY, "time_zone": time_zone, "country": country, "region": region,
           "birth_month": born[0], "birth_day": born[1]}  # fmt: skip
    midnight = decisions.anchored_at(replace(one, day=day), place)

    def days_at(now: datetime) -> int | None:
        known = stories.Known(customer=row, score=None, tags=(), order_states=(), stars=(),
                              has_open_case=False, purchases=(), segments=frozenset())  # fmt: skip
        found = facts(known, now=now, zone=ZoneInfo(shop.time_zone), time_zones=table,
                      leap_day=leap_day)  # fmt: skip
        days: int | None = found.values["birthday_in_days"]
        return days

    assert days_at(midnight) == 0
    assert days_at(midnight + timedelta(hours=12)) == 0
    assert days_at(midnight - timedelta(minutes=1)) == 1
