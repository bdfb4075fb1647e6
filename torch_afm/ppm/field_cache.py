"""Fields that were computed last, for scans that differ in the tip and its height alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np
from torch import Tensor

#: Fields kept; that of a window of 16 x 16 Å takes 50 MB.
_KEPT = 2


class FieldCache:
    """The last fields of a model by what they are of, each over a box. A box that a kept one covers is cut
    from nothing: the kept field serves. One that it does not cover extends the kept one, by twice what it
    lacks, so that a range of heights or tilts costs few computations."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[np.ndarray, np.ndarray, tuple[Tensor, np.ndarray]]] = (
            OrderedDict()
        )

    def field(
        self,
        key: Hashable,
        low: np.ndarray,
        high: np.ndarray,
        compute: Callable[[np.ndarray, np.ndarray], tuple[Tensor, np.ndarray]],
    ) -> tuple[Tensor, np.ndarray]:
        """The field of ``key``, from ``low`` to ``high`` at least, computed where none is kept.

        Shapes:
            low and high ``[3]``, corners of the box.
        """
        if key in self._kept:
            kept_low, kept_high, found = self._kept[key]
            if (low >= kept_low).all() and (high <= kept_high).all():
                self._kept.move_to_end(key)
                return found
            low = kept_low - 2 * np.maximum(kept_low - low, 0)
            high = kept_high + 2 * np.maximum(high - kept_high, 0)
        found = compute(low, high)
        self._kept[key] = low, high, found
        self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found
