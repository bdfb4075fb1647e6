"""The base of the data sets: items and subsets by PyG's rules."""

from __future__ import annotations

from typing import Any, Self, overload

import numpy as np
from torch import Tensor
from torch_geometric.data import Dataset

from torch_afm.data import AFMData


class GraphDataset(Dataset):
    """PyG's :class:`~torch_geometric.data.Dataset` of :class:`~torch_afm.data.AFMData`: items by (negative)
    integers, with the ``transform`` applied; subsets, which share their data, by slices, ranges, lists,
    arrays and tensors of integers or booleans; :meth:`shuffle`."""

    @overload
    def __getitem__(self, idx: int | np.integer[Any]) -> AFMData: ...

    @overload
    def __getitem__(self, idx: Any) -> Self: ...

    def __getitem__(self, idx: Any) -> Any:
        return super().__getitem__(idx)

    def index_select(self, idx: Any) -> Self:
        """The subset of these items.

        Raises:
            IndexError: for what is no index of an item, and for masks of another length.
        """
        if not isinstance(idx, slice):
            index = np.asarray(idx.cpu() if isinstance(idx, Tensor) else idx)
            if index.ndim != 1 or (len(index) and index.dtype.kind not in "iub"):
                raise IndexError(f"index: expected integers, booleans or a slice, got {idx!r}")
            if index.dtype == bool:
                if len(index) != len(self):
                    raise IndexError(f"index: expected a mask of {len(self)} booleans, got {len(index)}")
                index = np.flatnonzero(index)
            idx = index.tolist()
        return super().index_select(idx)

    def _chosen(self) -> str:
        """For ``repr``: how many items of all a subset has."""
        return "" if self._indices is None else f", {len(self)} of {self.len()} items"

    def transformed(self, data: AFMData) -> AFMData:
        """``data`` after the ``transform``, if there is one."""
        return data if self.transform is None else self.transform(data)
