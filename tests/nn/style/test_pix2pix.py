"""The framework's networks are written out here from its parameters' names: an independent truth."""

import pytest
import torch
from torch import nn

from torch_afm.nn.style import PatchDiscriminator, ResnetGenerator, load_pix2pix_state_dict
from torch_afm.utils import InputError


class Block(nn.Module):
    def __init__(self, channels, dropout):
        super().__init__()
        first = [
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.InstanceNorm2d(channels),
            nn.ReLU(),
        ]
        second = [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)]
        self.conv_block = nn.Sequential(*first, *[nn.Dropout(0.5)] * dropout, *second)

    def forward(self, x):
        return x + self.conv_block(x)


class Framework(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.model = nn.Sequential(*layers)

    def forward(self, x):
        return self.model(x)


def framework_generator(ngf, blocks, dropout=False):
    layers = [nn.ReflectionPad2d(3), nn.Conv2d(1, ngf, 7), nn.InstanceNorm2d(ngf), nn.ReLU()]
    for n in (ngf, 2 * ngf):
        layers += [nn.Conv2d(n, 2 * n, 3, 2, 1), nn.InstanceNorm2d(2 * n), nn.ReLU()]
    layers += [Block(4 * ngf, dropout) for _ in range(blocks)]
    for n in (4 * ngf, 2 * ngf):
        layers += [nn.ConvTranspose2d(n, n // 2, 3, 2, 1, 1), nn.InstanceNorm2d(n // 2), nn.ReLU()]
    return Framework([*layers, nn.ReflectionPad2d(3), nn.Conv2d(ngf, 1, 7), nn.Tanh()])


def framework_discriminator(ndf, n_layers):
    layers, n = [nn.Conv2d(1, ndf, 4, 2, 1), nn.LeakyReLU(0.2)], ndf
    for i in range(1, n_layers + 1):
        m = ndf * min(2**i, 8)
        layers += [nn.Conv2d(n, m, 4, 2 if i < n_layers else 1, 1), nn.InstanceNorm2d(m), nn.LeakyReLU(0.2)]
        n = m
    return Framework([*layers, nn.Conv2d(n, 1, 4, 1, 1)])


def image():
    return torch.rand(2, 1, 32, 40, generator=torch.manual_seed(1)) * 2 - 1


@pytest.mark.parametrize("dropout", [False, True])
def test_generator_gives_what_the_framework_gives(tmp_path, dropout):
    torch.manual_seed(0)
    theirs = framework_generator(8, 6, dropout).eval()
    assert f"model.10.conv_block.{6 if dropout else 5}.weight" in theirs.state_dict()
    torch.save(theirs.state_dict(), tmp_path / "latest_net_G_A.pth")
    ours = ResnetGenerator(width=8)
    load_pix2pix_state_dict(ours, tmp_path / "latest_net_G_A.pth")
    torch.testing.assert_close(ours(image()), theirs(image()), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("width", "layers"), [(16, 2), (4, 3)])
def test_discriminator_gives_what_the_framework_gives(width, layers):
    torch.manual_seed(0)
    theirs = framework_discriminator(width, layers)
    # As data-parallel runs name parameters, with the buffers of old files.
    state = {f"module.{name}": value for name, value in theirs.state_dict().items()}
    state["module.model.3.running_mean"] = torch.zeros(2 * width)
    ours = PatchDiscriminator(width=width, layers=layers)
    load_pix2pix_state_dict(ours, state)
    torch.testing.assert_close(ours(image()), theirs(image()), rtol=0, atol=1e-6)


def test_what_does_not_load(tmp_path):
    network = ResnetGenerator(width=2, blocks=1)
    with pytest.raises(InputError, match="no such file"):
        load_pix2pix_state_dict(network, tmp_path / "none.pth")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(InputError, match=r"text\.pth: expected a state dict"):
        load_pix2pix_state_dict(network, tmp_path / "text.pth")
    # An object that only a full unpickler would make.
    torch.save({"model.1.weight": pytest.approx(1)}, tmp_path / "object.pth")
    with pytest.raises(InputError, match=r"object\.pth: expected a state dict"):
        load_pix2pix_state_dict(network, tmp_path / "object.pth")
    with pytest.raises(InputError, match=r"expected \(2, 1, 7, 7\) in model\.1\.weight"):
        load_pix2pix_state_dict(network, framework_generator(4, 1).state_dict())
    with pytest.raises(InputError, match=r"expected 16 tensors for .*, got 14"):
        state = framework_generator(2, 1).state_dict()
        load_pix2pix_state_dict(network, {k: v for k, v in state.items() if not k.startswith("model.18")})
    state = framework_generator(2, 1).state_dict()
    state["model.1.bias"][0] = torch.nan
    with pytest.raises(InputError, match=r"model\.1\.bias: expected finite"):
        load_pix2pix_state_dict(network, state)
