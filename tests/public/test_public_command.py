"""`crm-mailer public` as people start it: it serves, says where, and ends when told."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path

from click.testing import CliRunner

from crm_mailer.app import App, rounds
from crm_mailer.cli import group
from crm_mailer.model.token import Purpose
from crm_mailer.settings import read_settings
from crm_mailer.store import preferences
from tests.conftest import NOON, StandingClock
from tests.public import page_site
from tests.public.page_site import HOST, ONE_CLICK, PageSite

BOB = "bob@example.com"


def test_it_serves_until_it_is_told_to_end(built: Path, tmp_path: Path) -> None:
    app = page_site.copy(built, tmp_path / "shop")
    token = app.keys.make(Purpose.UNSUBSCRIBE, page_site.mail_to(app, BOB))
    told = {**os.environ, "CRM_MAILER_LANGUAGE": "en", "COLUMNS": "200"}
    command = [sys.executable, "-m", "crm_mailer", "--home", str(app.home), "public", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=told) as process:
        assert process.stderr is not None
        looked = (re.search(r"http://127\.0\.0\.1:(\d+)/", said) for said in process.stderr)
        found = next(filter(None, looked), None)
        assert found is not None
        line = HTTPConnection("127.0.0.1", int(found[1]), timeout=20)
        line.request(
            "POST", f"/u/{token}", ONE_CLICK, {"Host": HOST, "Content-Type": page_site.FORM}
        )
        assert line.getresponse().status == 200
        line.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) in (0, -signal.SIGTERM)
    with app.store.read() as connection:
        assert preferences.has_waiting(connection)
    app.close()


def test_the_daemon_takes_in_what_was_done_there(site: PageSite) -> None:
    site.post(site.link(Purpose.UNSUBSCRIBE, BOB), act="stop")
    assert rounds.heed(site.app) == "wishes 1"
    assert rounds.heed(site.app) == ""


def test_a_shop_whose_file_is_wrong_serves_no_pages(built: Path, tmp_path: Path) -> None:
    app = page_site.copy(built, tmp_path / "shop")
    app.close()
    (app.home / "campaigns" / "shop.yaml").write_text("name: [", encoding="utf-8")
    result = CliRunner().invoke(group, ["--home", str(app.home), "public", "--port", "0"])
    assert result.exit_code != 0


def test_a_shop_file_that_breaks_later_leaves_the_pages_as_they_are(site: PageSite) -> None:
    path = site.link(Purpose.UNSUBSCRIBE, BOB)
    shop = site.app.home / "campaigns" / "shop.yaml"
    before = shop.read_text("utf-8")
    shop.write_text("name: [", encoding="utf-8")
    broken = App(site.app.home, read_settings(site.app.home, {}), StandingClock(NOON))
    assert not broken.definitions.has_shop
    broken.close()
    assert "Lotus Shop" in site.ask(path, host=HOST).text
    shop.write_text(before, encoding="utf-8")
