import numpy as np
import pytest
import torch

from torch_afm.data import from_smiles
from torch_afm.datasets import embedded_smiles, xtb
from torch_afm.datasets.geometries import xtb_molecule
from torch_afm.utils import BackendUnavailable, InputError

SMILES = ["O", "CC", "C=O", "N"]


@pytest.fixture
def relax(monkeypatch):
    """A stand-in for GFN2-xTB, which counts; methanal does not converge."""
    calls = []

    def fake(molecule):
        calls.append(molecule.z.tolist())
        if 8 in calls[-1] and 6 in calls[-1]:
            raise InputError("molecule: GFN2-xTB does not converge (a test)")
        molecule.dipole = 2 * molecule.pos
        return molecule

    monkeypatch.setattr(xtb, "relax", fake)
    monkeypatch.setattr(xtb, "_CHUNK", 2)
    return calls


def test_what_fails_is_named_and_has_no_geometry(relax, tmp_path):
    found, failed = xtb.compute_geometries(SMILES, tmp_path)
    assert failed == [("C=O", "molecule: GFN2-xTB does not converge (a test)")]
    assert found.atoms.tolist() == [3, 8, 0, 4]
    ammonia = from_smiles("N")
    moved = found.molecule(3, "N").pos - (ammonia.pos - ammonia.pos.mean(0))
    assert moved.abs().max() < 6e-4


def test_an_interrupted_computation_goes_on(relax, tmp_path, monkeypatch):
    whole, _ = xtb.compute_geometries(SMILES, tmp_path / "a")
    before = len(relax)
    with monkeypatch.context() as context:

        def stop(chunk):
            if "N" in chunk:
                raise KeyboardInterrupt
            return compute(chunk)

        compute = xtb._compute
        context.setattr(xtb, "_compute", stop)
        with pytest.raises(KeyboardInterrupt):
            xtb.compute_geometries(SMILES, tmp_path / "b")
    assert len(list((tmp_path / "b").iterdir())) == 1
    again, failed = xtb.compute_geometries(SMILES, tmp_path / "b")
    assert len(relax) == before + 4 and len(failed) == 1
    assert np.array_equal(again.pos, whole.pos) and again.sha256 == whole.sha256


def test_the_command_without_tblite_is_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tblite.ase", None)
    with pytest.raises(BackendUnavailable, match="pip install"):
        xtb.relax(from_smiles("O"))
    with pytest.raises(SystemExit) as exit_:
        xtb.main(["--list", "planar", "--folder", str(tmp_path), "--out", str(tmp_path / "a.npz")])
    assert exit_.value.code == 2 and "tblite is not installed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_water_has_its_known_geometry_and_dipole():
    pytest.importorskip("tblite")
    water = xtb.relax(from_smiles("O"))
    arms = (water.pos[1:] - water.pos[0]).double()
    # GFN2-xTB: 0.959 Å, 107.0 degrees; a dipole near the 1.85 D of experiment.
    assert arms.norm(dim=1).tolist() == pytest.approx([0.959, 0.959], abs=3e-3)
    angle = torch.rad2deg(torch.arccos(arms[0] @ arms[1] / arms.norm(dim=1).prod()))
    assert float(angle) == pytest.approx(107.0, abs=1.5)
    dipole = (water.charge[:, None] * water.pos + water.dipole).sum(0).norm() / 0.2081943
    assert float(dipole) == pytest.approx(2.1, abs=0.3)


def test_shipped_geometry_is_what_the_command_computes():
    pytest.importorskip("tblite")
    smiles = embedded_smiles("planar")[26]
    computed, shipped = xtb.relax(from_smiles(smiles)), xtb_molecule(smiles)
    assert torch.allclose(torch.pdist(computed.pos), torch.pdist(shipped.pos), atol=5e-3)
    assert torch.allclose(computed.charge, shipped.charge, atol=2e-3)
