"""Trainings at an equal budget: the meter, the networks of variants, and the tables."""

import copy
import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from benchmarks.ablation import budget
from benchmarks.ablation.budget import CpuMeter, epochs_done, process_seconds, train_for
from benchmarks.ablation.run import report, run_variant, stratum_table
from benchmarks.ablation.scores import ALL, SCORES, choose_scenes, compare, tables
from benchmarks.ablation.slice_set import SliceSetConfig, SliceSetGenerator
from benchmarks.ablation.stop_head import StopHeadConfig, StopHeadGenerator
from benchmarks.ablation.variants import VARIANTS, Variant
from benchmarks.standin.imaging import measure
from benchmarks.standin.scores import score_scene, summarize
from benchmarks.standin.strata import STRATA, Scene
from torch_afm.config import Scan
from torch_afm.data import AFMData
from torch_afm.datasets import AFMDataset, StepDraws
from torch_afm.datasets.nuisances import Measurement
from torch_afm.elements import ORGANIC, AtomClasses
from torch_afm.metrics import Calibration
from torch_afm.models import load_generator, make_generator
from torch_afm.testing import benzene, water

SCAN = Scan(window=((-3.875, 3.875), (-3.875, 3.875)), pixels=(32, 32), n_slices=3)
TINY = {"scan": SCAN, "channels": (16, 32)}
BUSY = "import time\nend = time.process_time() + 1\nwhile time.process_time() < end: pass"


def test_variants_differ_from_the_base_in_what_they_say(tmp_path):
    base = vars(VARIANTS["base"].config(tmp_path))
    changed = {}
    for name, variant in VARIANTS.items():
        config = variant.config(tmp_path)
        changed[name] = {key for key, value in vars(config).items() if value != base[key]}
    assert changed == {
        "base": set(),
        "molecules": {"scenes", "scene"},
        "nominal": {"realistic"},
        "bulky": {"molecules", "scene"},
        "slice-set": {"model"},
        "stop-head": {"model"},
        "deep": {"loss"},
        "cut": {"model"},
        "float32": {"precision"},
        "copies": {"mutants", "copies"},
        "adam": {"muon_lr"},
    }
    assert VARIANTS["cut"].config(tmp_path).model.z_targets == -0.7


def test_the_meter_counts_ended_processes_and_earlier_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "_INTERVAL", 0.1)
    calls = []
    with CpuMeter(tmp_path / "cpu.json", lambda: calls.append(1)) as meter:
        subprocess.run([sys.executable, "-S", "-c", BUSY + "\nimport time; time.sleep(0.3)"], check=True)
        first = meter.read()
    assert 0.9 < first < 2.5 and calls
    with CpuMeter(tmp_path / "cpu.json") as meter:
        assert meter.read() >= first
        exec(BUSY)
    assert json.loads((tmp_path / "cpu.json").read_text())["cpu_s"] == pytest.approx(first + 1, abs=1)
    assert os.getpid() in {pid for pid, _ in process_seconds()}


@pytest.fixture(scope="module")
def batch():
    torch.manual_seed(0)
    data = AFMDataset([benzene(), water()], SCAN, StepDraws(z_min=-3.0, seed=0))
    return Batch.from_data_list([data[0], data[1]])


def image(batch):
    part = copy.copy(batch)
    part.valid = torch.ones_like(part.reference, dtype=torch.bool)
    return part


@pytest.mark.parametrize("config", [SliceSetConfig(**TINY), StopHeadConfig(**TINY)], ids=["set", "stop"])
def test_networks_learn_and_are_loaded_again(config, batch, tmp_path):
    model = make_generator(config)
    loss = model.make_loss()
    terms = loss(model(image(batch)), batch)
    terms.total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    model.save_pretrained(tmp_path)
    loaded = load_generator(tmp_path)
    assert type(loaded) is type(model)
    out, again = (m.eval()(image(batch)) for m in (model, loaded))
    assert torch.equal(out.heatmap, again.heatmap)


def test_slices_that_were_not_measured_have_no_influence(batch):
    model = make_generator(SliceSetConfig(**TINY)).eval()
    assert isinstance(model, SliceSetGenerator)
    one, two = image(batch), image(batch)
    one.valid[:, :, 0] = two.valid[:, :, 0] = False
    one.valid[:, :, :, :8] = two.valid[:, :, :, :8] = False
    two.reference = torch.where(two.valid, two.reference, 7.0)
    with torch.no_grad():
        first, second = model(one), model(two)
    assert torch.equal(first.heatmap, second.heatmap) and first.heatmap.isfinite().all()
    with torch.no_grad():
        assert not torch.equal(first.heatmap, model(image(batch)).heatmap)


def test_a_slice_is_known_by_its_height_and_not_by_its_place(batch):
    """The same slices in another order are the same set, if their heights go with them."""
    model = make_generator(SliceSetConfig(**TINY)).eval()
    stem, order = model.unet.stem, [2, 0, 1]
    stacks = torch.randn(2, 4, 3, 8, 8)
    stacks[:, 3] = 1
    amplitude = torch.rand(2, 1, 1, 1).expand(-1, -1, 8, 8)
    with torch.no_grad():
        expected = stem(torch.cat([stacks.flatten(1, 2), amplitude], dim=1))
        moved = torch.cat([stacks[:, :, order].flatten(1, 2), amplitude], dim=1)
        assert (stem(moved) - expected).abs().max() > 1e-3
        stem.heights = stem.heights[order]
        torch.testing.assert_close(stem(moved), expected)


def test_the_stop_head_learns_when_nothing_visible_is_missing(batch):
    model = make_generator(StopHeadConfig(**TINY))
    assert isinstance(model, StopHeadGenerator)
    data, loss = image(batch), model.make_loss()
    with torch.no_grad():
        out = model(data)
    surely = out._replace(stop=torch.full((2,), 20.0))
    assert len(batch.missing_z) and (batch.missing_pos[:, 2] > -0.7).any()
    assert loss(surely, batch).stop > 5
    deep = copy.copy(batch)
    deep.missing_pos = batch.missing_pos - torch.tensor([0.0, 0.0, 2.0])
    assert loss(surely, deep).stop < 1e-3
    deep.missing_pos = batch.missing_pos + torch.tensor([50.0, 0.0, 0.0])
    assert loss(surely, deep).stop < 1e-3
    # The decision ends a generation, whatever the maps say.
    graph = AFMData(z=torch.tensor([6]), pos=torch.zeros(1, 3), edge_index=torch.empty(2, 0).long())
    graph.reference, graph.simulated = torch.randn(2, 1, 1, 3, 32, 32)
    with torch.no_grad():
        model.eval().stop_head.lins[-1].bias.fill_(50.0)
        (proposal,) = model.propose([graph], 8)
    assert proposal.done and proposal.stop > 0.99


CLASSES = AtomClasses(tuple((symbol,) for symbol in ORGANIC))


def record(number, stratum, refused=True, wrong=0):
    """Of a benzene: refused, or predicted but for some of its elements."""
    scan = STRATA[0].scan
    case = measure(benzene(), Measurement.nominal(scan), [], scan)
    prediction = None
    if not refused:
        graph, context = benzene(), AFMData.empty()
        graph.z[:wrong] = 7
        for part in (graph, context):
            part.confidence = torch.full((len(part.z),), 0.99)
            part.bond_probability = torch.full((part.edge_index.size(1),), 0.99)
            label = CLASSES.index_of(part.z) - 1
            part.class_probabilities = torch.nn.functional.one_hot(label, len(CLASSES) - 1).float()
        prediction = SimpleNamespace(
            graph=graph, context=context, ended="stop", verdict=SimpleNamespace(pearson=0.5)
        )
        prediction.scan, prediction.reference = scan, case.stack.afm_stack()
    scores = score_scene(case, prediction, CLASSES, Calibration(), number)
    found = {"scene": number, "stratum": stratum, "refused": None, "cpu_s": 1.0, **scores}
    return json.loads(json.dumps(found))


@pytest.fixture(scope="module")
def records():
    good = [record(0, "flat", False), record(1, "flat", False, 3), record(2, "water", False)]
    poor = [record(0, "flat"), record(1, "flat", False, 6), record(2, "water", False)]
    return good, poor


def test_scores_are_those_of_the_stand_in(records):
    for some in records:
        row, found = summarize(some, "all"), tables(some)
        for name in SCORES:
            part, whole = found[name].sum(axis=0)
            assert part / whole == pytest.approx(row[name]), name


def test_differences_to_the_base(records):
    good, poor = records
    rows = {row["stratum"]: row for row in compare(good, poor)}
    assert list(rows) == ["flat", "water", ALL]
    assert rows["water"]["f1_difference"] == 0 and rows["water"]["f1_difference_interval"] == [0, 0]
    flat = rows["flat"]
    assert flat["f1"] == 1 and flat["f1_difference"] == pytest.approx(1 - 2 * 12 / (2 * 12 + 12))
    assert flat["elements_difference"] == pytest.approx(1 - 3 / 24 - 1 / 2)
    assert "f1_difference" not in compare(good, None)[0]


def test_tables_are_printed_and_written(records, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("benchmarks.common.RESULTS", tmp_path)
    common = {"epochs": 2, "samples": 64, "cpu_s": 90.0, "val": [2.0, 1.0]}
    scenes = [Scene(i, STRATA[0], benzene()) for i in range(3)]
    results = {
        "base": {"text": "the base", "records": records[1], **common},
        "adam": {"text": "Adam", "records": records[0], **common},
    }
    path = report(results, 1.5, scenes)
    rows = json.loads(path.read_text("utf-8"))["rows"]
    assert [(row["variant"], row["stratum"]) for row in rows[2:4]] == [("base", ALL), ("adam", "flat")]
    assert "| Adam | 64 | 1.5 |" in capsys.readouterr().out
    assert "| water | 1.000 | +0.000 |" in stratum_table(rows)
    # A variant without a base has scores alone.
    report({"adam": results["adam"]}, 1.5, scenes)
    assert "+0." not in capsys.readouterr().out


def test_scenes_are_chosen_by_stratum():
    scenes = [Scene(i, STRATA[i % 3], benzene()) for i in range(30)]
    chosen = choose_scenes(scenes, 10)
    assert [sum(s.stratum is stratum for s in chosen) for stratum in STRATA[:3]] == [4, 3, 3]
    assert {s.number for s in choose_scenes(scenes, 5)} < {s.number for s in chosen}


class Tiny(Variant):
    """Trains in seconds."""

    def config(self, out):
        config = super().config(out)
        model = replace(config.model, **TINY)
        few = {"epoch_samples": 64, "val_samples": 2, "mutants": 1, "copies": 8, "scenes": 40}
        return replace(config, model=model, molecules=None, geometry="rdkit", **few)


@pytest.mark.slow
def test_a_budget_is_used_up_and_no_more_and_what_is_finished_stays(tmp_path):
    molecules = [benzene() for _ in range(20)]
    folder, scenes = tmp_path / "tiny", [Scene(0, replace(STRATA[0], edge=12.0), benzene())]
    result = run_variant(Tiny("tiny"), scenes, 10 / 60, folder, molecules)
    assert result["epochs"] == epochs_done(folder) == len(result["val"]) >= 1
    assert result["samples"] == 64 * result["epochs"] and len(result["records"]) == 1
    start = time.process_time()
    kept = run_variant(Tiny("tiny"), scenes, 10 / 60, folder, molecules)
    assert json.loads(json.dumps(result)) == kept
    assert time.process_time() - start < 5
    # A larger budget continues it.
    used = result["cpu_s"]
    more = train_for(Tiny("tiny").config(folder), used / 60 + 0.2, molecules)
    assert more["epochs"] > result["epochs"] and more["val"][: len(result["val"])] == result["val"]
    assert more["cpu_s"] > used
    # Killed before the weights were written: they are, though nothing is left to train with.
    (folder / "model" / "model.safetensors").unlink()
    again = train_for(Tiny("tiny").config(folder), 0.0, molecules)
    assert again["epochs"] == more["epochs"] and np.isfinite(again["val"]).all()
    load_generator(folder / "model")
