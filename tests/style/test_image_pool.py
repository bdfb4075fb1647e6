import pytest
import torch

from torch_afm.style import ImagePool
from torch_afm.utils import InputError


def numbered(*numbers):
    return torch.tensor(numbers, dtype=torch.float32).reshape(-1, 1, 1, 1)


def test_full_then_half_new_half_old():
    pool = ImagePool(50)
    assert torch.equal(pool.query(numbered(*range(50))).flatten(), torch.arange(50.0))
    given = torch.cat([pool.query(numbered(i)).flatten() for i in range(50, 2050)])
    new = given == torch.arange(50.0, 2050.0)
    assert abs(float(new.float().mean()) - 0.5) < 5 * 0.5 / 2000**0.5
    # An old one is given once, the place then goes to the new one.
    old = given[~new].tolist()
    assert len(set(old)) == len(old) and len(pool.images) == 50
    # A new one waits for its place to be drawn: geometric, on average 2 x 50 queries.
    waits = [i - o for i, o in zip((~new).nonzero().flatten().add(50).tolist(), old, strict=True) if o >= 50]
    assert sum(waits) / len(waits) == pytest.approx(100, rel=0.15)


def test_no_pool_and_no_gradient():
    images = torch.randn(3, 1, 4, 4, requires_grad=True)
    out = ImagePool(0).query(images)
    assert torch.equal(out, images) and not out.requires_grad
    with pytest.raises(InputError, match="size"):
        ImagePool(-1)
    assert str(ImagePool()) == "ImagePool(50)"


def test_goes_on_from_its_state():
    one, other = ImagePool(3, seed=1), ImagePool(3, seed=2)
    one.query(numbered(0, 1, 2, 3, 4))
    other.load_state_dict(one.state_dict())
    later = numbered(*range(5, 40))
    assert torch.equal(one.query(later), other.query(later))
