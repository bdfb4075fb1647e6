"""What a process keeps of what it has made, up to a number of bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Any


class LRUCache:
    """Values by key; beyond ``limit`` bytes, those not used for longest are dropped. Pickles and deep copies
    are empty: each process makes its own.

    Args:
        limit: bytes of all values; 0 keeps nothing.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> Any:
        """The value of ``key``; ``None`` where there is none."""
        if key not in self._values:
            return None
        self._values.move_to_end(key)
        return self._values[key][0]

    def put(self, key: Hashable, value: Any, n_bytes: int) -> None:
        """Keep a value that was not there, unless it is larger than all that can be kept."""
        if n_bytes > self.limit:
            return
        self._values[key] = value, n_bytes
        self._bytes += n_bytes
        while self._bytes > self.limit:
            self._bytes -= self._values.popitem(last=False)[1][1]

    def __reduce__(self) -> tuple[type[LRUCache], tuple[int]]:
        return LRUCache, (self.limit,)
