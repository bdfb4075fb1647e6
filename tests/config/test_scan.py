import numpy as np
import pytest

from torch_afm.config import Scan


def test_scan_geometry():
    scan = Scan(window=((2.0, 18.0), (0.0, 4.0)), pixels=(5, 3), n_slices=3, dz=0.2, n_oscillation=4)
    assert scan.x.tolist() == [2, 6, 10, 14, 18] and scan.y.tolist() == [0, 2, 4]
    assert scan.pixel_size == (4.0, 2.0)
    assert scan.shape == (3, 3, 5) and scan.n_heights == 6
    heights = scan.heights(8.0)
    assert heights[0] == 8 and np.allclose(np.diff(heights), -0.2)
    # A slice is labeled by the mean height of the force samples it is made of.
    means = [heights[s : s + 4].mean() for s in range(3)]
    assert np.allclose(scan.slice_heights(8.0), means) and scan.amplitude == pytest.approx(0.8)


@pytest.mark.parametrize("substeps", [1, 2, 3, 8])
def test_substeps_lie_in_the_middles_of_equal_steps_of_every_oscillation(substeps):
    scan = Scan(n_slices=4, dz=0.2, n_oscillation=5, substeps=substeps)
    once = Scan(n_slices=4, dz=0.2, n_oscillation=5)
    assert (
        np.array_equal(scan.slice_heights(8.0), once.slice_heights(8.0)) and scan.amplitude == once.amplitude
    )
    heights, n = scan.heights(8.0), scan.n_samples
    assert len(heights) == scan.n_heights and n == 5 * substeps
    for s, middle in enumerate(scan.slice_heights(8.0)):
        edges = np.linspace(middle + scan.amplitude / 2, middle - scan.amplitude / 2, n + 1)
        np.testing.assert_allclose(heights[s * substeps : s * substeps + n], (edges[1:] + edges[:-1]) / 2)
    assert s * substeps + n == scan.n_heights
