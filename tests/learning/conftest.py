"""The small shop of the learning tests."""

from __future__ import annotations

import pytest

from crm_mailer.store.engine import Store
from tests.learning.shop import SmallShop


@pytest.fixture
def shop(store: Store) -> SmallShop:
    return SmallShop(store)
