"""The graph of a molecule with its stacks, PyG's ``Data`` with the keys of this package."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data

from torch_afm.utils import InputError


class _Optional(Tensor):
    """What ``__inc__`` returns for ``pos``: zero, and which optional keys of a renderer the graph has.

    Collation keeps the keys of the first graph alone: where that is a molecule, the cells of all others would
    be dropped in silence. No method of a graph sees another one, but PyG stacks these increments of all
    graphs, and there a mixture is refused."""

    periodic: bool
    dipolar: bool

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if func is torch.stack and len({getattr(a, "periodic", None) for a in args[0]}) > 1:
                raise InputError(
                    "batch: expected cell and pbc in all graphs or in none, got them in some; give others "
                    "cell=torch.zeros(1, 3, 3) and pbc=torch.zeros(1, 3, dtype=torch.bool)"
                )
            if func is torch.stack and len({getattr(a, "dipolar", None) for a in args[0]}) > 1:
                raise InputError(
                    "batch: expected dipole in all graphs or in none, got it in some; give others "
                    "dipole=torch.zeros(n, 3)"
                )
            return func(*args, **(kwargs or {}))


@cache
def _optional(periodic: bool, dipolar: bool) -> Tensor:
    increment = torch.zeros((), dtype=torch.long).as_subclass(_Optional)
    increment.periodic, increment.dipolar = periodic, dipolar
    return increment


class AFMData(Data):
    r"""A molecule graph with its AFM stacks; every argument is optional.

    Axis order, everywhere: a stack is ``(C, Z, Y, X)``, Z from far to near. The graph's frame has the scan
    window's center at x = y = 0 and, in training samples and predictions, the top atom of the full molecule
    at z = 0.

    Args:
        z: atomic numbers.
        pos: positions in Å.
        charge: partial charges in e.
        edge_index: covalent bonds, each in both directions.
        reference: Δf stack of the full molecule.
        simulated: Δf stack of this graph (the "mutant", or the graph generated so far).
        missing_z: atomic numbers of the atoms still to be found. With them comes ``missing_graph``, the index
            of the graph that misses each: 0, and counted up by collation, as ``batch`` is for ``z``.
        missing_pos: their positions in Å.
        missing_edge_index: bonds from missing atoms (row 0) to atoms of this graph (row 1).
        z_top: first anchor height of the scan in Å, in the graph's frame.
        dipole: atomic dipoles in e Å, beside the charges in what the renderers feel; none where missing.
        **kwargs: anything else, as in :class:`torch_geometric.data.Data`; a periodic surface has ``cell``
            ``[1, 3, 3]`` (lattice vectors in rows, Å) and ``pbc`` ``[1, 3]``, which the renderers heed. In a
            batch, all graphs have them or none has, and the same with dipoles: PyG would drop what the first
            graph lacks.
            Collation counts up every key that ends in ``_graph`` from graph to graph.

    Shapes:
        z ``[N]``, pos ``[N, 3]``, charge ``[N]``, edge_index ``[2, E]``, stacks ``[1, C, Z, Y, X]`` (batched
        along dim 0), missing_z and missing_graph ``[M]``, missing_pos ``[M, 3]``, missing_edge_index
        ``[2, K]``, z_top ``[1]``, dipole ``[N, 3]``.
    """

    def __init__(
        self,
        z: Tensor | None = None,
        pos: Tensor | None = None,
        charge: Tensor | None = None,
        edge_index: Tensor | None = None,
        reference: Tensor | None = None,
        simulated: Tensor | None = None,
        missing_z: Tensor | None = None,
        missing_pos: Tensor | None = None,
        missing_edge_index: Tensor | None = None,
        z_top: Tensor | None = None,
        dipole: Tensor | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        given = {
            "z": z,
            "pos": pos,
            "charge": charge,
            "edge_index": edge_index,
            "reference": reference,
            "simulated": simulated,
            "missing_z": missing_z,
            "missing_pos": missing_pos,
            "missing_edge_index": missing_edge_index,
            "z_top": z_top,
            "dipole": dipole,
        }
        for key, value in given.items():
            if value is not None:
                self[key] = value

    @classmethod
    def empty(cls) -> AFMData:
        """The graph without atoms, where every generation starts."""
        return cls(
            z=torch.empty(0, dtype=torch.long),
            pos=torch.empty(0, 3),
            charge=torch.empty(0),
            edge_index=torch.empty(2, 0, dtype=torch.long),
        )

    @property
    def num_missing(self) -> int:
        """Number of missing atoms (0 when the graph carries no targets)."""
        return int(self.missing_z.numel()) if "missing_z" in self else 0

    def __setattr__(self, key: str, value: Any) -> None:
        super().__setattr__(key, value)
        self._number_missing(key, value)

    def __setitem__(self, key: str, value: Any) -> None:
        super().__setitem__(key, value)
        self._number_missing(key, value)

    def _number_missing(self, key: str, value: Any) -> None:
        # A batch has its numbers from collation.
        if key == "missing_z" and not isinstance(self, Batch):
            self.missing_graph = torch.zeros(len(value), dtype=torch.long, device=value.device)

    def __inc__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if key.endswith("_graph"):
            return 1
        if key == "missing_edge_index":
            # The rows count different things, so each carries its own offset.
            return value.new_tensor([[self.num_missing], [self.num_nodes or 0]])
        if key == "pos":
            return _optional("pbc" in self, "dipole" in self)
        return super().__inc__(key, value, *args, **kwargs)

    def __cat_dim__(self, key: str, value: Any, *args: Any, **kwargs: Any) -> Any:
        if key in ("reference", "simulated"):
            return 0
        return super().__cat_dim__(key, value, *args, **kwargs)


def pack_atoms(graphs: Sequence[AFMData]) -> Batch:
    """The atoms of graphs, collated for a renderer: ``z``, ``pos``, ``charge``, where any graph has dipoles
    ``dipole`` (0 for the others), and ``ptr`` alone, several times faster than
    :meth:`torch_geometric.data.Batch.from_data_list`."""
    batch = Batch(_base_cls=AFMData)
    for key in ("z", "pos", "charge"):
        batch[key] = torch.cat([graph[key] for graph in graphs])
    dipoles = [graph.get("dipole") for graph in graphs]
    if any(d is not None for d in dipoles):
        none = (torch.zeros_like(graph.pos) for graph in graphs)
        batch.dipole = torch.cat([n if d is None else d for d, n in zip(dipoles, none, strict=True)])
    batch.ptr = torch.tensor([0] + [len(graph.z) for graph in graphs]).cumsum(0)
    return batch
