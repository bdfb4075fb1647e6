"""The thesis' chapter 5 on a few molecules, with an untrained network."""

import json
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from torch_geometric.data import Batch

from benchmarks import common
from benchmarks.thesis import measure, run
from benchmarks.thesis.measure import merge_classes
from benchmarks.thesis.report import Report
from torch_afm.config import Scan, ScanGeneratorConfig, generator_config
from torch_afm.datasets import MoleculeDataset
from torch_afm.elements import AtomClasses
from torch_afm.models import ScanGenerator, SequentialGenerator
from torch_afm.testing import random_graph

pytestmark = pytest.mark.learnt

SMILES = ["C", "CC", "CO", "O", "N", "CN", "C#N", "C=O", "CF", "CCl", "C=C", "C#C", "OO"]


class _Parser(HTMLParser):
    def __init__(self):
        super().__init__()
        self.sources, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.text.append(data)


def _parsed(path):
    parser = _Parser()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


@pytest.fixture
def few(tmp_path, monkeypatch):
    molecules = MoleculeDataset(SMILES, cache=tmp_path / "cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(measure, "MoleculeDataset", lambda: molecules)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return SequentialGenerator(generator_config("small"))


def test_report_is_one_file(tmp_path):
    report = Report("a < b")
    report.table(["&"], [["1 > 0"]])
    report.figure(Figure(), "figure", dpi=20)
    report.write(tmp_path / "new" / "report.html")
    parsed = _parsed(tmp_path / "new" / "report.html")
    assert len(parsed.sources) == 1 and parsed.sources[0].startswith("data:image/png;base64,")
    assert {"a < b", "&", "1 > 0"} <= set(parsed.text)


def test_what_was_measured_is_kept_for_the_same_weights(few, model, tmp_path):
    first = measure.Evaluation(model, 6, 1, tmp_path)
    found = first.steps(*measure.SETTINGS[0])
    assert set(found) == {"model", *measure.BASELINES}

    def never(*args):
        raise AssertionError("measured again")

    again = measure.Evaluation(model, 6, 1, tmp_path)
    again._score = never
    kept = again.steps(*measure.SETTINGS[0])
    for name, metrics in found.items():
        for column, values in metrics.rows().items():
            np.testing.assert_array_equal(kept[name].rows()[column], values)

    torch.manual_seed(1)
    other = SequentialGenerator(model.config)
    for changed in (measure.Evaluation(other, 6, 1, tmp_path), measure.Evaluation(model, 7, 1, tmp_path)):
        changed._score = never
        with pytest.raises(AssertionError, match="measured again"):
            changed.steps(*measure.SETTINGS[0])


def test_settings_draw_the_same_steps(few, model, tmp_path):
    """What the mutant's stack shows differs, the steps do not."""
    evaluation = measure.Evaluation(model, 12, 1, tmp_path)
    plain, rich = (evaluation.dataset(*s) for s in (measure.SETTINGS[0], measure.SETTINGS[3]))
    assert evaluation.order(plain) == evaluation.order(rich)
    a, b = (d.__getitems__(evaluation.order(d)) for d in (plain, rich))
    assert all(torch.equal(s.missing_pos, t.missing_pos) for s, t in zip(a, b, strict=True))
    assert all(torch.equal(s.reference, t.reference) for s, t in zip(a, b, strict=True))
    assert any(not torch.equal(s.simulated, t.simulated) for s, t in zip(a, b, strict=True))


@pytest.mark.slow
def test_whole_report(few, model, tmp_path, monkeypatch, capsys):
    weights = tmp_path / "tiny" / "model"
    model.save_pretrained(weights)
    for module in (common, run):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    out = tmp_path / "report.html"
    options = ["--weights", str(weights), "--samples", "20", "--sequences", "2", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["run", *options])
    run.main()
    parsed = _parsed(out)
    text = " ".join(parsed.text)
    for number in (2, 3, 7, 8, 9):
        assert f"Figure 5.{number}" in text
    assert "[0.5279]" in text and all(s.startswith("data:") for s in parsed.sources)
    result = json.loads((tmp_path / "results" / "thesis_tiny.json").read_text())
    steps = [row for row in result["rows"] if row["part"] == "steps"]
    assert len(steps) == len(measure.SETTINGS) + len(measure.BASELINES)
    assert all(row["table"]["steps"] == 20 for row in steps)
    assert str(tmp_path) not in result["command"]


def test_classes_of_a_network_of_maps_are_merged():
    config = ScanGeneratorConfig(
        scan=Scan(window=((-3.875, 3.875), (-3.875, 3.875)), pixels=(32, 32), n_slices=3), channels=(4,)
    )
    model, thesis = ScanGenerator(config).eval(), AtomClasses()
    graphs = []
    for seed in range(2):
        data = random_graph(4, seed)
        data.reference, data.simulated = torch.randn(2, 1, 1, 3, 32, 32)
        graphs.append(data)
    batch = Batch.from_data_list(graphs)
    with torch.no_grad():
        own, merged = model.predict_step(batch), merge_classes(model, thesis)(batch)
    before, after = (out.class_logits.softmax(dim=1) for out in (own, merged))
    assert after.shape == (2, 3) and torch.equal(own.pos, merged.pos)
    torch.testing.assert_close(after[:, :2], before[:, :2])
    torch.testing.assert_close(after[:, 2], before[:, 2:].sum(dim=1))
