"""Which orders a file has told of already, in a few bytes each: memory stays flat."""

from __future__ import annotations

from array import array
from collections.abc import Hashable

#: Slots at first; a power of two. The table doubles when it is half full.
FIRST_SIZE = 1 << 14
EMPTY = 0


class Seen:
    """A set that keeps 64-bit hashes only, 16 to 32 bytes for each member."""

    def __init__(self) -> None:
        self.slots = array("q", bytes(8 * FIRST_SIZE))
        self.count = 0

    def add(self, key: Hashable) -> bool:
        """Put `key` in; True when it was there."""
        number = hash(key) or 1
        place = self._place(number)
        if self.slots[place] == number:
            return True
        self.slots[place] = number
        self.count += 1
        if self.count * 2 > len(self.slots):
            self._grow()
        return False

    def _place(self, number: int) -> int:
        """The slot of `number`, or the empty one where it belongs."""
        slots, mask = self.slots, len(self.slots) - 1
        place = number & mask
        while slots[place] not in (EMPTY, number):
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        old, self.slots = self.slots, array("q", bytes(16 * len(self.slots)))
        for number in old:
            if number != EMPTY:
                self.slots[self._place(number)] = number
