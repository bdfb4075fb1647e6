from functools import partial

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import LJ_TABLE
from torch_afm.ppm import ProbeParticleModel
from torch_afm.ppm.inputs import prepare
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError

SCAN = Scan(pixels=(4, 4), n_slices=1, n_oscillation=2)
RENDERERS = [partial(ProbeParticleModel, backend=name) for name in ("opencl", "torch")]


def _two() -> Batch:
    return Batch.from_data_list([water(), water()])


def changed(**values) -> AFMData:
    data = water()
    for key, value in values.items():
        data[key] = value
    return data


BAD = [
    (changed(pos=water().pos * float("nan")), {}, "pos"),
    (changed(pos=water().pos[:, :2]), {}, "pos"),
    (changed(z=torch.tensor([8, 1, 92])), {}, ""),
    (changed(charge=torch.zeros(2)), {}, "charge"),
    (changed(dipole=torch.zeros(2, 3)), {}, "dipole"),
    (changed(dipole=torch.full((3, 3), float("inf"))), {}, "dipole"),
    (changed(z=torch.tensor([8.0, 1.0, 1.0])), {}, "z"),
    (AFMData(z=torch.tensor([6])), {}, "data"),
    (water(), {"tip": [Tip(), Tip()]}, "tip"),
    (_two(), {"tip": [[Tip(), Tip()], [Tip()]]}, "tip"),
    (water(), {"tip": []}, "tip"),
    (water(), {"tip": [[]]}, "tip"),
    (water(), {"tip": [[Tip()], [Tip()]]}, "tip"),
    (water(), {"tip": Tip(probe="U")}, ""),
    *((water(), {"z_top": v}, "z_top") for v in (torch.zeros(2), torch.zeros(1, 2), float("nan"))),
    (AFMData.empty(), {}, "z_top"),
    (Batch.from_data_list([water(), AFMData.empty()]), {}, "z_top"),
    *((water(), {"pixels": torch.tensor(v)}, "pixels") for v in ([[0.0, 9.0]], [[4, 0]], [1, 2])),
    (water(), {"z_top": 2.0}, "z_top, distance"),
]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_bad_input_is_one_clear_line(renderer):
    for data, settings, name in BAD:
        with pytest.raises(InputError) as error:
            renderer(SCAN)(data, **settings)
        assert str(error.value).startswith(name) and "\n" not in str(error.value)
    with pytest.raises(InputError, match="on_unconverged"):
        renderer(on_unconverged="hide")


@pytest.mark.parametrize("renderer", RENDERERS)
def test_missing_charges_are_zero(renderer):
    bare, neutral = water(), water()
    del bare.charge
    neutral.charge = torch.zeros(3)
    assert torch.equal(renderer(SCAN)(bare), renderer(SCAN)(neutral))


@pytest.mark.parametrize("renderer", RENDERERS)
def test_force_field_and_a_probe_of_its_own(renderer):
    # Hydrogen that is given oxygen's parameters is oxygen, and a probe with those of xenon is xenon.
    (radius, depth), (own_radius, own_depth) = LJ_TABLE["O"], LJ_TABLE["Xe"]
    scan = Scan(pixels=(9, 8), n_slices=2)
    molecule = water()
    molecule.charge = torch.zeros(3)
    all_oxygen = molecule.clone()
    all_oxygen.z = torch.tensor([8, 8, 8])
    changed = renderer(scan, forcefield=ForceField((("H", radius, depth),)))
    tip = Tip(radius=own_radius, depth=own_depth)
    torch.testing.assert_close(
        changed(molecule, tip), renderer(scan)(all_oxygen, Tip(probe="Xe")), rtol=0, atol=0
    )
    assert not torch.allclose(changed(molecule), renderer(scan)(molecule), atol=1e-3)


def graphs():
    """Charged, without charges, charged, all with dipoles."""
    neutral = benzene()
    neutral.charge = torch.zeros(12)
    found = [water(), neutral, water()]
    for graph in found:
        graph.dipole = torch.sin(torch.arange(3.0 * len(graph.z))).reshape(-1, 3)
    return found


@pytest.mark.parametrize("entries", [[2], [2, 0]])
def test_taken_entries_are_those_of_the_batch(entries):
    batch = prepare(Batch.from_data_list(graphs()), SCAN, [[Tip(tilt=(0.1 * i, 0))] for i in range(3)], 8.5)
    part = batch.take(np.array(entries))
    for i, e in enumerate(entries):
        ours, theirs = slice(*part.ptr[i : i + 2]), slice(*batch.ptr[e : e + 2])
        assert torch.equal(part.pos[ours], batch.pos[theirs])
        assert torch.equal(part.dipole[ours], batch.dipole[theirs])
        assert (part.radius[ours] == batch.radius[theirs]).all()
        assert (part.tips.springs[i] == batch.tips.springs[e]).all()
        assert torch.equal(part.parameters.tilt[i], batch.parameters.tilt[e])
