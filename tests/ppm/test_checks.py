from dataclasses import replace
from functools import partial

import pytest
import torch

from torch_afm.config import Scan, Tip
from torch_afm.data import AFMData
from torch_afm.elements import LJ_TABLE
from torch_afm.ppm import ProbeParticleModel, checks
from torch_afm.testing import water
from torch_afm.utils import InputError

SCAN = Scan(window=((-2.0, 2.0), (-1.5, 1.5)), pixels=(5, 4), n_slices=2, n_oscillation=2)
RENDERERS = [partial(ProbeParticleModel, backend=name) for name in ("opencl", "torch")]
#: Å above a carbon where the core of an oxygen probe begins.
CORE = (LJ_TABLE["C"][0] + LJ_TABLE["O"][0]) / 2


def carbon(*places: tuple[float, float, float]) -> AFMData:
    return AFMData(z=torch.full((len(places),), 6), pos=torch.tensor(places))


@pytest.mark.parametrize("renderer", RENDERERS)
def test_probe_that_starts_in_or_under_the_sample_is_refused(renderer):
    # The free probe hangs 4 Å below its anchor.
    above, below, quiet = 4 + CORE + 0.01, 4 + CORE - 0.01, renderer(SCAN, on_unconverged="ignore")
    data = carbon((0.0, 0.0, 0.0))
    assert renderer(SCAN)(data, z_top=above).isfinite().all()
    for z_top in (below, 4.0, 0.0, -3.0, -100.0):
        with pytest.raises(InputError, match="z_top, distance"):
            renderer(SCAN)(data, z_top=z_top)
        with pytest.raises(InputError, match="z_top, distance"):
            renderer(SCAN).relax(data, z_top=z_top)
    # From underneath the picture would be as plausible as from above: that of the mirrored sample, attracted.
    under = quiet(data, z_top=-2.0)
    assert under.isfinite().all() and torch.equal(renderer(SCAN).quiet()(data, z_top=-2.0), under)
    with pytest.raises(InputError, match="z_top, distance"):
        renderer(replace(SCAN, distance=1.0))(data)


def test_missing_height_is_told():
    renderer, data = ProbeParticleModel(SCAN, backend="torch"), carbon((0.0, 0.0, 0.0), (1.0, 0.5, 0.9))
    with pytest.raises(InputError) as error:
        renderer(data, z_top=3.0)
    lack = float(str(error.value).split("first height ")[1].split(" ")[0])
    assert lack == pytest.approx(4 + 0.9 + CORE - 3, abs=0.01)
    assert renderer(data, z_top=3.0 + lack + 0.01).isfinite().all()


@pytest.mark.parametrize("tilt", [0.0, 1.0])
def test_only_atoms_under_the_window_count(tilt):
    tip = Tip(tilt=(tilt, 0.0))
    renderer, base = ProbeParticleModel(SCAN, tip, backend="torch"), (0.0, 0.0, -3.0)
    # High above the first height, beside where the free probe comes to (window and tilt).
    beside = carbon(base, (2.0 + tilt + CORE + 0.01, 0.0, 3.0))
    over = carbon(base, (2.0 + tilt + CORE - 0.01, 0.0, 3.0))
    assert renderer(beside, z_top=6.0).isfinite().all()
    with pytest.raises(InputError, match="z_top, distance"):
        renderer(over, z_top=6.0)


def test_graph_of_a_batch_and_probe_of_a_channel_have_cores_of_their_own():
    renderer, top = ProbeParticleModel(SCAN, backend="torch"), 4 + CORE + 0.05
    assert renderer(carbon((0.0, 0.0, 0.0)), z_top=top).isfinite().all()
    with pytest.raises(InputError, match="z_top, distance"):
        renderer(carbon((0.0, 0.0, 0.0)), [[Tip(), Tip(probe="Xe")]], z_top=top)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_anchor_below_the_highest_atom_is_told(renderer):
    scan = replace(SCAN, n_slices=8, dz=1.0)  # 8 Å deep
    data = carbon((0.0, 0.0, 0.0))
    with pytest.warns(UserWarning, match="the anchor"):
        renderer(scan)(data, z_top=7.9)
    with pytest.raises(InputError, match="the anchor"):
        renderer(scan, on_unconverged="error")(data, z_top=7.9)


@pytest.mark.parametrize("renderer", RENDERERS)
def test_stacks_beyond_the_memory_are_refused_before_any_is_taken(renderer, monkeypatch):
    with pytest.raises(InputError, match=r"^pixels: .* 10000000000 pixels .* GB"):
        renderer(Scan(pixels=(100_000, 100_000)))(water())
    monkeypatch.setattr(checks, "_memory", lambda: 1e5)
    assert renderer(SCAN)(water()).shape == (1, 1, 2, 4, 5)
    with pytest.raises(InputError, match="pixels"):
        renderer(Scan(pixels=(64, 64)))(water())
    some = renderer(Scan(pixels=(64, 64)))(water(), pixels=torch.zeros(4, 2, dtype=torch.long))
    assert some.shape[-1] == 4


def test_as_many_heights_as_a_scan_may_have_are_rendered():
    scan = Scan(window=SCAN.window, pixels=(4, 4), n_slices=4087, dz=1e-3)
    assert scan.n_heights == 4096
    assert ProbeParticleModel(scan, backend="opencl")(water()).isfinite().all()
