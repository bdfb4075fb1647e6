import dataclasses
import json
from pathlib import Path

import pytest
import torch
import torch_geometric.typing
from torch import Tensor
from torch_geometric.data import Batch
from torch_geometric.nn.conv import MessagePassing

from torch_afm.config import Scan, SequentialGeneratorConfig, from_dict, generator_config, to_dict
from torch_afm.data import AFMData
from torch_afm.models import SequentialGenerator
from torch_afm.nn import SequentialLoss, StepPrediction
from torch_afm.utils import InputError

pytestmark = pytest.mark.learnt

PRESETS = ("thesis", "literal", "small")
SCATTER = [False] + [True] * torch_geometric.typing.WITH_TORCH_SCATTER
#: Atoms of each graph of the test batch: empty ones first, in the middle and last.
SIZES = (0, 3, 5, 0, 1, 4, 0)


def tiny(preset: str, **changes: object) -> SequentialGenerator:
    """A preset on few pixels (the number of parameters stays)."""
    torch.manual_seed(0)
    config = dataclasses.replace(generator_config(preset), scan=Scan(pixels=(24, 16), n_slices=4), **changes)
    return SequentialGenerator(config)


def graph(atoms: int, seed: int, scan: Scan, missing: int = 2) -> AFMData:
    generator = torch.Generator().manual_seed(seed)

    def positions(n: int) -> Tensor:
        return (torch.rand(n, 3, generator=generator) - 0.5) * torch.tensor([8, 8, 0.7])

    pairs = torch.combinations(torch.arange(atoms)).T
    pairs = pairs[:, torch.rand(pairs.size(1), generator=generator) < 0.6]
    return AFMData(
        z=torch.tensor([1, 6])[torch.randint(0, 2, (atoms,), generator=generator)],
        pos=positions(atoms),
        edge_index=torch.cat([pairs, pairs.flip(0)], dim=1),
        reference=torch.randn(1, 1, *scan.shape, generator=generator),
        simulated=torch.randn(1, 1, *scan.shape, generator=generator),
        missing_z=torch.tensor([1, 6])[torch.randint(0, 2, (missing,), generator=generator)],
        missing_pos=positions(missing),
        missing_edge_index=torch.ones(missing, atoms).nonzero().T,
    )


def graphs(model: SequentialGenerator) -> list[AFMData]:
    return [graph(n, seed, model.config.scan) for seed, n in enumerate(SIZES)]


def collate(items: list[AFMData]) -> Batch:
    return Batch.from_data_list(items)


def as_double(data: AFMData) -> AFMData:
    return data.clone().apply(lambda x: x.double() if x.is_floating_point() else x)


@pytest.mark.parametrize(("preset", "dead"), [("thesis", 256), ("literal", 128)])
def test_parameter_count_of_the_thesis(preset, dead):
    model = SequentialGenerator(generator_config(preset))
    assert sum(p.numel() for p in model.parameters()) == 750_335
    assert sum(p.numel() for p in model.parameters() if not p.requires_grad) == dead


def test_weights_of_small_fit_into_the_package():
    model = SequentialGenerator(generator_config("small"))
    assert sum(p.numel() * p.element_size() for p in model.parameters()) < 5e6


@pytest.mark.parametrize("scatter", SCATTER)
@pytest.mark.parametrize("preset", PRESETS)
def test_batch_is_the_single_graphs(preset, scatter, monkeypatch):
    monkeypatch.setattr(torch_geometric.typing, "WITH_TORCH_SCATTER", scatter)
    model = tiny(preset).double()
    items = [as_double(data) for data in graphs(model)]
    out = model(collate(items))
    assert (out.class_logits.shape, out.pos.shape, out.edge_logits.shape) == ((7, 3), (7, 3), (13,))
    singles = [model(data) for data in items]
    for key in StepPrediction._fields:
        expected = torch.cat([getattr(single, key) for single in singles])
        torch.testing.assert_close(getattr(out, key), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("preset", PRESETS)
def test_graphs_with_one_reference_are_as_each_alone(preset):
    model = tiny(preset)
    items = graphs(model)
    for data in items:
        data.reference = items[0].reference
    out = model(collate(items))
    singles = [model(data) for data in items]
    for key in StepPrediction._fields:
        expected = torch.cat([getattr(single, key) for single in singles])
        torch.testing.assert_close(getattr(out, key), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", ["thesis", "literal", "small"])
def test_mutants_of_one_molecule_share_its_trunk(preset, monkeypatch):
    model = tiny(preset).double()
    batch = as_double(collate(graphs(model)))
    of = torch.tensor([0, 0, 1, 2, 2, 2, 3])
    batch.reference = batch.reference[of]
    trunk = model.reference_encoder.trunk
    loss = SequentialLoss(model.classes, model.config.z_min)
    gradients = []
    for ids in (torch.arange(7), None):  # every graph on its own; those with equal stacks together
        one = batch.clone()
        if ids is not None:
            one.reference_id = ids
        model.zero_grad()
        loss(model(one), one).total.backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.grad is not None})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=0, atol=1e-12)

    seen = []
    encoder = model.reference_encoder
    monkeypatch.setattr(encoder, "trunk", lambda stack: seen.append(len(stack)) or trunk(stack))
    model(batch)
    batch.reference_id = of
    model(batch)
    assert seen[0] == 4 and seen.count(4) == 2  # 7 are the simulated stacks, where the encoder is shared


def test_order_of_atoms_and_edges_does_not_matter():
    model = tiny("thesis").double()
    data = as_double(graph(5, 2, model.config.scan))
    out = model(data)
    perm = torch.tensor([3, 0, 4, 1, 2])
    order = torch.randperm(data.edge_index.size(1), generator=torch.Generator().manual_seed(0))
    other = data.clone()
    other.z, other.pos = data.z[perm], data.pos[perm]
    other.edge_index = perm.argsort()[data.edge_index[:, order]]
    permuted = model(other)
    torch.testing.assert_close(permuted.class_logits, out.class_logits, rtol=0, atol=1e-12)
    torch.testing.assert_close(permuted.pos, out.pos, rtol=0, atol=1e-12)
    torch.testing.assert_close(permuted.edge_logits, out.edge_logits[perm], rtol=0, atol=1e-12)


def test_every_input_counts():
    model = tiny("thesis").double()
    data = as_double(graph(5, 2, model.config.scan))
    for key in ("reference", "simulated", "pos"):
        data[key].requires_grad_()
    out = model(data)
    for x in out:
        gradients = torch.autograd.grad(
            x.sum(), [data.reference, data.simulated, data.pos], retain_graph=True
        )
        assert all(float(g.abs().max()) > 0 for g in gradients)
    other = data.clone()
    other.z = 7 - data.z  # carbon for hydrogen and the other way round
    assert not torch.allclose(model(other).class_logits, out.class_logits)


def test_bonds_see_one_more_propagation_and_the_new_atom():
    model = tiny("literal").double()
    data = as_double(graph(5, 2, model.config.scan))
    states: list[Tensor] = []
    model.conv.register_forward_hook(lambda module, inputs, output: states.append(output))
    out = model(data)
    assert isinstance(model.conv, MessagePassing) and len(states) == 4
    new = model.node_encoder(torch.cat([out.pos, out.class_logits.softmax(dim=1)], dim=1))
    expected = model.bond_head(states[-1], new, torch.zeros(5, dtype=torch.long))
    torch.testing.assert_close(out.edge_logits, expected)


@pytest.mark.parametrize("preset", PRESETS)
def test_gradients_reach_every_parameter(preset):
    model = tiny(preset)
    batch = collate(graphs(model))
    SequentialLoss(model.classes)(model(batch), batch).total.backward()
    without = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    # A shift of all pixels alike is what the softmax over the pixels takes out.
    dead = {name for name, _ in model.named_parameters() if name.endswith("attention_conv.bias")}
    assert without == dead and len(dead) == 4 * len(model.image_encoders)


def test_gradients_exist_whatever_a_batch_lacks():
    model = tiny("small")
    batch = collate([graph(0, 0, model.config.scan, missing=0), graph(0, 1, model.config.scan, missing=0)])
    SequentialLoss(model.classes)(model(batch), batch).total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_learns_one_batch():
    model = tiny("small")
    batch = collate([graph(n, n, model.config.scan, missing=1) for n in (1, 4)])
    loss, optimizer = SequentialLoss(model.classes), torch.optim.Adam(model.parameters(), lr=3e-3)
    steps = []
    for _ in range(40):
        optimizer.zero_grad()
        terms = loss(model(batch), batch)
        terms.total.backward()
        optimizer.step()
        steps.append([part.item() for part in terms])
    # 0.004, 0.001, 0.001 and 0.045 of the first were seen.
    assert all(last < 0.2 * first for first, last in zip(steps[0], steps[-1], strict=True))


@pytest.mark.parametrize("preset", PRESETS)
def test_autocast(preset):
    model = tiny(preset)
    batch = collate(graphs(model))
    full = model(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = model(batch)
    assert all(x.dtype == torch.float32 for x in out)
    for a, b in zip(out, full, strict=True):
        torch.testing.assert_close(a, b, rtol=0.05, atol=0.05)
    SequentialLoss(model.classes)(out, batch).total.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.requires_grad)


def test_wrong_stack():
    model = tiny("thesis")
    data = graph(2, 0, model.config.scan)
    data.reference = data.reference[..., :-1]
    with pytest.raises(
        InputError, match=r"reference: expected shape \(any, 1, 4, 16, 24\), got \(1, 1, 4, 16, 23\)"
    ):
        model(data)
    data = graph(2, 0, model.config.scan)
    data.simulated = data.simulated[:, :, 1:]
    with pytest.raises(InputError, match="simulated: expected shape"):
        model(data)


@pytest.mark.parametrize("preset", PRESETS)
def test_save_and_load(preset, tmp_path):
    model = tiny(preset)
    batch = collate(graphs(model))
    model.save_pretrained(tmp_path / "a" / "b")
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {"model.safetensors", "config.json"}
    loaded = SequentialGenerator.from_pretrained(tmp_path / "a" / "b")
    assert loaded.config == model.config
    assert all(torch.equal(a, b) for a, b in zip(model(batch), loaded(batch), strict=True))


def test_unknown_name(tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()
    monkeypatch.setattr("torch_afm.models.pretrained._WEIGHTS", tmp_path)
    with pytest.raises(InputError, match="weights: expected a folder or one of demo, got 'nonsense'"):
        SequentialGenerator.from_pretrained("nonsense")


def test_shipped_name(tmp_path, monkeypatch):
    monkeypatch.setattr("torch_afm.models.pretrained._WEIGHTS", tmp_path / "shipped")
    monkeypatch.chdir(tmp_path)
    model = tiny("small")
    model.save_pretrained(tmp_path / "shipped" / "demo")
    (tmp_path / "demo").mkdir()  # what a command may have written here does not stand in the way
    loaded = SequentialGenerator.from_pretrained("demo")
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), loaded.parameters(), strict=True))
    with pytest.raises(InputError, match="weights: expected a saved network"):
        SequentialGenerator.from_pretrained(Path("demo"))


def damage_weights(folder):
    (folder / "model.safetensors").write_bytes(b"\xff" * 100)


def cut_weights(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def no_weights(folder):
    (folder / "model.safetensors").unlink()


def other_network(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"node_channels": 21}))


def unknown_setting(folder):
    (folder / "config.json").write_text('{"flux_capacitor": 1}')


def wrong_type(folder):
    (folder / "config.json").write_text('{"z_min": "deep"}')


def not_a_config(folder):
    (folder / "config.json").write_text("[1, 2]")


def not_json(folder):
    (folder / "config.json").write_text("{")


def test_damaged_files(tmp_path):
    damages = (
        damage_weights,
        cut_weights,
        no_weights,
        other_network,
        unknown_setting,
        wrong_type,
        not_a_config,
        not_json,
    )
    for damage in damages:
        folder = tmp_path / damage.__name__
        tiny("small").save_pretrained(folder)
        damage(folder)
        with pytest.raises(
            InputError, match=r"^weights: expected a saved (network|SequentialGenerator) in .*, got: "
        ) as error:
            SequentialGenerator.from_pretrained(folder)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_config_round_trip(preset):
    config = generator_config(preset)
    assert from_dict(SequentialGeneratorConfig, json.loads(json.dumps(to_dict(config)))) == config
