from __future__ import annotations

from pathlib import Path

import pytest

from crm_mailer.delivering import witness
from crm_mailer.delivering.witness import Mark, Witness
from crm_mailer.store.engine import Store
from tests.conftest import StandingClock


def test_a_sender_that_counts_on_meanwhile_does_not_make_the_database_look_older(
    store: Store, clock: StandingClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Witness(tmp_path)

    def count_on() -> None:
        with store.write(durable=True) as connection:
            other.bear(connection, clock.now())
        other.keep()

    def read(folder: Path) -> Mark | None:
        """Another sender takes its turn right before the file is read."""
        monkeypatch.undo()
        count_on()
        return witness.read(folder)

    count_on()
    monkeypatch.setattr(witness, "read", read)

    Witness(tmp_path).check(store, clock.now())

    mark = witness.read(tmp_path)
    assert mark is not None
    assert mark.number == 2
