import pytest
import torch

from torch_afm.train import StyleConfig, StyleModule


def test_learning_rates_as_the_framework_has_them():
    module = StyleModule(StyleConfig(width=2, blocks=1, critic_width=2, epochs=3, decay_epochs=4, lr=0.5))
    optimizers, schedulers = module.configure_optimizers()
    rates = []
    for _ in range(7):
        rates.append([one.param_groups[0]["lr"] for one in optimizers])
        for optimizer, scheduler in zip(optimizers, schedulers, strict=True):
            optimizer.step()
            scheduler.step()
    # Of epoch e (from 0): 1 - max(0, e + 1 - flat) / (decay + 1).
    expected = [0.5, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1]
    assert [r for r, _ in rates] == pytest.approx(expected) == [r for _, r in rates]
    assert optimizers[0].defaults["betas"] == (0.5, 0.999)


@pytest.mark.parametrize("method", ["cyclegan", "fastcut"])
def test_the_optimizers_share_all_parameters_between_them(method):
    module = StyleModule(StyleConfig(method=method, width=2, blocks=1, critic_width=2))
    optimizers, _ = module.configure_optimizers()
    held = [id(p) for one in optimizers for group in one.param_groups for p in group["params"]]
    assert sorted(held) == sorted(id(p) for p in module.parameters())
    critics = {id(p) for critic in module.method.critics.values() for p in critic.parameters()}
    assert {id(p) for p in optimizers[1].param_groups[0]["params"]} == critics
    assert list(module.pools) == {"cyclegan": ["b", "a"], "fastcut": ["b"]}[method]


def test_pools_and_draws_travel_with_checkpoints():
    one, other = (StyleModule(StyleConfig(width=2, blocks=1, critic_width=2, pool=2)) for _ in range(2))
    one.pools["a"].query(torch.randn(5, 1, 4, 4))
    torch.randn(5, generator=one.method.rng)
    checkpoint = {}
    one.on_save_checkpoint(checkpoint)
    other.on_load_checkpoint(checkpoint)
    later = torch.randn(9, 1, 4, 4)
    for domain in "ab":
        assert torch.equal(*(module.pools[domain].query(later) for module in (one, other)))
    assert torch.equal(*(torch.randn(5, generator=module.method.rng) for module in (one, other)))
