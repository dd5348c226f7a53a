"""A campaign's topic is one of the shop's."""

from __future__ import annotations

from pathlib import Path

from crm_mailer.definitions.library import load
from tests.small_shop import small_shop


def _loaded(home: Path, topic: str, topics: str) -> list[str]:
    small_shop(home, {"birthday"}, {"care/birthday"})
    campaign = home / "campaigns" / "lifecycle" / "birthday.yaml"
    campaign.write_text(campaign.read_text("utf-8").replace("mode: draft", f"mode: draft\n{topic}"))
    shop = home / "campaigns" / "shop.yaml"
    shop.write_text(shop.read_text("utf-8").replace("topics: {}", topics))
    found = load(home / "campaigns", {"care/birthday": {"en": Path(), "es": Path(), "ru": Path()}})
    return [one.code for one in found.errors]


def test_a_topic_that_the_shop_has_is_read(tmp_path: Path) -> None:
    assert _loaded(tmp_path, "topic: wishes", "topics: {wishes: {en: Wishes}}") == []


def test_a_topic_that_nobody_could_leave_is_an_error(tmp_path: Path) -> None:
    assert _loaded(tmp_path, "topic: wishez", "topics: {wishes: {en: Wishes}}") == ["CRM137"]


def test_a_topic_needs_a_name_in_some_language(tmp_path: Path) -> None:
    assert _loaded(tmp_path, "topic: wishes", "topics: {wishes: {}}") != []
