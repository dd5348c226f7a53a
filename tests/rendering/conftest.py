"""A folder of small templates, a shop, keys, and a composer over them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from crm_mailer.model.shop import Shop
from crm_mailer.model.token import KeyRing
from crm_mailer.rendering.compose import Composer
from crm_mailer.rendering.library import TemplateLibrary

Write = Callable[..., Path]
PREVIEW = "<mj-preview>One line that makes the reader open it.</mj-preview>"


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    folder = tmp_path / "templates"
    folder.mkdir()
    return folder


@pytest.fixture
def write(templates: Path) -> Write:
    """Writes a template: the content of a column, or a whole file where it begins with <mjml."""

    def write_it(name: str, content: str, *, title: str = "Subject", head: str = "") -> Path:
        path = templates / name
        path.parent.mkdir(parents=True, exist_ok=True)
        is_whole = content.startswith("<mjml") or "/layout/" in str(path)
        path.write_text(content if is_whole else whole(content, title=title, head=head))
        return path

    return write_it


def whole(content: str, *, title: str = "Subject", head: str = "") -> str:
    return (
        f"<mjml>\n<mj-head><mj-title>{title}</mj-title>{PREVIEW}{head}</mj-head>\n<mj-body>\n"
        f"<mj-section><mj-column>\n{content}\n</mj-column></mj-section>\n</mj-body>\n</mjml>\n"
    )


@pytest.fixture
def shop() -> Shop:
    return Shop(
        name="Lotus Shop",
        url="https://shop.example",
        postal_address="18 Lakeside Road, Hangzhou",
        sender="news@shop.example",
        orders_sender="orders@shop.example",
        reply_to="care@shop.example",
        languages=("en", "ru"),
        time_zone="Asia/Shanghai",
        subject_prefix={"CN": "(AD) "},
    )


@pytest.fixture
def keys() -> KeyRing:
    return KeyRing({1: b"k" * 32}, 1)


@pytest.fixture
def compose_with(templates: Path, shop: Shop, keys: KeyRing) -> Callable[[], Composer]:
    """Makes the composer after the templates have been written."""
    return lambda: Composer(TemplateLibrary(templates), shop, keys)
