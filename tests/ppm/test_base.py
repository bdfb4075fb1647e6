import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import LJ_TABLE
from torch_afm.ppm import OpenCLRenderer, TorchRenderer, place
from torch_afm.testing import water
from torch_afm.utils import InputError

SCAN = Scan(pixels=(4, 4), n_slices=1, n_oscillation=2)
RENDERERS = [OpenCLRenderer, TorchRenderer]


def test_placement_rule():
    # R(O) = 1.6612, R(H) = 1.487: the oxygen at z = 0 is the highest sphere.
    assert place(water(), SCAN, Tip()).item() == pytest.approx(1.6612 + 5.3 + 1.6612)
    assert place(water(), SCAN, Tip(probe="Xe")).item() == pytest.approx(1.6612 + 5.3 + 2.1815)
    # A carbon just below an oxygen may stick out, for its sphere is larger.
    both = AFMData(z=torch.tensor([8, 6]), pos=torch.tensor([[0, 0, 0.0], [3, 0, -0.1]]))
    assert place(both, SCAN, Tip()).item() == pytest.approx(1.908 - 0.1 + 5.3 + 1.6612)


def test_given_heights_win_over_stored_ones_over_placement():
    data = water()
    data.z_top = torch.tensor([7.5])
    batch = Batch.from_data_list([data, data])
    assert place(batch, SCAN, Tip()).tolist() == [7.5, 7.5]
    assert place(batch, SCAN, Tip(), z_top=torch.tensor([7.0, 8.0])).tolist() == [7.0, 8.0]
    assert place(batch, SCAN, Tip(), z_top=7.0).tolist() == [7.0, 7.0]


def _two() -> Batch:
    return Batch.from_data_list([water(), water()])


def test_every_channel_is_placed_by_its_own_probe():
    tops = place(_two(), SCAN, (Tip(), Tip(probe="Xe")))
    assert tops.shape == (2, 2)
    assert (tops[:, 1] - tops[:, 0]).tolist() == pytest.approx([2.1815 - 1.6612] * 2)
    assert place(_two(), SCAN, [Tip(), Tip(probe="Xe")]).tolist() == pytest.approx(tops[0].tolist())


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
    (changed(z=torch.tensor([8.0, 1.0, 1.0])), {}, "z"),
    (AFMData(z=torch.tensor([6])), {}, "data"),
    (water(), {"tip": [Tip(), Tip()]}, "tip"),
    (_two(), {"tip": [(Tip(), Tip()), Tip()]}, "tip"),
    (water(), {"tip": ()}, "tip"),
    (water(), {"tip": Tip(probe="U")}, ""),
    *((water(), {"z_top": v}, "z_top") for v in (torch.zeros(2), torch.zeros(1, 2), float("nan"))),
    (AFMData.empty(), {}, "z_top"),
    (Batch.from_data_list([water(), AFMData.empty()]), {}, "z_top"),
    *((water(), {"pixels": torch.tensor(v)}, "pixels") for v in ([[0.0, 0.0]], [[4, 0]], [1, 2])),
    (water(), {"z_top": 2.0}, "z_top, distance"),
]


@pytest.mark.parametrize("renderer", RENDERERS)
def test_bad_input_is_one_clear_line(renderer):
    for data, settings, name in BAD:
        with pytest.raises(InputError) as error:
            renderer(SCAN).render(data, **settings)
        assert str(error.value).startswith(name) and "\n" not in str(error.value)
    with pytest.raises(InputError, match="on_unconverged"):
        renderer(on_unconverged="hide")


@pytest.mark.parametrize("renderer", RENDERERS)
def test_missing_charges_are_zero(renderer):
    bare, neutral = water(), water()
    del bare.charge
    neutral.charge = torch.zeros(3)
    assert torch.equal(renderer(SCAN).render(bare), renderer(SCAN).render(neutral))


@pytest.mark.parametrize("renderer", [OpenCLRenderer, TorchRenderer])
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
        changed.render(molecule, tip), renderer(scan).render(all_oxygen, Tip(probe="Xe")), rtol=0, atol=0
    )
    assert not torch.allclose(changed.render(molecule), renderer(scan).render(molecule), atol=1e-3)
