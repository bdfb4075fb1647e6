import numpy as np
import pytest

from torch_afm.data import covalent_bonds, from_smiles
from torch_afm.datasets.scene_atoms import SceneAtoms
from torch_afm.testing import benzene
from torch_afm.transforms import flat_rotation

NORMAL = np.array([0.0, 0.0, 1.0])


@pytest.fixture
def pyrene():
    atoms = SceneAtoms.from_graph(from_smiles("c1cc2ccc3cccc4ccc(c1)c2c34"))
    return atoms.turned(flat_rotation(atoms.pos).as_matrix())


@pytest.mark.parametrize("sag", [0.3, -0.3])
@pytest.mark.parametrize("angle", [0.0, 0.7, 2.5])
def test_both_ends_rise_or_fall_by_the_sag(pyrene, angle, sag):
    direction = np.array([np.cos(angle), np.sin(angle), 0.0])
    bent = pyrene.bent(direction, NORMAL, sag)
    rise, along = bent.pos[:, 2] - pyrene.pos[:, 2], pyrene.pos @ direction
    assert rise[along.argmin()] == pytest.approx(sag) and rise[along.argmax()] == pytest.approx(sag)
    assert (np.abs(rise) <= abs(sag) + 1e-9).all() and (np.sign(rise) * np.sign(sag) >= 0).all()
    middle = (along.min() + along.max()) / 2
    assert np.allclose(rise[np.abs(along - middle) < 0.1], 0, atol=0.01)
    assert np.array_equal(bent.pos[:, :2], pyrene.pos[:, :2])
    assert np.array_equal(bent.dipole, pyrene.dipole) and np.array_equal(bent.bonds, pyrene.bonds)


def test_bonds_stay_bonds():
    """Of small molecules too, whose ends are near."""
    for smiles in ("O", "C=O", "c1ccccc1", "C=C"):
        data = from_smiles(smiles)
        atoms = SceneAtoms.from_graph(data)
        matrix = flat_rotation(atoms.pos).as_matrix()
        for sag in (-0.3, 0.3):
            bent = data.clone()
            for axis in matrix[:2]:
                bent.pos = data.pos.new_tensor(atoms.bent(axis, matrix[2], sag).pos)
                assert covalent_bonds(bent.z, bent.pos).tolist() == data.edge_index.tolist()
                length = [(g.pos[g.edge_index[0]] - g.pos[g.edge_index[1]]).norm(dim=1) for g in (bent, data)]
                assert (length[0] - length[1]).abs().max() < 0.1


def test_a_molecule_without_extent_is_not_bent():
    atoms = SceneAtoms.from_graph(benzene()).chosen(np.arange(12) == 3)
    assert np.array_equal(atoms.bent(np.array([1.0, 0.0, 0.0]), NORMAL, 0.3).pos, atoms.pos)
