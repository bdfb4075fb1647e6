import numpy as np
import pytest
import torch

from torch_afm.data import AFMData
from torch_afm.ppm import dft
from torch_afm.ppm.dft import with_densities
from torch_afm.testing import water
from torch_afm.utils import InputError

PLACE = [[0.0, 0.0, 0.0], [0.0, 0.0, 0.74]]


def hydrogen() -> AFMData:
    return AFMData(z=torch.tensor([1, 1]), pos=torch.tensor(PLACE))


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_hydrogen_molecule(monkeypatch):
    pytest.importorskip("pyscf")
    steps = []
    data = with_densities(hydrogen(), steps.append)
    assert data.density.integral == pytest.approx(2, abs=2e-3)
    assert steps[0] == "ground state"
    assert steps[-1] == "potential"
    # Neutral and without a dipole: no potential far away.
    assert abs(data.potential.values[0, 0, 0]) < 0.02
    # Kept: not computed again.
    monkeypatch.setattr(dft, "_compute", None)
    again = with_densities(hydrogen())
    np.testing.assert_allclose(again.density.values, data.density.values, atol=1e-6)
    np.testing.assert_array_equal(again.density.cell, data.density.cell)
    with pytest.raises(TypeError):
        with_densities(water())


def test_a_damaged_cache_is_computed_again(tmp_path):
    pytest.importorskip("pyscf")
    first = with_densities(hydrogen())
    (file,) = (tmp_path / "torch_afm" / "densities").iterdir()
    file.write_bytes(b"damaged")
    second = with_densities(hydrogen())
    np.testing.assert_allclose(second.density.values, first.density.values, atol=1e-6)


@pytest.mark.slow
def test_dipole_of_water():
    """That of PBE is 1.8 D, of a basis set without diffuse functions more."""
    pytest.importorskip("pyscf")
    data = with_densities(water())
    points, volume = data.density.points(), abs(np.linalg.det(data.density.steps))
    cores = np.array([6.0, 1.0, 1.0]) @ data.pos.double().numpy()
    dipole = cores - [(data.density.values * points[..., a]).sum() * volume for a in range(3)]
    assert np.linalg.norm(dipole) / 0.2081943 == pytest.approx(2.0, abs=0.2)


def test_bad_molecules_are_refused():
    with pytest.raises(InputError, match="at least one atom"):
        with_densities(AFMData.empty())
    pytest.importorskip("pyscf")
    with pytest.raises(InputError, match="even number of electrons"):
        with_densities(AFMData(z=torch.tensor([1]), pos=torch.zeros(1, 3)))
    with pytest.raises(InputError, match="basis set"):
        with_densities(AFMData(z=torch.tensor([92]), pos=torch.zeros(1, 3)))
