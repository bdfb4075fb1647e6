import json

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.data import AFMData
from torch_afm.elements import AtomClasses
from torch_afm.metrics import StepMetrics
from torch_afm.nn import SequentialLoss, StepPrediction
from torch_afm.utils import InputError

CLASSES = AtomClasses()


def _graph(rng, n, m):
    pos = rng.uniform([-8, -8, -0.7], [8, 8, 0], size=(n + m, 3))
    bonds = [(i, j) for i in range(m) for j in range(n) if rng.random() < 0.4]
    return AFMData(
        z=torch.from_numpy(rng.choice([1, 6, 8, 17], size=n)),
        pos=torch.from_numpy(pos[:n]).float(),
        edge_index=torch.empty(2, 0, dtype=torch.long),
        missing_z=torch.from_numpy(rng.choice([1, 6, 8, 17], size=m)),
        missing_pos=torch.from_numpy(pos[n:]).float(),
        missing_edge_index=torch.tensor(bonds, dtype=torch.long).reshape(-1, 2).T,
    )


def _steps(seed=0, sizes=((0, 3), (4, 2), (5, 0), (0, 0), (2, 1), (3, 4), (6, 0), (1, 5), (7, 3), (0, 1))):
    """Graphs with and without atoms there and missing, and one made-up prediction for each."""
    rng = np.random.default_rng(seed)
    graphs = [_graph(rng, n, m) for n, m in sizes]
    outs = [
        StepPrediction(
            torch.from_numpy(rng.normal(size=(1, 3))).float(),
            torch.from_numpy(rng.uniform([-8, -8, -0.7], [8, 8, 0], size=(1, 3))).float(),
            torch.from_numpy(rng.normal(size=len(g.z))).float(),
        )
        for g in graphs
    ]
    return graphs, outs


def _collate(graphs, outs):
    batch = Batch.from_data_list(graphs)
    return StepPrediction(*(torch.cat(parts) for parts in zip(*outs, strict=True))), batch


def _loop(graphs, outs):
    """The same scores, graph by graph in plain Python."""
    errors, classes, bonds = [], np.zeros((3, 3), int), np.zeros((2, 2), int)
    for graph, out in zip(graphs, outs, strict=True):
        logits = out.class_logits[0].tolist()
        predicted = logits.index(max(logits))
        if not len(graph.missing_z):
            classes[0, predicted] += 1
            continue
        away = graph.missing_pos.double().numpy() - out.pos[0].double().numpy()
        target = min(range(len(away)), key=lambda i, away=away: float(away[i] @ away[i]))
        classes[1 if graph.missing_z[target] == 1 else 2, predicted] += 1
        errors.append(away[target])
        partners = {int(j) for i, j in graph.missing_edge_index.T if i == target}
        for j, logit in enumerate(out.edge_logits.tolist()):
            bonds[int(j in partners), int(1 / (1 + np.exp(-logit)) > 0.5)] += 1
    return np.array(errors), classes, bonds


def test_equals_a_plain_loop_however_batched():
    graphs, outs = _steps()
    errors, classes, bonds = _loop(graphs, outs)
    assert bonds.min() > 0 and len(errors) == 7
    r = np.sqrt((errors**2).sum(1))
    columns = {"r": r, **{axis: np.abs(errors[:, i]) for i, axis in enumerate("xyz")}}
    for split in ([10], [1] * 10, [3, 1, 6]):
        metrics, start = StepMetrics(CLASSES), 0
        for size in split:
            metrics.update(*_collate(graphs[start : start + size], outs[start : start + size]))
            start += size
        table = metrics.compute()
        assert table["steps"] == 10 and table["stop_steps"] == 3
        assert table["class"]["count"] == classes.tolist()
        assert table["bond"]["count"] == bonds.tolist()
        assert table["bond"]["fraction"][1][0] == pytest.approx(bonds[1, 0] / (bonds[1, 0] + bonds[1, 1]))
        for name, column in columns.items():
            got = {key: row[name] for key, row in table["position_error"].items()}
            want = {
                "mean": sum(column) / 7,
                "median": sorted(column)[3],
                "std": (sum((column - sum(column) / 7) ** 2) / 7) ** 0.5,
                "p90": np.quantile(column, 0.90),
                "p95": np.quantile(column, 0.95),
                "p99": np.quantile(column, 0.99),
            }
            assert got == pytest.approx(want, rel=1e-6)


def test_stop_precision_and_recall():
    # 4 stop steps of which 3 are seen, and 2 of 6 others called stop.
    graphs, _ = _steps(sizes=((2, 0),) * 4 + ((2, 2),) * 6)
    labels = [0, 0, 0, 1, 0, 0, 1, 2, 2, 1]
    outs = [
        StepPrediction(torch.eye(3)[[label]], torch.zeros(1, 3), torch.zeros(len(g.z)))
        for g, label in zip(graphs, labels, strict=True)
    ]
    metrics = StepMetrics(CLASSES)
    metrics.update(*_collate(graphs, outs))
    assert metrics.compute()["stop"] == {"precision": pytest.approx(3 / 5), "recall": pytest.approx(3 / 4)}


def test_losses_are_means_over_the_steps_they_apply_to():
    graphs, outs = _steps(seed=1)
    loss = SequentialLoss(CLASSES)
    whole = loss(*_collate(graphs, outs))
    metrics = StepMetrics(CLASSES)
    for part in (slice(0, 2), slice(2, 4), slice(4, 9), slice(9, 10)):
        out, batch = _collate(graphs[part], outs[part])
        metrics.update(out, batch)
    got = metrics.compute()["loss"]
    for name in ("position", "node", "edge", "total"):
        assert got[name] == pytest.approx(float(getattr(whole, name)), rel=1e-5)


def test_positions_and_depth():
    # One atom missing in each graph, at a known depth, found with an error of known length.
    depths, lengths = [-0.05, -0.08, -0.35, -0.69], [0.1, 0.3, 0.5, 1.0]
    graphs, outs = [], []
    for depth, length in zip(depths, lengths, strict=True):
        graph = _graph(np.random.default_rng(0), 1, 1)
        graph.missing_pos[0, 2] = depth
        error = torch.tensor([[0.6, -0.8, 0.0]]) * length
        graphs.append(graph)
        outs.append(StepPrediction(torch.zeros(1, 3), graph.missing_pos + error, torch.zeros(1)))
    metrics = StepMetrics(CLASSES)
    metrics.update(*_collate(graphs, outs))
    true, pred = metrics.positions()
    assert true[:, 2] == pytest.approx(depths)
    assert np.linalg.norm(pred - true, axis=1) == pytest.approx(lengths, rel=1e-5)
    depth = metrics.compute()["depth"]
    assert depth["edges"] == pytest.approx([-0.7, -0.6, -0.5, -0.4, -0.3, -0.2, -0.1, 0.0])
    assert depth["count"] == [1, 0, 0, 1, 0, 0, 2]
    assert [r is None for r in depth["r"]] == [n == 0 for n in depth["count"]]
    assert [r for r in depth["r"] if r is not None] == pytest.approx([1.0, 0.5, 0.2], rel=1e-5)
    assert depth["y"][6] == pytest.approx(0.16, rel=1e-5)


@pytest.mark.parametrize(("slope", "pearson"), [(1.0, 1.0), (0.5, 1.0), (0.0, None)])
def test_parity(slope, pearson):
    # A network that says the same z whatever the atom has slope 0, as the thesis' figure 5.2 shows.
    graphs, outs = [], []
    for depth in (0.0, -0.2, -0.3, -0.6):
        graph = _graph(np.random.default_rng(0), 0, 1)
        graph.missing_pos[0, 2] = depth
        pos = graph.missing_pos.clone()
        pos[0, 2] = slope * depth - 0.25 * (slope == 0)
        graphs.append(graph)
        outs.append(StepPrediction(torch.zeros(1, 3), pos, torch.zeros(0)))
    metrics = StepMetrics(CLASSES)
    metrics.update(*_collate(graphs, outs))
    parity = metrics.compute()["parity"]
    assert parity["z"] == pytest.approx({"slope": slope, "pearson": pearson}, abs=1e-6)
    assert parity["x"] == {"slope": None, "pearson": None}


@pytest.mark.parametrize("sizes", [(), ((3, 0), (0, 0))])
def test_nothing_to_measure_is_none_and_json(sizes):
    metrics = StepMetrics(CLASSES)
    if sizes:
        metrics.update(*_collate(*_steps(sizes=sizes)))
    table = json.loads(json.dumps(metrics.compute(), allow_nan=False))
    assert set(table["position_error"]["mean"].values()) == {None}
    assert table["loss"]["position"] is None and table["loss"]["edge"] is None
    assert (table["loss"]["total"] is None) == (not sizes)
    json.dumps(metrics.intervals(n=3), allow_nan=False)
    assert table["depth"]["r"] == [None] * 7
    assert table["class"]["fraction"][1] == [None] * 3
    assert table["steps"] == len(sizes)


def _some(metrics, seeds=range(4)):
    """Ten steps of each of some molecules, in batches that mix them."""
    for seed in seeds:
        metrics.update(*_collate(*_steps(seed)), molecule=np.arange(10) % 4)
    return metrics


def test_rows_make_the_same_metrics(tmp_path):
    metrics = _some(StepMetrics(CLASSES))
    np.savez(tmp_path / "rows.npz", **metrics.rows())
    with np.load(tmp_path / "rows.npz", allow_pickle=False) as rows:
        again = StepMetrics.from_rows(rows, CLASSES)
    assert again.compute() == metrics.compute() and len(again) == 40
    with pytest.raises(InputError, match="got none of loss"):
        StepMetrics.from_rows({k: v for k, v in metrics.rows().items() if k != "loss"}, CLASSES)


def test_intervals_are_quantiles_over_resampled_molecules():
    metrics = _some(StepMetrics(CLASSES))
    rows = metrics.rows()
    assert np.unique(rows["molecule"]).tolist() == [0, 1, 2, 3]
    got = metrics.intervals(n=200, level=0.8, seed=5)
    # The same molecules by hand: whole molecules put together, and the numbers of what they make.
    means, recalls = [], []
    rng = np.random.default_rng(5)
    for _ in range(200):
        index = np.concatenate([np.flatnonzero(rows["molecule"] == m) for m in rng.integers(4, size=4)])
        table = StepMetrics.from_rows({k: v[index] for k, v in rows.items()}, CLASSES).compute()
        means.append(table["position_error"]["mean"]["r"])
        recalls.append(table["bond"]["fraction"][1][1])
    assert got["position_error"]["mean"]["r"] == pytest.approx(np.quantile(means, [0.1, 0.9]))
    assert got["bond"]["fraction"][1][1] == pytest.approx(np.quantile(recalls, [0.1, 0.9]))
    assert "steps" not in got and "count" not in got["class"]


def test_calibration_of_the_class_probabilities():
    graphs, outs = _steps()
    metrics = StepMetrics(CLASSES)
    metrics.update(*_collate(graphs, outs))
    hits = [
        int(out.class_logits.argmax()) == 0 if not len(g.missing_z) else None
        for g, out in zip(graphs, outs, strict=True)
    ]
    rows = metrics.rows()
    for i, (hit, out) in enumerate(zip(hits, outs, strict=True)):
        exponentials = np.exp(out.class_logits[0].double().numpy())
        assert rows["probability"][i] == pytest.approx(exponentials.max() / exponentials.sum())
        assert hit is None or hit == (rows["predicted"][i] == rows["label"][i])
    table = metrics.compute()["calibration"]
    assert table["mean_predicted"] == pytest.approx(rows["probability"].mean())
    assert table["mean_observed"] == pytest.approx((rows["predicted"] == rows["label"]).mean())
    assert sum(table["count"]) == len(graphs)
