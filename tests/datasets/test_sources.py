import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.datasets import RotatedMolecules, sources
from torch_afm.datasets.sources import PackedMolecules, rotation_table
from torch_afm.testing import assert_same_graph, benzene, random_graph, water
from torch_afm.transforms import best_rotations
from torch_afm.utils import InputError


@pytest.fixture(scope="module")
def molecules():
    rng = np.random.default_rng(0)
    return [AFMData(pos=torch.tensor(rng.normal(size=(3 + i % 9, 3)) * 2).float()) for i in range(120)]


def test_table_is_that_of_each_molecule_alone(molecules):
    quaternions = rotation_table(molecules, n=7, candidates=60, seed=3, cache=False)
    assert quaternions.shape == (120, 7, 4)
    for i in (0, 5, 119):
        alone = best_rotations(molecules[i].pos, 7, 60, 3)
        assert np.array_equal(quaternions[i], alone.as_quat())


def test_second_time_is_read(molecules, tmp_path, monkeypatch):
    first = rotation_table(molecules, n=4, candidates=40, cache=tmp_path)
    with monkeypatch.context() as context:
        context.setattr(sources, "best_rotation_ids", lambda *_: pytest.fail("computed instead of read"))
        again = rotation_table(molecules, n=4, candidates=40, cache=tmp_path)
    assert np.array_equal(first, again)
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes()[:-300])
    with pytest.warns(UserWarning, match=f"{file.name}.*damaged"):
        again = rotation_table(molecules, n=4, candidates=40, cache=tmp_path)
    assert np.array_equal(first, again)


def test_file_knows_its_inputs(molecules, tmp_path):
    variants = [(molecules, 4, 40, 0), (molecules[:-1], 4, 40, 0), (molecules, 5, 40, 0)]
    variants += [(molecules, 4, 41, 0), (molecules, 4, 40, 1)]
    for i, variant in enumerate(variants, start=1):
        stored = rotation_table(*variant, cache=tmp_path)
        assert np.array_equal(stored, rotation_table(*variant, cache=False))
        assert len(list(tmp_path.iterdir())) == i


def test_few_molecules_are_not_stored(molecules, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    rotation_table(molecules[:99], n=4, candidates=40)
    assert not list(tmp_path.iterdir())
    rotation_table(molecules[:100], n=4, candidates=40)
    assert len(list((tmp_path / "torch_afm" / "rotations").iterdir())) == 1


def test_bad_input(molecules):
    with pytest.raises(InputError, match="pos of molecule 1: expected at least one atom"):
        rotation_table([molecules[0], AFMData.empty()], cache=False)
    with pytest.raises(InputError, match="n: expected 1 to 10"):
        rotation_table(molecules, n=11, candidates=10, cache=False)


def test_packed_molecules_are_those_that_came_in():
    molecules = [water(), benzene(), random_graph(1), random_graph(7, seed=2)]
    packed = PackedMolecules([*molecules[:3], AFMData(**molecules[3].to_dict(), name="seven")])
    assert len(packed) == 4 and str(packed) == "PackedMolecules(4)"
    for i, molecule in enumerate(molecules):
        assert_same_graph(packed[i], molecule)


def test_molecules_without_dipoles_have_zeros_beside_others():
    dipolar = water()
    dipolar.dipole = torch.arange(9.0).reshape(3, 3)
    packed = PackedMolecules([benzene(), dipolar])
    assert torch.equal(packed[0].dipole, torch.zeros(12, 3))
    assert_same_graph(packed[1], dipolar)


def test_packed_molecules_are_copied():
    packed = PackedMolecules([water()])
    packed[0].pos += 1
    assert torch.equal(packed[0].pos, water().pos)


def test_bad_molecules():
    with pytest.raises(InputError, match="expected at least one"):
        PackedMolecules([])
    with pytest.raises(InputError, match="'charge' in each, got none in molecule 1"):
        PackedMolecules([water(), AFMData(z=torch.tensor([1]), pos=torch.zeros(1, 3))])


def test_rotated_molecules_lie_under_the_middle_of_the_window():
    source = RotatedMolecules([water(), benzene()], rotations=3, candidates=20)
    assert len(source) == 6 and source.quaternions.shape == (2, 3, 4)
    assert repr(source) == "RotatedMolecules(2 molecules x 3 rotations)"
    for i in range(6):
        data, molecule = source.oriented(i), (water(), benzene())[i // 3]
        assert data.z.tolist() == molecule.z.tolist() and data.pos[:, 2].max() == 0
        middle = (data.pos.amin(0) + data.pos.amax(0))[:2] / 2
        assert torch.allclose(middle, torch.zeros(2), atol=1e-5)
        assert torch.allclose(torch.pdist(data.pos), torch.pdist(molecule.pos), atol=1e-4)
