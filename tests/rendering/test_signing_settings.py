from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from crm_mailer.app import rendering
from crm_mailer.model.errors import SettingsError
from crm_mailer.model.shop import Shop
from crm_mailer.settings import DkimSettings
from tests.rendering.test_dkim import saved

NONE = DkimSettings(domain="", selector="", key_file="", ed25519_selector="", ed25519_key_file="")
RSA = replace(NONE, domain="shop.example", selector="mail2026", key_file="rsa.pem")
Make = Callable[..., Any]


@pytest.fixture
def app(tmp_path: Path, shop: Shop) -> Make:
    """As much of an app as signing needs."""
    saved(tmp_path / "rsa.pem", rsa.generate_private_key(65537, 2048))
    saved(tmp_path / "ed.pem", ed25519.Ed25519PrivateKey.generate())

    def make(dkim: DkimSettings, shop: Shop = shop) -> Any:
        return SimpleNamespace(settings=SimpleNamespace(dkim=dkim), home=tmp_path, shop=shop)

    return make


def test_without_settings_nothing_is_signed(app: Make) -> None:
    assert rendering.signer(app(NONE)) is None


def test_keys_lie_in_the_shops_folder_and_are_read_once(app: Make, tmp_path: Path) -> None:
    both = replace(RSA, ed25519_selector="ed2026", ed25519_key_file="ed.pem")

    first = rendering.signer(app(both))
    (tmp_path / "rsa.pem").unlink()

    assert first is not None
    assert [(key.algorithm, key.selector) for key in first.keys] == [
        ("rsa-sha256", "mail2026"),
        ("ed25519-sha256", "ed2026"),
    ]
    assert rendering.signer(app(both)) is first


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"domain": ""}, "dkim.domain"),
        ({"selector": ""}, "dkim.selector"),
        ({"key_file": ""}, "dkim.key_file"),
        ({"ed25519_selector": "ed"}, "dkim.ed25519_key_file"),
        ({"ed25519_key_file": "ed.pem"}, "dkim.ed25519_selector"),
        ({"key_file": "", "selector": "", "domain": "", "ed25519_key_file": "ed.pem"}, "domain"),
    ],
)
def test_half_of_the_settings_is_an_error_that_names_the_other_half(
    app: Make, changes: dict[str, str], missing: str
) -> None:
    with pytest.raises(SettingsError, match=f"{missing}` is missing") as caught:
        rendering.signer(app(replace(RSA, **changes)))

    assert "crm-mailer.toml" in caught.value.hint


@pytest.mark.parametrize(
    ("sender", "is_warned"),
    [
        ("news@shop.example", False),
        ("news@mail.shop.example", False),
        ("news@othershop.example", True),
    ],
)
def test_a_signature_of_another_domain_than_the_senders_is_warned_of(
    app: Make, shop: Shop, sender: str, is_warned: bool
) -> None:
    rendering._warn_of_other_domain.cache_clear()

    with structlog.testing.capture_logs() as logged:
        rendering.signer(app(RSA, replace(shop, sender=sender, orders_sender="")))

    assert bool(logged) is is_warned
