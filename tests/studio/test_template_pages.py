from __future__ import annotations

import threading
from http.client import HTTPConnection
from pathlib import Path

import pytest

from crm_mailer.studio import server as studio_server
from crm_mailer.web.serving import LOOPBACK
from tests.studio.conftest import Studio, open_shop, served


def test_every_template_is_listed(studio: Studio) -> None:
    told = studio.json("/templates.json")
    names = [one["name"] for one in told["templates"]]

    assert "during_sale/shipped" in names
    assert names[-1].startswith("replies/")
    assert studio.json("/templates/catalogue.json")["templates"] == told["templates"]


def test_a_mail_has_its_own_policy_behind_the_studios_door(studio: Studio) -> None:
    answer = studio.get("/templates/mail.html?template=during_sale/shipped&language=en")
    look = studio.json("/templates/look.json", template="during_sale/shipped", language="en")

    assert answer.status == 200
    assert "sandbox allow-same-origin" in answer.headers["content-security-policy"]
    assert look["subject"].endswith("is on its way")
    assert studio.get("/templates/mail.html", Host="evil.example").status in (400, 403, 421)


@pytest.mark.parametrize("name", ["..%2fserver.py", "page.html", "none.js"])
def test_no_other_file_is_given(studio: Studio, name: str) -> None:
    assert studio.get(f"/templates/assets/{name}").status == 404


def test_open_pages_are_let_go_when_the_studio_ends(shop_template: Path, tmp_path: Path) -> None:
    told: list[bytes] = []
    with open_shop(shop_template, tmp_path / "shop") as app:
        web = studio_server.application(app)
        with served(web) as port:
            line = HTTPConnection(LOOPBACK, port, timeout=30)
            line.request("GET", "/templates/events")
            answer = line.getresponse()
            told.append(answer.readline())
            listener = threading.Thread(target=lambda: told.append(answer.read()))
            listener.start()
        listener.join(10)
        assert not listener.is_alive()
        line.close()

    assert told[0] == b"data: hello\n"
