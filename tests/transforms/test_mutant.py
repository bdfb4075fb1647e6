import networkx as nx
import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.transforms import RandomMutant
from torch_afm.utils import InputError


def _molecule(seed=0, n=12):
    rng = np.random.default_rng(seed)
    pos = torch.from_numpy(rng.uniform(-3, 3, size=(n, 3))).float()
    pos[:, 2] = torch.from_numpy(rng.uniform(-2, 0, size=n)).float()
    graph = nx.gnp_random_graph(n, 0.4, seed=seed)
    edges = torch.tensor(list(graph.edges)).T
    return AFMData(
        z=torch.arange(1, n + 1),
        pos=pos,
        charge=torch.arange(n) / 10,
        edge_index=torch.cat([edges, edges.flip(0)], 1),
    )


def test_bonds_follow_their_atoms():
    # z is unique here, so every bond can be named by the pair of its atomic numbers.
    full = _molecule()
    truth = {(int(full.z[a]), int(full.z[b])) for a, b in full.edge_index.T}
    visible = full.z[full.pos[:, 2] >= -0.7]
    gone = visible[[0, 2]]
    mutant = RandomMutant.apply(full.clone(), [0, 2])
    left = [int(v) for v in visible if v not in gone]
    assert mutant.z.tolist() == left
    assert mutant.missing_z.tolist() == gone.tolist()
    assert torch.equal(mutant.missing_pos, full.pos[gone - 1])
    assert torch.equal(mutant.charge, full.charge[mutant.z - 1])
    kept = {(int(mutant.z[a]), int(mutant.z[b])) for a, b in mutant.edge_index.T}
    assert kept == {(a, b) for a, b in truth if a in left and b in left}
    cut = {(int(mutant.missing_z[a]), int(mutant.z[b])) for a, b in mutant.missing_edge_index.T}
    assert cut == {(a, b) for a, b in truth if a in gone.tolist() and b in left}


def test_hidden_atoms_are_neither_in_the_graph_nor_missing():
    full = _molecule()
    hidden = torch.arange(12) % 3 == 0
    marked = full.clone()
    marked.hidden = hidden
    mutant = RandomMutant.apply(marked, [1], z_min=-1.5, extra=5, misplaced=0.1)
    visible = full.z[(full.pos[:, 2] >= -1.5) & ~hidden].tolist()
    assert len(visible) > 3 and mutant.missing_z.tolist() == visible[1:2]
    known = ~mutant.true_pos.isnan().any(1)
    assert mutant.z[known].tolist() == visible[:1] + visible[2:]
    # False atoms are of elements that graphs may have.
    assert set(mutant.z[~known].tolist()) <= set(full.z[~hidden].tolist()) and (~known).any()
    assert "hidden" not in mutant and torch.equal(marked.hidden, hidden)
    # Nor is there one beside atoms that are all hidden.
    marked.hidden = torch.ones(12, dtype=torch.bool)
    assert not len(RandomMutant.apply(marked, [], extra=5).z)


def test_nothing_and_everything_removed():
    full = _molecule()
    n = int((full.pos[:, 2] >= -0.7).sum())
    whole = RandomMutant.apply(full.clone(), [])
    assert whole.num_missing == 0 and len(whole.z) == n
    empty = RandomMutant.apply(full.clone(), range(n))
    assert empty.num_missing == n and empty.z.numel() == 0
    assert empty.edge_index.shape == (2, 0) and empty.missing_edge_index.shape == (2, 0)


def test_the_molecule_passed_in_stays():
    full = _molecule()
    RandomMutant.apply(full, [0])
    assert len(full.z) == 12 and "missing_z" not in full


def test_count_is_uniform_from_none_to_all_and_so_is_the_choice():
    n, rng = 7, np.random.default_rng(0)
    drawn = [RandomMutant().draw(n, rng)["removed"] for _ in range(4000)]
    assert all(d == sorted(set(d)) and set(d) <= set(range(n)) for d in drawn)
    for values, size in (([len(d) for d in drawn], n + 1), ([d[0] for d in drawn if len(d) == 1], n)):
        expected = len(values) / size
        chi2 = ((np.bincount(values, minlength=size) - expected) ** 2 / expected).sum()
        assert chi2 < size + 5 * np.sqrt(2 * size)


def test_a_share_of_graphs_is_empty_besides_those_drawn_so():
    rng, n = np.random.default_rng(0), 9
    transform = RandomMutant(empty=0.3)
    empty = np.mean([len(transform.draw(n, rng)["removed"]) == n for _ in range(4000)])
    assert empty == pytest.approx(0.3 + 0.7 / (n + 1), abs=0.03)
    with pytest.raises(InputError, match="empty: expected a share"):
        RandomMutant(empty=1.5)


def test_without_that_share_draws_are_as_they_were():
    plain, asked = (t.draw(9, np.random.default_rng(4)) for t in (RandomMutant(), RandomMutant(empty=0.0)))
    rng = np.random.default_rng(4)
    count = int(rng.integers(0, 10))
    assert plain == asked == {"removed": sorted(rng.permutation(9)[:count].tolist())}


def test_where_atoms_really_are():
    full = _molecule()
    plain = RandomMutant.apply(full, [0, 2])
    assert torch.equal(plain.true_pos, plain.pos)
    moved = RandomMutant.apply(full, [0, 2], misplaced=0.3, seed=5)
    assert torch.equal(moved.true_pos, plain.pos) and torch.equal(moved.missing_pos, plain.missing_pos)
    placed = [RandomMutant.apply(full, [], misplaced=0.3, seed=seed).pos for seed in range(300)]
    off = torch.cat(placed) - RandomMutant.apply(full, []).pos.repeat(300, 1)
    assert off.std(dim=0).numpy() == pytest.approx([0.3] * 3, abs=0.02)
    assert off.mean(dim=0).numpy() == pytest.approx([0.0] * 3, abs=0.02)


def test_false_atoms_are_named_and_keep_away():
    full = _molecule()
    plain = RandomMutant.apply(full, [0])
    counts = []
    for seed in range(40):
        found = RandomMutant.apply(full, [0], extra=2, seed=seed)
        n = len(plain.z)
        assert torch.equal(found.pos[:n], plain.pos) and torch.equal(found.z[:n], plain.z)
        assert torch.equal(found.edge_index, plain.edge_index)
        false = found.pos[n:]
        assert found.true_pos[n:].isnan().all() and found.true_pos[:n].isfinite().all()
        assert len(found.charge) == len(found.z) and set(found.z[n:].tolist()) <= set(full.z.tolist())
        assert (torch.cdist(false, full.pos) > 0.6).all() and (false[:, 2] > -0.7).all()
        counts.append(len(false))
    assert max(counts) == 2 and np.mean(counts) > 1
    again = (RandomMutant.apply(full, [0], extra=2, misplaced=0.1, seed=3).pos for _ in range(2))
    assert torch.equal(*again)


def test_drawn_moves_and_false_atoms():
    rng = np.random.default_rng(0)
    drawn = [RandomMutant(misplaced=0.4, extra=2).draw(5, rng) for _ in range(2000)]
    assert np.mean([d["misplaced"] for d in drawn]) == pytest.approx(0.2, abs=0.01)
    assert np.bincount([d["extra"] for d in drawn]) / 2000 == pytest.approx([1 / 3] * 3, abs=0.04)
    for wrong in ({"misplaced": -0.1}, {"extra": -1}):
        with pytest.raises(InputError, match="misplaced, extra: expected"):
            RandomMutant(**wrong)
