import io
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from matplotlib.collections import EllipseCollection

from torch_afm.data import AFMData, append_atom
from torch_afm.io import AFMStack
from torch_afm.models import Proposal, Revision, SearchNode, Step
from torch_afm.testing import benzene
from torch_afm.utils import InputError
from torch_afm.viz import plot_generation, plot_refinement, plot_search

pytestmark = pytest.mark.filterwarnings("error")

X, Y = np.linspace(-8, 8, 12), np.linspace(-6, 6, 9)


def _empty():
    return AFMData(
        z=torch.empty(0, dtype=torch.long),
        pos=torch.empty(0, 3),
        charge=torch.empty(0),
        edge_index=torch.empty(2, 0, dtype=torch.long),
    )


def _reference(seed=0, slices=10):
    values = np.random.default_rng(seed).normal(size=(1, slices, 9, 12))
    return AFMStack(values, X, Y, 5 - 0.1 * np.arange(slices), {"molecule": "a $ molecule"})


class Drawn(NamedTuple):
    graph: AFMData
    steps: list[Step]
    ended: str


def _plot(generation, reference, **options):
    graph, steps, ended = generation
    return plot_generation(graph, steps, reference, ended, **options)


def _atom(pos):
    return AFMData(z=torch.tensor([6]), pos=pos[None], charge=torch.zeros(1))


def _generation(atoms, ended="stop", seed=0, slices=10):
    """``atoms`` atoms along a line, then the end; the simulated stack of step k holds k + noise."""
    generator = torch.Generator().manual_seed(seed)
    graph, steps = _empty(), []
    for k in range(atoms + 1):
        last = k == atoms
        simulated = torch.zeros(1, 1, slices, 9, 12)
        if k:
            simulated = torch.randn(simulated.shape, generator=generator) + k
        pos = torch.tensor([-5 + 0.5 * k, 1.0 - 0.2 * k, -0.05 * k])
        done = last and ended == "stop"
        proposal = Proposal(_atom(pos), 0.9 if done else 0.2, done)
        steps.append(Step(graph, simulated, proposal, _empty() if last else _atom(pos)))
        if not last:
            graph = append_atom(graph, 6, pos, [k - 1] if k else [])
    return Drawn(graph, steps, ended)


def _panels(figure, title):
    return [ax for ax in figure.axes if ax.get_title() == title]


def _texts(figure):
    return "\n".join(text.get_text() for ax in figure.axes for text in ax.texts)


def _render(figure):
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=50)
        return file.getvalue()


@pytest.mark.parametrize(
    ("atoms", "ended", "truth"),
    [(0, "stop", None), (0, "max_atoms", 0), (1, "repeat", 0), (1, "stop", 5), (23, "stop", 5)],
)
def test_draws_without_complaint(atoms, ended, truth):
    data = None if truth is None else _generation(truth).graph
    assert _render(_plot(_generation(atoms, ended), _reference(), truth=data))[:4] == b"\x89PNG"


def test_one_slice_is_enough():
    figure = _plot(_generation(2, slices=1), _reference(slices=1))
    assert len(_panels(figure, "reference, near")) == 1
    _render(figure)


def test_reference_and_final_graph():
    reference, generation, truth = _reference(), _generation(4), _generation(6, seed=1).graph
    figure = _plot(generation, reference, truth=truth)
    for name, s in (("far", 0), ("middle", 5), ("near", 9)):
        (ax,) = _panels(figure, f"reference, {name}")
        assert np.array_equal(ax.images[0].get_array(), reference.stack[0, s])
    for name, data in (("prediction", generation.graph), ("truth", truth)):
        (ax,) = _panels(figure, name)
        (atoms,) = [c for c in ax.collections if isinstance(c, EllipseCollection)]
        order = data.pos[:, 2].argsort(stable=True)
        assert np.allclose(atoms.get_offsets(), data.pos[order, :2])
        assert np.array_equal(ax.images[0].get_array(), reference.stack[0, -1])
    (marks,) = _panels(figure, "prediction")[0].lines
    assert np.allclose(np.transpose(marks.get_data()), truth.pos[:, :2])
    assert not _panels(_plot(generation, reference), "truth")


def test_steps_show_graph_decision_and_simulated_slice():
    reference, generation = _reference(), _generation(3)
    figure = _plot(generation, reference)
    above = [_panels(figure, f"step {k + 1}")[0] for k in range(4)]
    decisions = ["→ 1 C"] * 3 + ["stop 0.90"]
    assert [ax.get_xlabel() for ax in above] == decisions
    for k, ax in enumerate(above):
        circles = [c for c in ax.collections if isinstance(c, EllipseCollection)]
        assert len(circles) == (2 if k else 0)
        if k:
            atoms, ring = circles
            assert len(atoms.get_offsets()) == k
            assert np.allclose(ring.get_offsets(), generation.graph.pos[k - 1 : k, :2])
        # The panel straight below holds the simulated slice of the same step.
        column = [a for a in figure.axes if a.get_subplotspec().colspan == ax.get_subplotspec().colspan]
        (below,) = [
            a
            for a in column
            if a.get_subplotspec().get_gridspec() is ax.get_subplotspec().get_gridspec() and a is not ax
        ]
        simulated = generation.steps[k].simulated[0, 0, -1].numpy()
        assert np.array_equal(below.images[0].get_array(), simulated)
        if k:
            r = np.corrcoef(simulated.ravel(), reference.stack[0, -1].ravel())[0, 1]
            assert below.get_xlabel().splitlines()[1].replace("−", "-") == f"r = {r:.2f}"
        else:
            assert below.get_xlabel() == "0.00 Hz\nno contrast"


def test_a_refused_atom_is_crossed_out():
    generation = _generation(2, "repeat")
    (ax,) = _panels(_plot(generation, _reference()), "step 3")
    (cross,) = ax.lines
    assert np.allclose(np.ravel(cross.get_data()), generation.steps[-1].refused[0, :2])
    assert ax.get_xlabel() == "→ 1 C, refused"
    (ax,) = _panels(_plot(_generation(2), _reference()), "step 3")
    assert not ax.lines


def test_long_generations_show_first_last_and_some_between():
    figure = _plot(_generation(40), _reference())
    shown = [int(ax.get_title().split()[1]) for ax in figure.axes if ax.get_title().startswith("step")]
    assert len(shown) == 10 and shown[0] == 1 and shown[-1] == 41
    assert set(np.diff(shown)) <= {4, 5}


def test_scores_count_matches_by_hand():
    # The truth is the prediction with one atom moved by 0.8 Å and two atoms more.
    generation = _generation(5)
    truth = generation.graph.clone()
    truth.pos[4, 1] += 0.8
    truth = append_atom(append_atom(truth, 1, [7.0, 5, 0], []), 1, [7.0, -5, 0], [])
    text = _texts(_plot(generation, _reference(), truth=truth))
    assert "steps: 6" in text and "the network stopped" in text
    assert "within 0.5 Å: 4 atoms\n  precision 0.80, recall 0.57" in text
    assert "within 1.0 Å: 5 atoms\n  precision 1.00, recall 0.71" in text
    assert "precision" not in _texts(_plot(generation, _reference()))


def test_title():
    assert _plot(_generation(1), _reference()).get_suptitle() == "Prediction for a $ molecule"


def test_context_is_ringed_apart_and_all_newest_atoms_are():
    atoms = AFMData(
        z=torch.tensor([6, 1, 1]),
        pos=torch.tensor([[0.0, 1, 0], [1, 1, -0.2], [0, 2, -1.4]]),
        edge_index=torch.tensor([[0, 1], [1, 0]]),
    )
    visible = AFMData(z=atoms.z[:2], pos=atoms.pos[:2], edge_index=atoms.edge_index)
    deep = AFMData(z=atoms.z[2:], pos=atoms.pos[2:], edge_index=torch.empty(2, 0, dtype=torch.long))
    simulated = torch.randn(1, 1, 3, 9, 12)
    revised = Revision(atoms.pos, torch.ones(3), torch.empty(2, 0), torch.empty(0))
    steps = [Step(_empty(), simulated, Proposal(atoms, 0.02, False, revised=revised), atoms)]
    steps.append(Step(atoms, simulated, Proposal(atoms, 0.97, True, revised=revised), _empty()))
    figure = plot_generation(visible, steps, _reference(), "stop", context=deep)
    (ax,) = _panels(figure, "prediction")
    assert ax.get_xlabel() == "2 atoms, 1 deep"
    circles = [c for c in ax.collections if isinstance(c, EllipseCollection)]
    (ring,) = [c for c in circles if c.get_linestyle() != [(0.0, None)]]
    assert np.allclose(ring.get_offsets(), [[0, 2]])
    first, second = (_panels(figure, f"step {k}")[0] for k in (1, 2))
    assert (first.get_xlabel(), second.get_xlabel()) == ("→ 1 C 2 H", "stop 0.97")
    rings = [c for c in second.collections if isinstance(c, EllipseCollection)][-1]
    assert np.allclose(rings.get_offsets(), atoms.pos[:, :2])


def node(parent, score, move="add 1", atoms=1, taken=False):
    return SearchNode(parent, move, atoms, score, 0.0, score, taken)


def test_every_graph_is_shown_and_the_path_named():
    tree = [
        node(-1, -60.0, "start", 0, taken=True),
        node(0, -5.0, "add 3", 3, taken=True),
        node(0, -6.0),
        node(1, -2.0, "remove 1", 2, taken=True),
    ]
    ax = plot_search(tree).axes[0]
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [d.get_xdata()[0] for d in dots] == [0, 1, 1, 2]
    assert [d.get_ydata()[0] for d in dots] == [-60.0, -5.0, -6.0, -2.0]
    assert len(ax.lines) == 4 + 3
    assert {t.get_text() for t in ax.texts} == {"start\n0 atoms", "add 3\n3 atoms", "remove 1\n2 atoms"}
    low, high = ax.get_ylim()
    assert -60 < low < -6 < -2 < high


def test_one_graph():
    assert len(plot_search([node(-1, -3.0, "start", 0, taken=True)]).axes[0].texts) == 1


@pytest.mark.parametrize("tree", [[], [node(-1, -3.0), node(1, -2.0)]])
def test_bad_tree(tree):
    with pytest.raises(InputError, match="tree: expected nodes, each after its parent"):
        plot_search(tree)


@pytest.mark.parametrize("helped", [True, False])
def test_strip_and_residual(helped):
    start = benzene()
    path = torch.stack([start.pos + 0.1 * k for k in range(9)])
    residual = torch.zeros(4, 8, 8)
    residual[-1] = 2.0
    result = SimpleNamespace(
        data=start,
        start=start,
        accepted=helped,
        trajectory=path,
        sigma=torch.full((12, 3), 0.1),
        residual=residual,
    )
    axis = np.linspace(-4, 4, 8)
    stack = AFMStack(
        np.random.default_rng(0).normal(size=(1, 4, 8, 8)).astype("f4"), axis, axis, np.arange(4.0)[::-1]
    )
    figure = plot_refinement(result, stack, start)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles[:5] == ["step 0", "step 2", "step 4", "step 6", "step 8"]
    assert titles[5:8] == [f"residual, slice {s} of 4" for s in (1, 3, 4)]
    assert figure.axes[4].get_xlabel() == ("taken" if helped else "not taken")
    assert figure.axes[7].get_xlabel() == "rms 2.00 of its contrast"
    assert figure.axes[5].images[0].get_clim() == (-2.0, 2.0)
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "+"]
    np.testing.assert_allclose(crosses[0].get_xdata(), start.pos[:, 0])
