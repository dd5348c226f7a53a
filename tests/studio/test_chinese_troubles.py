"""What goes wrong is told on a page in its reader's language, and to programs as it is."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from crm_mailer import i18n
from tests.studio.conftest import Studio

RULE = quote("id: odd\nname: Odd\nrule:\n  ordrs: 2\n")
BROKEN = """\
id: broken
kind: lifecycle
anchor: {event: order.paid}
steps:
  - {id: hello, templat: after_sale/welcome}
"""
#: What the rooms say; their own tests see to it that the catalogue has all of it.
SAID = {
    "unknown field `{key}`": "没有字段 `{key}`",
    "did you mean `{name}`?": "是不是 `{name}`？",
}


@pytest.fixture(autouse=True)
def _chinese(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The browser reads Chinese."""
    known = i18n.catalogue("zh_CN")
    monkeypatch.setattr(i18n, "catalogue", lambda code: {**known, **SAID} if code != "en" else {})
    studio.get("/?ui=zh_CN")
    yield
    studio.get("/?ui=en")


@pytest.fixture
def broken(studio: Studio) -> Iterator[None]:
    """A campaign whose file has a fault."""
    path = studio.app.home / "campaigns" / "broken.yaml"
    path.write_text(BROKEN, encoding="utf-8")
    studio.app.reload()
    yield
    path.unlink()
    studio.app.reload()


def test_a_page_that_is_not_there(studio: Studio) -> None:
    assert "abc 不是编号" in studio.get("/cases/abc").text
    assert studio.get("/cases/abc.json").json["error"] == "abc is no number"


def test_an_act_that_is_not_possible_is_told_on_the_next_page(studio: Studio) -> None:
    answer = studio.post("/campaigns/welcome/do/dance", on="/campaigns/welcome")
    assert answer.status == 303
    assert "不能对营销活动执行 <code>dance</code>" in studio.get("/campaigns/welcome").text


def test_a_fault_of_a_file_is_told_with_its_place(studio: Studio, broken: None) -> None:
    page = studio.get("/campaigns/broken").text
    told = studio.get("/campaigns/broken.json").json["error"]
    assert "错误[CRM104]：" in page
    assert "建议：是不是 `template`？" in page
    assert "error[CRM104]: unknown key `templat`\n  --> campaigns/broken.yaml:5:" in told


def test_the_list_tells_faults(studio: Studio, broken: None) -> None:
    assert "是不是 <code>template</code>？" in studio.get("/campaigns").text
    told = [one for row in studio.json("/campaigns.json")["campaigns"] for one in row["findings"]]
    assert "unknown key `templat`" in [one["message"] for one in told]


def test_a_rule_is_judged_while_it_is_written(studio: Studio) -> None:
    page = studio.get(f"/segments/try?text={RULE}").text
    [told] = studio.get(f"/segments/try.json?text={RULE}").json["tried"]["problems"]
    assert "没有 `ordrs` 这个字段" in page
    assert "第 4 行：" in page
    assert told["message"] == "unknown field `ordrs`"


def test_the_door_refuses_in_chinese(studio: Studio) -> None:
    assert studio.post("/segments/recount", csrf="stale").text == "请重新加载页面。"
