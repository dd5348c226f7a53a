from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.definitions.column_maps import choose_map, read_map, read_maps, shipped_maps
from crm_mailer.model.errors import DefinitionError, NotFound
from crm_mailer.model.order import OrderState


def write(folder: Path, text: str, name: str = "own.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_platform_has_a_map_with_its_source() -> None:
    names = {one.name for one in shipped_maps()}

    assert names == set(
        "aliexpress alibaba amazon dhgate ebay generic lazada shopee shopify transactions wish "
        "woocommerce".split()
    )
    assert all(one.source and one.confidence and one.title for one in shipped_maps())


def test_the_generic_map_has_a_column_for_every_state() -> None:
    columns = read_maps()["generic"].columns

    assert all(f"{state.value}_at" in columns for state in OrderState if state != "reviewed")
    assert "reviewed_at" in columns


def test_a_shops_own_map_wins_over_the_shipped_one(tmp_path: Path) -> None:
    write(tmp_path, "name: ebay\ncolumns: {order_number: Nr, placed_at: Tag}\n")

    assert read_maps(tmp_path)["ebay"].columns["order_number"] == ("Nr",)


def test_a_misspelt_field_is_shown_at_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, "name: own\ncolumns:\n  order_nmber: Nr\n")

    with pytest.raises(DefinitionError) as caught:
        read_map(path)

    assert "own.yaml:3:3" in str(caught.value)
    assert "did you mean `order_number`?" in str(caught.value)


def test_a_misspelt_state_is_shown_at_its_place(tmp_path: Path) -> None:
    path = write(tmp_path, "name: own\ncolumns: {order_number: Nr}\nstates:\n  shiped: [sent]\n")

    with pytest.raises(DefinitionError, match="did you mean `shipped`"):
        read_map(path)


def test_a_misspelt_position_is_shown(tmp_path: Path) -> None:
    path = write(tmp_path, "name: own\ncolumns: {}\npositions: [buyer_id, -, amonut]\n")

    with pytest.raises(DefinitionError, match="did you mean `amount`"):
        read_map(path)


def test_a_map_that_does_not_exist_is_guessed() -> None:
    with pytest.raises(NotFound) as caught:
        choose_map("shopfy", read_maps())

    assert caught.value.hint == "did you mean `shopify`?"


def test_a_map_may_be_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, "name: own\ncolumns: {order_number: Nr}\nstates: {paid: bezahlt}\n")

    assert choose_map(str(path), {}).states == {"bezahlt": OrderState.PAID}
