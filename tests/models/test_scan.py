import dataclasses

import pytest
import torch
from torch_geometric.data import Batch

from torch_afm.config import Scan, ScanGeneratorConfig, generator_config
from torch_afm.data import AFMData
from torch_afm.models import ScanGenerator, load_generator, make_generator
from torch_afm.nn import MapGrid
from torch_afm.ppm import ProbeParticleModel
from torch_afm.prediction import generate
from torch_afm.testing import benzene, random_graph
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

SCAN = Scan(window=((-3.875, 3.875), (-1.875, 1.875)), pixels=(32, 16), n_slices=3)
GROUPS = (("H",), ("C", "N", "O"), ("F", "Cl"))
MAPS = ("heatmap", "class_logits", "position", "log_var", "parent_logits")


def tiny(**changes) -> ScanGenerator:
    torch.manual_seed(0)
    settings = {"scan": SCAN, "groups": GROUPS, "channels": (6, 8, 10)} | changes
    return ScanGenerator(ScanGeneratorConfig(**settings)).eval()


def graph(n: int, seed: int = 0, size=(16, 32)) -> AFMData:
    data = random_graph(n, seed)
    stacks = torch.Generator().manual_seed(seed)
    data.reference, data.simulated = torch.randn(2, 1, 1, 3, *size, generator=stacks)
    return data


def double(data: AFMData) -> AFMData:
    for key in ("pos", "reference", "simulated"):
        data[key] = data[key].double()
    return data


def part(data: AFMData, top: int, left: int, height: int, width: int) -> AFMData:
    """A part of a scan, about its own middle."""
    cut = data.clone()
    (full_height, full_width) = data.reference.shape[3:]
    for key in ("reference", "simulated"):
        cut[key] = data[key][..., top : top + height, left : left + width]
    middle = left + width / 2 - full_width / 2, top + height / 2 - full_height / 2
    cut.pos = data.pos - 0.25 * data.pos.new_tensor([*middle, 0])
    return cut


@pytest.mark.parametrize("size", [(16, 32), (8, 8), (48, 24)])
def test_maps_of_any_size(size):
    model = tiny()
    out = model(Batch.from_data_list([graph(0, 0, size), graph(5, 1, size)]))
    shape = (size[0] // 2, size[1] // 2)
    assert out.heatmap.shape == (2, 2, *shape) and out.position.shape == (2, 2, 3, *shape)
    assert out.log_var.shape == out.position.shape and out.measured.shape == (2, 1, *shape)
    share = out.class_logits.exp()
    assert share.shape == (2, 3, *shape) and (share[:, 0] == 1).all()
    torch.testing.assert_close(share[:, 1:].sum(dim=1), torch.ones(2, *shape))
    torch.testing.assert_close(out.parent_logits.exp().sum(dim=1), torch.ones(2, *shape))
    assert out.parent_logits.shape == (2, 3, *shape)
    assert out.graph.move.shape == out.graph.move_log_var.shape == (5, 3) and out.graph.real.shape == (5,)
    assert out.graph.bond.shape == out.graph.pairs[0].shape


def test_the_preset():
    model = make_generator(generator_config("scan"))
    assert isinstance(model, ScanGenerator)
    assert 1_500_000 < sum(p.numel() for p in model.parameters()) < 2_400_000
    assert model.config.scan.pixel_size == (0.25, 0.25) and model.pitch == (0.5, 0.5)
    # At least 10 Å, and hardly more than the window of the training data shows.
    assert 10 <= 0.25 * model.receptive_field <= 16
    assert model.views == tiny().views == (1, 4, 8)


@torch.no_grad()
def test_a_part_of_a_scan_is_read_as_the_whole():
    """Beyond the receptive field from where it was cut, whatever lies there."""
    model = tiny(channels=(6, 8)).double()
    data = double(graph(12, 0, (96, 112)))
    data.pos = 2 * data.pos
    whole, cut = model(data), model(part(data, 8, 16, 80, 88))
    reach = int((model.receptive_field + 1.5) // 2)
    inner = slice(reach, -reach)
    for name in MAPS:
        a, b = getattr(whole, name)[..., 4:44, 8:52], getattr(cut, name)
        torch.testing.assert_close(a[..., inner, inner], b[..., inner, inner], rtol=0, atol=1e-12)
    assert reach == 14 and (whole.heatmap[..., 4:44, 8:52] - cut.heatmap).abs().max() > 1e-6


@torch.no_grad()
def test_a_shift_by_whole_strides_shifts_the_answer():
    model = tiny(channels=(6, 8)).double()
    data = double(graph(6, 0, (80, 80)))
    data.pos = data.pos / 2
    step = model.config.multiple
    moved = data.clone()
    moved.reference, moved.simulated = (t.roll(step, 4) for t in (data.reference, data.simulated))
    moved.pos = data.pos + torch.tensor([0.25 * step, 0.0, 0.0], dtype=torch.float64)
    here, there = model(data), model(moved)
    shift = step // 2
    for name in MAPS:
        a, b = getattr(here, name), getattr(there, name)
        torch.testing.assert_close(
            b[..., 15:25, 15 + shift : 25], a[..., 15:25, 15 : 25 - shift], rtol=0, atol=1e-12
        )
    torch.testing.assert_close(here.graph.real, there.graph.real)


@torch.no_grad()
@pytest.mark.parametrize("fill", [float("nan"), 7.0])
def test_what_is_not_valid_has_no_influence(fill):
    model = tiny()
    data, other = graph(5), graph(5)
    data.valid = torch.ones_like(data.reference, dtype=torch.bool)
    data.valid[:, :, 0] = False
    data.valid[..., :4, :10] = False
    for key in ("reference", "simulated"):
        other[key] = data[key].masked_fill(~data.valid, fill)
    other.valid = data.valid
    a, b = model(data), model(other)
    for x, y in zip((*a[:6], *a.graph), (*b[:6], *b.graph), strict=True):
        assert torch.equal(x, y)
    assert not a.measured[..., :2, :5].any() and a.measured.sum() == 8 * 16 - 10
    assert a.heatmap[..., :2, :5].sigmoid().max() < 1e-9
    # That they are not is known.
    del other.valid
    assert not torch.equal(model(data).heatmap, model(graph(5)).heatmap)


@torch.no_grad()
def test_padding_with_what_is_not_valid_changes_nothing():
    model = tiny().double()
    data = double(graph(6))
    data.pos = data.pos * torch.tensor([0.9, 0.4, 0.3])  # well inside
    wide = data.clone()
    for key in ("reference", "simulated"):
        wide[key] = torch.nn.functional.pad(data[key], (8, 24, 0, 16), value=float("nan"))
    wide.valid = torch.nn.functional.pad(torch.ones_like(data.reference, dtype=torch.bool), (8, 24, 0, 16))
    wide.pos = data.pos + 0.25 * torch.tensor([-8.0, -8.0, 0.0])
    a, b = model(data), model(wide)
    for name in MAPS:
        torch.testing.assert_close(getattr(b, name)[..., :8, 4:20], getattr(a, name), rtol=0, atol=1e-12)
    torch.testing.assert_close(a.graph.real, b.graph.real)
    with model.evaluating():
        (one,), (other,) = model.propose([data]), model.propose([wide])
    torch.testing.assert_close(other.atoms.confidence, one.atoms.confidence)
    torch.testing.assert_close(other.atoms.pos - wide.pos[0], one.atoms.pos - data.pos[0])
    assert other.stop == pytest.approx(one.stop) and other.done == one.done


def test_all_is_valid_and_the_amplitude_that_of_the_scan_by_default():
    model, data = tiny(), graph(4)
    full = data.clone()
    full.valid = torch.ones_like(data.reference, dtype=torch.bool)
    full.amplitude = torch.tensor([SCAN.amplitude])
    assert torch.equal(model(full).heatmap, model(data).heatmap)
    full.amplitude = torch.zeros(1)
    assert not torch.equal(model(full).heatmap, model(data).heatmap)


def test_graphs_of_a_batch_do_not_mix():
    model = tiny()
    graphs = [graph(3, 1), graph(0, 2), graph(6, 3)]
    for i, one in enumerate(graphs):
        one.amplitude = torch.tensor([0.5 * i])
        one.valid = torch.rand(1, 1, *SCAN.shape, generator=torch.manual_seed(i)) < 0.9
    whole = model(Batch.from_data_list(graphs))
    for i, one in enumerate(graphs):
        for a, b in zip(whole[:6], model(one)[:6], strict=True):
            torch.testing.assert_close(a[i : i + 1], b)
    alone = [model(one).graph for one in graphs]
    for name in ("bond", "move", "move_log_var", "real"):
        torch.testing.assert_close(
            getattr(whole.graph, name), torch.cat([getattr(out, name) for out in alone])
        )


@pytest.mark.parametrize("name", ["reference", "simulated", "pos", "z"])
def test_all_inputs_count(name):
    model, data = tiny(), graph(4)
    changed = data.clone()
    changed[name] = 1 + data[name] if name != "z" else torch.tensor([9, 9, 9, 9])
    before, after = model(data), model(changed)
    for name in MAPS:
        assert (getattr(before, name) - getattr(after, name)).abs().max() > 1e-6, name
    assert (before.graph.move - after.graph.move).abs().max() > 1e-6


def test_every_parameter_learns():
    model = tiny().train()
    near = [graph(3, 1), graph(4, 2)]
    for data in near:
        data.pos = data.pos / 3  # close enough for bonds
    out = model(Batch.from_data_list(near))
    sum(m.square().sum() for m in (*out[:5], *out.graph[1:])).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_the_loss_in_bfloat16():
    model = tiny().train()
    graphs = [graph(n, n) for n in range(4)]
    for data in graphs:
        missing = random_graph(5, 9)
        data.missing_z, data.missing_pos, data.true_pos = missing.z, missing.pos / 2, data.pos.clone()
    batch, loss, terms = Batch.from_data_list(graphs), model.make_loss(), []
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = model(batch)
            assert all(m.dtype == torch.float32 for m in (*out[:5], *out.graph[1:]))
            terms.append(loss(out, batch))
    for exact, rounded in zip(*terms, strict=True):
        torch.testing.assert_close(rounded, exact, rtol=1e-2, atol=1e-2)


@torch.no_grad()
def test_a_proposal_says_what_is_missing_where():
    model, data = tiny(), graph(3)
    for layer in (model.head, model.class_head):
        layer.weight.zero_()
        layer.bias.zero_()
    model.head.bias.view(2, 7)[:, 0] = -9.0
    none = model.propose([data])[0]
    assert none.done and none.stop == 1.0 and len(none.atoms.z) == 0
    assert none.maps.shape == (2, 16, 32) and none.revised.pos.shape == (3, 3)
    model.head.bias.view(2, 7)[1, 0] = 2.0  # an atom of plane 1 at every pixel
    found = model.propose([data])[0]
    p = torch.tensor(2.0).sigmoid().item()
    assert not found.done and found.stop == pytest.approx(1 - p, abs=1e-3)
    assert found.atoms.confidence[0].item() == pytest.approx(p, abs=1e-3)
    x, y = MapGrid.centered((8, 16), (0.5, 0.5)).axes(found.atoms.pos)
    for axis, place in ((x, found.atoms.pos[:, :1]), (y, found.atoms.pos[:, 1:2])):
        assert (axis - place).abs().amin(dim=1).max() < 1e-5
    # Deep atoms do not tell that a visible one is missing.
    model.head.bias.view(2, 7)[1, 3] = -2.0
    deep = model.propose([data])[0]
    assert not deep.done and deep.stop == 1.0 and len(deep.atoms.z) > 0


@torch.no_grad()
@pytest.mark.parametrize("views", [1, 8])
def test_a_proposal_of_any_window_is_that_of_the_window_in_a_larger_image(views):
    model, data = tiny(), graph(3, size=(10, 22))
    model.head.bias.view(2, 7)[:, 0] = 0.5
    wide = data.clone()
    for key in ("reference", "simulated"):
        wide[key] = torch.nn.functional.pad(data[key], (9, 9, 3, 3), value=9.0)
    wide.valid = torch.zeros(wide.reference.shape, dtype=torch.bool)
    wide.valid[..., 3:13, 9:31] = True
    one, other = (model.propose([one], views)[0] for one in (data, wide))
    assert len(one.atoms.z) == len(other.atoms.z) > 0 and one.maps.shape == (2, 10, 22)
    torch.testing.assert_close(one.atoms.pos, other.atoms.pos)
    torch.testing.assert_close(one.atoms.confidence, other.atoms.confidence)
    torch.testing.assert_close(one.revised.real, other.revised.real)
    torch.testing.assert_close(one.maps, other.maps[:, 3:13, 9:31])
    with pytest.raises(InputError, match=r"even numbers of pixels along x and y, got \(9, 22\)"):
        model.propose([graph(3, size=(9, 22))])


@torch.no_grad()
@pytest.mark.parametrize("rows", [8, 24, 40])
def test_strips_of_a_large_image_show_no_seams(rows, monkeypatch):
    model, data = tiny(), double(graph(9, size=(152, 24)))
    data.pos *= 3
    whole = model.double()(data)
    halo = -(-model.receptive_field // 8) * 8
    monkeypatch.setattr("torch_afm.models.scan._STRIP", int(24 * (rows + 2 * halo)))
    seen = []
    model.unet.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].size(2)))
    strips = model(data)
    assert len(seen) == -(-152 // rows) and max(seen) <= rows + 2 * halo
    for name in MAPS:
        torch.testing.assert_close(getattr(strips, name), getattr(whole, name), rtol=0, atol=1e-10)
    torch.testing.assert_close(strips.graph.move, whole.graph.move, rtol=0, atol=1e-10)


@torch.no_grad()
def test_weights_in_float16_say_the_same():
    model, data = tiny(), graph(3)
    exact = model(data)
    model.load_state_dict({key: value.half() for key, value in model.state_dict().items()})
    rounded = model(data)
    for name in ("heatmap", "class_logits", "parent_logits"):
        a, b = (getattr(out, name).sigmoid() for out in (rounded, exact))
        torch.testing.assert_close(a, b, rtol=0, atol=1e-3)


def test_save_and_load(tmp_path):
    model = tiny()
    model.save_pretrained(tmp_path)
    loaded = load_generator(tmp_path)
    assert isinstance(loaded, ScanGenerator) and loaded.config == model.config
    before, after = model(graph(3)), loaded.eval()(graph(3))
    pairs = zip((*before[:6], *before.graph), (*after[:6], *after.graph), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_it_is_searched_with(search):
    scan = dataclasses.replace(SCAN, window=((-3.875, 3.875), (-3.875, 3.875)), pixels=(32, 32))
    model = tiny(scan=scan)
    with torch.no_grad():
        model.head.bias.view(2, 7)[:, 0] = 0.5
    renderer = ProbeParticleModel(scan)
    stack = renderer(benzene(), z_top=8.0)
    most = 6 if search == "greedy" else 100
    found = generate(model, stack, renderer, 8.0, max_atoms=most, search=search)
    assert len(found.steps) >= 1 and 0 < len(found.graph.z) + len(found.context.z) <= most
    assert torch.isfinite(found.graph.pos).all()


def test_a_single_step():
    model = tiny()
    batch = Batch.from_data_list([graph(3, 1), graph(4, 2)])
    out, step = model(batch), model.predict_step(batch)
    shown = out.heatmap.masked_fill(out.position[:, :, 2] < model.config.z_min, -torch.inf)
    torch.testing.assert_close(step.class_logits[:, 0].exp(), 1 - shown.flatten(1).amax(dim=1).sigmoid())
    assert step.pos.shape == (2, 3) and step.edge_logits.shape == (7,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": torch.zeros(1, 1, 2, 16, 32)}, "reference: expected shape"),
        ({"simulated": torch.zeros(1, 1, 3, 16, 24)}, "simulated: expected shape"),
        (
            {"reference": torch.zeros(1, 1, 3, 12, 32), "simulated": torch.zeros(1, 1, 3, 12, 32)},
            "reference: expected pixels in multiples of 8, got \\(12, 32\\)",
        ),
        ({"valid": torch.ones(1, 1, 3, 16, 16, dtype=torch.bool)}, "valid: expected shape"),
        ({"valid": torch.ones(1, 1, 3, 16, 32)}, "valid: expected booleans, got torch.float32"),
        ({"amplitude": torch.ones(2)}, "amplitude: expected shape"),
        ({"amplitude": torch.full((1,), float("nan"))}, "amplitude: expected finite"),
        ({"z": torch.tensor([92, 1])}, "z: U is in none"),
    ],
)
def test_bad_input(change, message):
    data = graph(2)
    for key, value in change.items():
        data[key] = value
    with pytest.raises(InputError, match=message):
        tiny()(data)
