from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from crm_mailer.app import open_app
from crm_mailer.home import KEY_FILE, find_home, make_home, make_key, read_keys
from crm_mailer.model.errors import CrmMailerError, NotFound, SettingsError
from crm_mailer.model.token import Purpose


def test_a_new_shop_has_all_that_it_needs(tmp_path: Path) -> None:
    make_home(tmp_path / "shop")
    assert (tmp_path / "shop" / "campaigns" / "shop.yaml").is_file()
    assert list((tmp_path / "shop" / "templates").rglob("*.mjml"))
    assert tomllib.loads((tmp_path / "shop" / "crm-mailer.toml").read_text()) == {
        "smtp": {},
        "limits": {},
        "guards": {},
        "dkim": {},
        "imap": {},
        "studio": {},
        "alerts": {},
        "retention": {},
    }


def test_making_it_twice_overwrites_nothing(tmp_path: Path) -> None:
    make_home(tmp_path)
    (tmp_path / "campaigns" / "shop.yaml").write_text("name: mine\n")
    key = (tmp_path / KEY_FILE).read_text()
    assert make_home(tmp_path) == []
    assert (tmp_path / "campaigns" / "shop.yaml").read_text() == "name: mine\n"
    assert (tmp_path / KEY_FILE).read_text() == key


def test_the_key_is_its_owners_alone(tmp_path: Path) -> None:
    make_key(tmp_path)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_a_shop_is_found_from_a_folder_inside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_home(tmp_path)
    monkeypatch.delenv("CRM_MAILER_HOME", raising=False)
    monkeypatch.chdir(tmp_path / "campaigns")
    assert find_home() == tmp_path.resolve()


def test_no_shop_anywhere_names_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRM_MAILER_HOME", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NotFound) as caught:
        find_home()
    assert "crm-mailer init" in caught.value.hint


def test_a_named_folder_that_is_no_shop_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no shop folder"):
        find_home(str(tmp_path))


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CrmMailerError, match="cannot write") as caught:
        make_home(tmp_path / "file" / "shop")
    assert caught.value.exit_code == 73


def test_the_last_key_signs_and_all_verify(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text(f"1:{'aa' * 32}\n2:{'bb' * 32}\n")
    old = read_keys(tmp_path, f"1:{'aa' * 32}")
    ring = read_keys(tmp_path)
    assert ring.current == 2
    assert ring.read(Purpose.VERP, old.make(Purpose.VERP, 9)) == 9


@pytest.mark.parametrize("text", ["", "nonsense", "1:xyz", "999:aa"])
def test_a_broken_key_is_not_replaced_in_silence(tmp_path: Path, text: str) -> None:
    (tmp_path / KEY_FILE).write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_keys(tmp_path)
    assert "backup" in caught.value.hint


def test_the_database_is_its_owners_alone(tmp_path: Path) -> None:
    make_home(tmp_path)
    app = open_app(str(tmp_path))
    assert app.store.is_sqlite
    app.close()
    assert stat.S_IMODE((tmp_path / "crm-mailer.db").stat().st_mode) == 0o600
