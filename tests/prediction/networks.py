"""Networks that know the answer, for tests of what is built around a network."""

from __future__ import annotations

import torch
from torch import nn
from torch_geometric.data import Batch

from torch_afm.config import Scan, ScanGeneratorConfig, SequentialGeneratorConfig, SpatialGeneratorConfig
from torch_afm.data import AFMData, covalent_bonds
from torch_afm.elements import AtomClasses
from torch_afm.models import Proposal, Revision, ScanGenerator, SequentialGenerator, SpatialGenerator
from torch_afm.nn import GraphOutput, MapGrid, SpatialPrediction, StepPrediction, class_planes

#: Scan of the :class:`Oracle` and of a :class:`Script`, and first anchor height in Å.
SCAN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(16, 16), n_slices=2)
THIN = Scan(window=((-4.0, 4.0), (-4.0, 4.0)), pixels=(12, 10), n_slices=3)
Z_TOP = 9.0

GRID = MapGrid.from_scan(SCAN, 2)


class Script(SequentialGenerator):
    """A network that predicts the given ``(class, position, bonded)`` one after the other, then stop."""

    def __init__(self, *lines: tuple[int, tuple[float, float, float], tuple[int, ...]]) -> None:
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.zeros(1))
        self.config = SequentialGeneratorConfig(scan=THIN)
        self.classes = AtomClasses()
        self.lines = [*lines, (0, (0.0, 0.0, 0.0), ())]
        self.seen: list[Batch] = []
        self.modes: list[bool] = []

    def forward(self, batch: Batch) -> StepPrediction:
        label, pos, bonded = self.lines[min(len(self.seen), len(self.lines) - 1)]
        self.seen.append(batch)
        self.modes.append(self.training)
        logits = torch.zeros(batch.num_graphs, 3)
        logits[:, label] = 2.0
        edges = torch.full((batch.z.numel(),), -0.1)
        edges[list(bonded)] = 0.1  # either side of a probability of 0.5
        return StepPrediction(logits, torch.tensor([pos]).expand(batch.num_graphs, 3), edges)


class Oracle(SpatialGenerator):
    """Maps the missing atoms of ``truth``: logit 4 at their pixels, sigma 0.1, 0.2, 0.3 Å. Sees bonds where
    :func:`covalent_bonds` does, says that no atom should move, and believes in all but those at
    ``doubted``."""

    def __init__(
        self,
        truth: AFMData,
        stop: bool = True,
        blind: bool = False,
        logit: float = 4.0,
        doubted: float | None = None,
    ) -> None:
        nn.Module.__init__(self)
        self.weight = nn.Parameter(torch.zeros(1))
        self.truth, self.stop, self.blind, self.logit = truth, stop, blind, logit
        self.doubted = doubted
        self.config = SpatialGeneratorConfig(scan=SCAN, groups=AtomClasses().groups, channels=(8,))
        self.classes, self.grid, self.planes = AtomClasses(), GRID, class_planes(AtomClasses())
        self.seen = []

    def forward(self, batch):
        graphs = batch.to_data_list()
        self.seen.extend(graphs)
        outs = [self.one(graph) for graph in graphs]
        start = batch.ptr.tolist()
        pairs = torch.cat([out.graph.pairs + k for out, k in zip(outs, start, strict=False)], dim=1)
        graph = (torch.cat(parts) for parts in list(zip(*(out.graph for out in outs), strict=True))[1:])
        maps = (torch.cat(parts) for parts in list(zip(*outs, strict=True))[:5])
        return SpatialPrediction(*maps, GraphOutput(pairs, *graph))

    def one(self, data):
        heatmap = torch.full((1, 2, *GRID.shape), -9.0)
        position = torch.zeros(1, 2, 3, *GRID.shape)
        sigma = torch.tensor([0.1, 0.2, 0.3])
        log_var = (2 * sigma.log())[None, None, :, None, None].expand_as(position)
        x, y = GRID.axes(position)
        missing = 0
        for z, pos in zip(self.truth.z, self.truth.pos, strict=True):
            if not self.blind and ((data.pos - pos).norm(dim=1) < 1e-3).any():
                continue
            k = int(self.classes.index_of(z)) - 1
            column, row = (int(i) for i in GRID.nearest(pos[None]))
            if heatmap[0, k, row, column] < 0:  # one atom a pixel, as in a network
                heatmap[0, k, row, column] = self.logit
                position[0, k, :, row, column] = torch.stack([pos[0] - x[column], pos[1] - y[row], pos[2]])
            missing += bool(pos[2] >= -0.7)
        stop = torch.tensor([4.0 if self.stop and not missing else -4.0])
        class_logits = torch.zeros_like(heatmap)
        return SpatialPrediction(heatmap, class_logits, position, log_var, stop, self.of_graph(data))

    def of_graph(self, data):
        pairs = (torch.cdist(data.pos, data.pos) < 2.8).triu(diagonal=1).nonzero().T
        known = {tuple(pair) for pair in covalent_bonds(data.z, data.pos).T.tolist()}
        bond = torch.tensor([4.0 if tuple(pair) in known else -4.0 for pair in pairs.T.tolist()])
        log_var = (2 * torch.tensor([0.1, 0.2, 0.3]).log()).expand(len(data.z), 3)
        real = torch.full((len(data.z),), 4.0)
        if self.doubted is not None:
            real[(data.pos[:, 2] - self.doubted).abs() < 1e-4] = -4.0
        return GraphOutput(pairs, bond, torch.zeros(len(data.z), 3), log_var, real)


def by_place(z, pos):
    return sorted(zip(z.tolist(), (tuple(round(v, 4) for v in p) for p in pos.tolist()), strict=True))


class WholeOracle(ScanGenerator):
    """Proposes the missing atoms of ``truth``, whose middle is that of the image, sure of each, and keeps
    what it was asked. Sees bonds where :func:`covalent_bonds` does."""

    def __init__(self, truth: AFMData, scan: Scan) -> None:
        nn.Module.__init__(self)
        self.config = ScanGeneratorConfig(scan=scan, groups=AtomClasses().groups, channels=(8,))
        self.classes, self.truth = AtomClasses(), truth
        self.seen: list[AFMData] = []

    def propose(self, graphs, views=1):
        self.seen.extend(graphs)
        return [self.one(graph) for graph in graphs]

    def one(self, graph):
        missing = (torch.cdist(self.truth.pos, graph.pos) > 0.1).all(dim=1)
        z, pos = self.truth.z[missing], self.truth.pos[missing]
        sure = torch.full((len(z),), 0.9)
        classes = nn.functional.one_hot(self.classes.index_of(z) - 1, len(self.classes) - 1).float()
        atoms = AFMData(
            z=z, pos=pos, charge=torch.zeros(len(z)), class_probabilities=classes, confidence=sure
        )
        pairs = covalent_bonds(graph.z, graph.pos)
        pairs = pairs[:, pairs[0] < pairs[1]]
        revised = Revision(graph.pos, torch.ones(len(graph.z)), pairs, torch.ones(pairs.size(1)))
        return Proposal(atoms, 0.1 if len(z) else 0.9, not len(z), revised=revised)
