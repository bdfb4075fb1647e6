import ase.units
import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT
from rdkit.Chem import rdForceFieldHelpers

from torch_afm.data import AFMData, from_smiles, remove_atoms, to_ase
from torch_afm.generation.chemistry import relax, sanitise, to_part
from torch_afm.units import KCAL_PER_MOL
from torch_afm.utils import InputError


@pytest.fixture(scope="module")
def shaken():
    """Ethanol with its atoms 0.1 Å off."""
    graph = from_smiles("CCO")
    graph.pos += 0.1 * torch.randn(graph.pos.shape, generator=torch.Generator().manual_seed(0))
    return graph


def _mmff_forces(graph):
    """In eV/Å, by RDKit from a molecule of its own."""
    mol = to_part(sanitise(graph))
    properties = rdForceFieldHelpers.MMFFGetMoleculeProperties(mol)
    field = rdForceFieldHelpers.MMFFGetMoleculeForceField(mol, properties)
    field.Initialize()
    return -KCAL_PER_MOL * np.array(field.CalcGrad()).reshape(-1, 3)


def test_forces_balance_the_springs(shaken):
    sigma = torch.linspace(0.05, 0.2, 27).reshape(9, 3)
    found = relax(shaken, "mmff94", sigma=sigma, max_steps=2000)
    assert found.converged and found.hydrogens.z.numel() == 0
    k = ase.units.kB * 300 / sigma.double().numpy() ** 2
    moved = (found.graph.pos - shaken.pos).double().numpy()
    assert np.abs(moved).max() > 0.05
    np.testing.assert_allclose(_mmff_forces(found.graph), k * moved, atol=0.02)
    assert found.energy_after < found.energy_before


def test_restraints_from_none_to_rigid(shaken):
    free = relax(shaken, "mmff94", restraint="none", max_steps=2000)
    assert np.abs(_mmff_forces(free.graph)).max() < 0.02
    stiff, soft = (relax(shaken, "mmff94", sigma=s) for s in (0.001, 0.3))
    moved = [(r.graph.pos - shaken.pos).norm(dim=1).mean().item() for r in (stiff, soft, free)]
    assert moved[0] < 0.01 < moved[1] < moved[2] + 0.05
    assert free.energy_after <= soft.energy_after < stiff.energy_after
    fixed = relax(shaken, "mmff94", restraint="fixed")
    torch.testing.assert_close(fixed.graph.pos, shaken.pos, atol=1e-5, rtol=0)
    # The deviations that a graph tells come first.
    told = shaken.clone()
    told.sigma = torch.full((9, 3), 0.001)
    torch.testing.assert_close(relax(told, "mmff94", sigma=5.0).graph.pos, stiff.graph.pos)


def test_parts_get_hydrogens_that_do_not_stay():
    whole = from_smiles("CCO")
    part = remove_atoms(whole, whole.z == 1)
    found = relax(part, restraint="fixed")
    assert found.force_field == "mmff94" and found.graph.z.tolist() == [6, 6, 8]
    torch.testing.assert_close(found.graph.pos, part.pos, atol=1e-5, rtol=0)
    assert found.hydrogens.pos.shape == (6, 3)
    near = torch.cdist(found.hydrogens.pos, part.pos).amin(dim=1)
    assert ((near > 0.9) & (near < 1.2)).all()
    assert relax(part, fill=False, force_field="uff").hydrogens.z.numel() == 0


def test_other_force_fields():
    boronic = from_smiles("CB(O)O")
    assert relax(boronic).force_field == "uff"
    with pytest.raises(InputError, match="mmff94 has no parameters"):
        relax(boronic, "mmff94")


def test_any_ase_calculator(shaken):
    found = relax(shaken, EMT(), sigma=0.1, max_steps=300)
    assert found.force_field == "EMT" and found.converged
    atoms = to_ase(found.graph)
    atoms.calc = EMT()
    pull = ase.units.kB * 300 / 0.1**2 * (found.graph.pos - shaken.pos).double().numpy()
    np.testing.assert_allclose(atoms.get_forces(), pull, atol=0.06)
    fixed = relax(shaken, EMT(), restraint="fixed")
    torch.testing.assert_close(fixed.graph.pos, shaken.pos, atol=1e-5, rtol=0)


def test_everything_else_stays(shaken):
    graph = shaken.clone()
    graph.confidence = torch.rand(9)
    before = graph.pos.clone()
    found = relax(graph).graph
    assert torch.equal(found.confidence, graph.confidence) and torch.equal(found.edge_index, graph.edge_index)
    assert torch.equal(graph.pos, before) and found.pos.dtype == graph.pos.dtype


def test_nothing_and_bad_words(shaken):
    assert relax(AFMData.empty()).graph.z.numel() == 0
    for change, message in (
        ({"restraint": "rope"}, "restraint"),
        ({"force_field": "am1"}, "force_field"),
        ({"sigma": 0.0}, "sigma"),
        ({"sigma": torch.ones(3)}, "sigma"),
        ({"temperature": 0.0}, "temperature"),
    ):
        with pytest.raises(InputError, match=message):
            relax(shaken, **change)
