import io

import numpy as np
import pytest
import torch
from matplotlib.collections import EllipseCollection

from torch_afm.config import Scan
from torch_afm.functional import normalize_slices
from torch_afm.testing import water
from torch_afm.transforms import (
    Augment,
    CropSlices,
    CropWindow,
    Cutout,
    SliceShift,
    Turn,
)
from torch_afm.viz import plot_augmentations

pytestmark = pytest.mark.filterwarnings("error")

SCAN = Scan(pixels=(12, 12), n_slices=6)
ALL = Augment((Turn(), CropSlices(4), CropWindow((8, 6))), (SliceShift(), Cutout()))


@pytest.fixture
def tips():
    return torch.randn(3, 1, *SCAN.shape, generator=torch.Generator().manual_seed(0))


def test_a_row_for_each_augmentation_a_column_for_each_draw(tips):
    figure = plot_augmentations(tips, water(), SCAN, ALL)
    rows = [ax.get_ylabel() for ax in figure.axes[::3]]
    assert rows == ["tip", "Turn", "CropSlices", "CropWindow", "SliceShift", "Cutout", "all"]
    images = [[ax.images[0].get_array() for ax in figure.axes[i : i + 3]] for i in range(0, 21, 3)]
    normal = normalize_slices(tips)[:, 0]
    for k in range(3):
        assert np.allclose(images[0][k], normal[k, 4])
        turned = [torch.rot90(m, q) for m in (normal[0, 4], normal[0, 4].T) for q in range(4)]
        assert any(np.allclose(images[1][k], t, atol=1e-6) for t in turned)
        assert images[3][k].shape == images[6][k].shape == (6, 8)
        hidden = images[5][k] != normal[0, 4].numpy()
        assert (np.asarray(images[5][k])[hidden] == 0).all()
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=40)


def test_atoms_are_drawn_where_the_frame_changes(tips):
    figure = plot_augmentations(tips, water(), SCAN, ALL)
    atoms = [sum(isinstance(c, EllipseCollection) for c in ax.collections) for ax in figure.axes]
    assert atoms == [0] * 3 + [1] * 9 + [0] * 6 + [1] * 3


def test_one_slice_near_the_nearest_is_shown(tips):
    figure = plot_augmentations(tips, water(), SCAN, Augment((), ()))
    assert np.allclose(figure.axes[0].images[0].get_array(), normalize_slices(tips)[0, 0, 4])
