"""The files of a prediction say what it says."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torch
from rdkit import Chem

from tests.prediction.networks import SCAN, Oracle
from torch_afm.config import PredictOptions, Scan, SearchOptions, Tip, from_dict, to_dict
from torch_afm.data import AFMData, from_smiles
from torch_afm.elements import AtomClasses
from torch_afm.io import AFMStack, read_molecule, read_stack, write_stack
from torch_afm.metrics import Calibration
from torch_afm.metrics.calibration import Platt
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.prediction import predict, session
from torch_afm.prediction.chemistry import sanitize
from torch_afm.prediction.outcome import FILES, check_folder
from torch_afm.testing import benzene
from torch_afm.utils import InputError

PINNED = Path(__file__).parents[1] / "pinned"
PLAIN = PredictOptions(search=SearchOptions(refine=False, views=1))


@pytest.fixture(scope="module")
def stack() -> AFMStack:
    z_top = float(anchor_height(AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3)), SCAN, Tip()))
    images = ProbeParticleModel(SCAN)(benzene(), z_top=z_top)[0].numpy()
    meta = {"z_top": z_top, "scan": to_dict(SCAN), "tip": to_dict(Tip())}
    return AFMStack(images, SCAN.x, SCAN.y, SCAN.slice_heights(z_top), meta)


@pytest.fixture
def calibration(monkeypatch):
    found = Calibration(atom=Platt(1.0, 1.0), bond=Platt(1.0, 20.0), sigma=(1.0, 1.0, 2.0))
    monkeypatch.setattr(session, "load_generator", lambda weights: Oracle(benzene()))
    monkeypatch.setattr(session, "load_calibration", lambda weights: found)
    return found


def test_numbers_are_those_of_the_graph_and_calibrated(stack, calibration, tmp_path):
    found = predict(stack, options=PLAIN)
    record = json.loads(json.dumps(found.to_dict()))
    assert record == json.loads((found.write(tmp_path)[2]).read_text())
    sigmoid = torch.sigmoid(torch.tensor([4.0 + 1.0, 4.0 + 20.0]))  # of the oracle, corrected
    assert [a["confidence"] for a in record["atoms"]] == pytest.approx([float(sigmoid[0])] * 12, abs=1e-3)
    assert record["bond_probabilities"] == pytest.approx([float(sigmoid[1])] * 12, abs=1e-4)
    assert record["atoms"][0]["sigma"] == pytest.approx([0.1, 0.2, 0.6])
    torch.testing.assert_close(found.graph.sigma, torch.tensor([0.1, 0.2, 0.6]).expand(12, 3))
    assert list(record["atoms"][0]["class_probabilities"]) == record["classes"][1:]
    assert from_dict(Tip, record["imaging"]["tip"]) == Tip()
    assert from_dict(Scan, record["imaging"]["scan"]).pixels == SCAN.pixels
    assert (record["imaging"]["z_top"], record["imaging"]["unit"]) == (stack.meta["z_top"], "Hz")
    assert record["stack"] is None and record["options"] == json.loads(json.dumps(to_dict(PLAIN)))
    assert record["agreement"]["reasons"] == list(found.verdict.reasons)
    assert all(reason in found.describe() for reason in found.verdict.reasons)


def test_answers_are_files_numbers_and_a_picture(stack, calibration, tmp_path):
    found = predict(stack, options=dataclasses.replace(PLAIN, answers=3))
    record = json.loads((found.write(tmp_path)[2]).read_text())
    assert [a["weight"] for a in record["answers"]] == pytest.approx([a.weight for a in found.answers])
    assert sum(a["weight"] for a in record["answers"]) == pytest.approx(1.0)
    assert torch.equal(found.graph.pos, found.answers[0].graph.pos)
    records = list(Chem.SDMolSupplier(str(tmp_path / "answers.sdf"), sanitize=False, removeHs=False))
    assert [m.GetDoubleProp("weight") for m in records] == pytest.approx(
        [a.weight for a in found.answers], abs=1e-4
    )
    assert [m.GetNumAtoms() for m in records] == [len(a.molecule.z) for a in found.answers]
    assert "structures that the scan may show" in (tmp_path / "report.html").read_text()
    assert any(name == "answers" for name, _ in found.log)
    assert "answers" not in predict(stack, options=PLAIN).to_dict()


def test_every_prediction_writes_the_same_files_and_nothing_old_stays(stack, calibration, tmp_path):
    for name in ("prediction.cif", "context.xyz", "notes.txt"):
        (tmp_path / name).touch()
    found = predict(stack, options=dataclasses.replace(PLAIN, cell=((20.0, 0.0), (0.0, 20.0))))
    written = {file.name for file in found.write(tmp_path)}
    # Benzene has nothing below the cut, and the frame of the stack is that of the microscope.
    assert written == set(FILES) - {"context.xyz", "microscope.xyz", "answers.sdf"}
    assert {file.name for file in tmp_path.iterdir()} == written | {"notes.txt"}
    plain = {file.name for file in predict(stack, options=PLAIN).write(tmp_path)}
    assert plain == written - {"prediction.cif"} and not (tmp_path / "prediction.cif").exists()
    for name in ("prediction.png", "report.png", "preparation.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    assert len(read_molecule(tmp_path / "prediction.sdf").z) == 12
    seen, simulated = read_stack(tmp_path / "scan.npz"), read_stack(tmp_path / "simulated.npz")
    assert torch.equal(seen.tensor(), stack.tensor())
    assert (seen.z_top, seen.tip) == (stack.z_top, stack.tip) and seen.recorded_scan is not None
    torch.testing.assert_close(simulated.tensor(), found.simulated)


def test_the_structure_in_the_coordinates_of_the_microscope(stack, calibration, tmp_path):
    """A frame turned clockwise by 90° about its center: its x axis points down."""
    turned = dataclasses.replace(stack, meta=stack.meta | {"angle": 90.0, "center": [0.5, 0.0]})
    found = predict(turned, options=PLAIN)
    assert "microscope.xyz" in {file.name for file in found.write(tmp_path)}
    pos = read_molecule(tmp_path / "microscope.xyz").pos
    x, y, z = found.graph.pos.T
    torch.testing.assert_close(pos, torch.stack([0.5 + y, 0.5 - x, z], 1), atol=1e-5, rtol=0)


def test_what_was_written_is_predicted_alike(stack, calibration, tmp_path):
    """The scan as it was shown to the network needs no preparation."""
    first = predict(stack, options=PLAIN)
    first.write(tmp_path)
    again = predict(tmp_path / "scan.npz", options=PLAIN)
    assert again.to_dict()["atoms"] == first.to_dict()["atoms"]
    assert again.to_dict()["agreement"] == first.to_dict()["agreement"]


def test_another_unit_is_not_called_hertz(stack, calibration):
    volts = dataclasses.replace(stack, meta=stack.meta | {"unit": "V"})
    found = predict(volts, options=PLAIN)
    assert found.to_dict()["imaging"]["unit"] == "V" and "mse" not in found.to_dict()["agreement"]
    assert "Hz²" not in found.describe() and found.report().unit == "V"


def test_the_report_is_that_of_the_prediction(stack, calibration):
    named = dataclasses.replace(stack, meta=stack.meta | {"molecule": "benzene"})
    found = predict(named, "spatial", PLAIN)
    report = found.report()
    assert report.title == "Structure of benzene" and report.graph is found.graph
    assert (report.status, report.reasons) == (found.verdict.status, found.verdict.reasons)
    assert report.settings["views"] == 1 and report.settings["weights"] == "spatial"
    assert "channel" not in report.settings and report.support is None
    assert "12 atoms, 12 of them with a probability of at least 0.9" in report.summary


def test_a_scan_is_never_overwritten(stack, calibration, tmp_path):
    write_stack(tmp_path / "scan.npz", stack)
    before = (tmp_path / "scan.npz").read_bytes()
    found = predict(tmp_path / "scan.npz", options=PLAIN)
    with pytest.raises(InputError, match=r"^folder: expected another"):
        found.write(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["scan.npz"]
    assert (tmp_path / "scan.npz").read_bytes() == before
    found.write(tmp_path / "result")
    with pytest.raises(InputError, match=r"^folder: expected another"):
        check_folder([tmp_path / "images"], tmp_path / "images")


#: Molecules whose orders by lengths and by valences differ, and two where they do not.
NAMED = ["O=Cc1ccc(C#N)cc1", "O=C1C=CC(=O)c2ccccc12", "Oc1ccc(Cl)cc1", "CC(=O)Oc1ccccc1C(=O)O"]


def check_orders(found, folder):
    """Report, JSON and SDF have the same bonds of the same orders."""
    found.write(folder)
    record = json.loads((folder / "prediction.json").read_text())
    orders = {tuple(b): order for b, order in zip(record["bonds"], record["bond_orders"], strict=True)}
    page = (folder / "report.html").read_text("utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])
    shown = {(i, j): order for i, j, order, _ in data["bonds"] if j < len(found.graph.z)}
    (mol,) = Chem.SDMolSupplier(str(folder / "prediction.sdf"), sanitize=False, removeHs=False)
    written = {
        tuple(sorted((b.GetBeginAtomIdx(), b.GetEndAtomIdx()))): b.GetBondTypeAsDouble()
        for b in mol.GetBonds()
    }
    assert orders == shown and orders.keys() == written.keys() and len(orders) > 0
    for pair, order in orders.items():  # an aromatic bond is single or double in a file
        assert written[pair] in (1, 2) if order == 1.5 else written[pair] == order
    return mol, orders


@pytest.mark.parametrize("smiles", NAMED)
def test_report_json_and_sdf_agree_in_bond_orders(smiles, stack, calibration, tmp_path):
    truth = from_smiles(smiles)
    truth.charge = torch.zeros_like(truth.charge)
    graph = sanitize(truth)
    graph.confidence, graph.bond_probability = torch.ones(len(graph.z)), torch.ones(graph.edge_index.size(1))
    graph.class_probabilities = torch.ones(len(graph.z), 1)
    found = predict(stack, options=PLAIN)
    classes = AtomClasses(([1, 6, 7, 8, 17],))
    mol, orders = check_orders(dataclasses.replace(found, graph=graph, classes=classes), tmp_path)
    Chem.SanitizeMol(mol)
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == Chem.CanonSmiles(smiles)
    assert {1.5, 1.0} <= set(orders.values())


@pytest.mark.parametrize("physics", [True, False])
def test_so_they_do_in_a_prediction(stack, calibration, tmp_path, physics):
    search = SearchOptions(refine=False, views=1, physics=physics)
    _, orders = check_orders(predict(stack, options=PredictOptions(search=search)), tmp_path)
    assert sorted(orders.values()) == [1.0] * 6 + [1.5] * 6


@pytest.mark.learnt
def test_so_they_do_with_the_weights_of_the_package(tmp_path):
    molecule = read_molecule(PINNED / "cyanobenzaldehyde.xyz")
    scan = Scan(pixels=(64, 64))
    z_top = float(anchor_height(molecule, scan, Tip()))
    images = ProbeParticleModel(scan)(molecule, z_top=z_top)[0].numpy()
    simulated = AFMStack(images, scan.x, scan.y, scan.slice_heights(z_top), {"z_top": z_top})
    mol, _ = check_orders(predict(simulated, options=PLAIN), tmp_path)
    assert mol.GetNumAtoms() > 8
