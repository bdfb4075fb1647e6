"""Pictures of training samples, and of predictions for them."""

from __future__ import annotations

import torch
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from torch_afm.config import Scan
from torch_afm.data import AFMData, append_atom
from torch_afm.elements import AtomClasses
from torch_afm.nn import StepPrediction
from torch_afm.viz.graphs import atom_radius, draw_graph, draw_rings
from torch_afm.viz.stacks import draw_slice, frame, scale_label


def plot_sample(data: AFMData, scan: Scan, title: str | None = None) -> Figure:
    """A training sample as figure 4.5 of the graph-AFM thesis, Aalto University (see CITATION.cff), shows it:
    above, the visible atoms and the reference stack of the molecule; below, the graph with some of them
    removed and its simulated stack. The atoms to be found are ringed above and dashed below. Of their bonds
    only those to atoms still there are known.

    Args:
        data: a sample of :class:`torch_afm.datasets.AFMDataset`.
        scan: the scan of its stacks.
        title: title of the figure.
    """
    n, whole = data.z.numel(), _visible_molecule(data)
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
            frame(ax, f"{key}, {name}", scale_label(stack[s], "(normalized)"))
    return figure


def plot_step(data: AFMData, out: StepPrediction, scan: Scan, classes: AtomClasses) -> Figure:
    """A single-atom prediction as the thesis' figure 5.6 shows it. Above: the visible atoms of the molecule,
    those removed ringed; the graph that the network got; the same with the predicted atom ringed and its
    bonds, and crosses at the missing atoms. Below, under the first two, the nearest slices of their stacks;
    under the third what was predicted, and how far it is from the nearest missing atom.

    Args:
        data: a sample of :class:`torch_afm.datasets.AFMDataset`.
        out: the prediction for it alone.
        scan: the scan of its stacks.
        classes: the classes of the prediction.
    """
    n, whole = data.z.numel(), _visible_molecule(data)
    probability = out.class_logits[0].softmax(-1)
    label = int(probability.argmax())
    drawn = AFMData(z=data.z, pos=data.pos, edge_index=data.edge_index, charge=torch.zeros(n))
    if label:
        element = int(classes.representative(torch.tensor(label)))
        drawn = append_atom(drawn, element, out.pos[0], out.edge_logits > 0)

    figure = Figure(figsize=(8.4, 5.8), layout="constrained")
    (a, b, c), (d, e, f) = figure.subplots(2, 3)
    draw_graph(a, whole, scan.window)
    draw_rings(a, data.missing_pos.numpy(), atom_radius(data.missing_z) + 0.18)
    draw_graph(b, data, scan.window)
    draw_graph(c, drawn, scan.window, [n] if label else [])
    c.plot(*data.missing_pos[:, :2].T.numpy(), "+", color="black", ms=9, mew=1.5, zorder=8)
    frame(a, "reference", f"{whole.z.numel()} visible atoms")
    frame(b, "graph so far", f"{n} atoms, {len(data.missing_z)} missing")
    frame(c, "prediction", f"{'ringed' if label else 'stop'}; + missing")
    for ax, key in ((d, "reference"), (e, "simulated")):
        draw_slice(ax, data[key][0, 0, -1].numpy(), scan.x, scan.y)
        frame(ax, "", f"AFM, {key}, nearest slice")
    lines = ["probability"]
    lines += [f"  {name}: {p:.2f}" for name, p in zip(classes.names, probability.tolist(), strict=True)]
    if len(data.missing_pos):
        away = torch.linalg.vector_norm(data.missing_pos - out.pos[0], dim=1)
        z = data.missing_z[away.argmin()].reshape(1)
        lines += ["", f"true: {classes.names[int(classes.index_of(z))]}", f"off by {float(away.min()):.2f} Å"]
    else:
        lines += ["", "true: stop"]
    f.text(0.05, 0.95, "\n".join(lines), transform=f.transAxes, va="top", fontsize=10, linespacing=1.4)
    f.set_axis_off()
    return figure


def _visible_molecule(data: AFMData) -> AFMData:
    """The atoms of a sample and those that it misses, with all bonds that are known."""
    missing, present = data.missing_edge_index
    across = torch.stack([missing + data.z.numel(), present])
    return AFMData(
        z=torch.cat([data.z, data.missing_z]),
        pos=torch.cat([data.pos, data.missing_pos]),
        edge_index=torch.cat([data.edge_index, across, across.flip(0)], dim=1),
    )
