import pytest
import torch
from rdkit import Chem
from scipy.spatial.transform import Rotation

from torch_afm.data import covalent_bonds, from_smiles


@pytest.mark.parametrize(
    "smiles",
    [
        "O.O",
        "[Na+].[Cl-]",
        "CC.CC",
        "c1ccccc1.c1ccccc1",
        "CC(=O)[O-].[Na+]",
        "Oc1ccccc1.O",
        "O.O.O.O.O.O.O",
        "C[C@H](F)Cl.C[C@@H](F)Cl",
    ],
)
def test_molecules_of_one_smiles_touch_each_other(smiles):
    """No two atoms of different molecules are nearer than their van der Waals radii, each molecule touches
    another, and each has the shape, handedness included, that it has alone."""
    data = from_smiles(smiles)
    parts = Chem.GetMolFrags(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    radius = torch.tensor([Chem.GetPeriodicTable().GetRvdw(z) for z in data.z.tolist()])
    gap = torch.cdist(data.pos.double(), data.pos.double()) - radius[:, None] - radius[None]
    for own in parts:
        others = [i for i in range(len(data.z)) if i not in own]
        assert float(gap[list(own)][:, others].min()) == pytest.approx(0, abs=1e-4)
    for text, own in zip(smiles.split("."), parts, strict=True):
        alone = from_smiles(text).pos.double().numpy()
        placed = data.pos[list(own)].double().numpy()
        if len(alone) > 1:
            _, residual = Rotation.align_vectors(placed - placed.mean(0), alone - alone.mean(0))
            assert residual < 1e-3
    assert covalent_bonds(data.z, data.pos).tolist() == data.edge_index.tolist()
