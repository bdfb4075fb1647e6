"""Pictures of training samples."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.viz.graphs import atom_radius, draw_graph, draw_rings
from torch_afm.viz.stacks import draw_slice, frame, scale_label


def plot_sample(data: AFMData, scan: Scan, title: str | None = None) -> Figure:
    """A training sample as the thesis' figure 4.5 shows it: above, the visible atoms and the reference stack
    of the molecule; below, the graph with some of them removed and its simulated stack. The atoms to be found
    are ringed above and dashed below. Of their bonds only those to atoms still there are known.

    Args:
        data: a sample of :class:`torch_afm.datasets.AFMDataset`.
        scan: the scan of its stacks.
        title: title of the figure.
    """
    n = data.z.numel()
    missing, present = data.missing_edge_index
    across = torch.stack([missing + n, present])
    whole = AFMData(
        z=torch.cat([data.z, data.missing_z]),
        pos=torch.cat([data.pos, data.missing_pos]),
        edge_index=torch.cat([data.edge_index, across, across.flip(0)], dim=1),
    )
    pos, radius = data.missing_pos.numpy(), atom_radius(data.missing_z)
    figure = Figure(figsize=(9.2, 5.3), layout=ConstrainedLayoutEngine(compress=True, h_pad=0.08))
    if title:
        figure.suptitle(title, fontsize=12, parse_math=False)
    axes = figure.subplots(2, 4)
    draw_graph(axes[0, 0], whole, scan.window)
    draw_graph(axes[1, 0], data, scan.window)
    draw_rings(axes[0, 0], pos, radius + 0.18)
    draw_rings(axes[1, 0], pos, radius, style="dashed")
    frame(axes[0, 0], "visible atoms", f"{n + len(pos)} atoms")
    frame(axes[1, 0], "graph so far", f"{n} atoms, {len(pos)} missing")
    last = scan.n_slices - 1
    for row, key in zip(axes[:, 1:], ("reference", "simulated"), strict=True):
        stack = data[key][0, 0].numpy()
        for ax, s, name in zip(row, (0, last // 2, last), ("far", "middle", "near"), strict=True):
            draw_slice(ax, stack[s], scan.x, scan.y)
            frame(ax, f"{key}, {name}", scale_label(stack[s], "(normalised)"))
    return figure
