import numpy as np

from torch_afm.metrics.structure.geometry import angle


def test_angle():
    u, v = np.random.default_rng(0).normal(size=(2, 100, 3))
    cosine = (u * v).sum(axis=1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1)
    np.testing.assert_allclose(angle(u, v), np.degrees(np.arccos(cosine)), atol=1e-9)


def test_small_and_large_angles_are_accurate():
    # arccos of a cosine is wrong from the eighth digit on here.
    tilt = np.array([1e-9, 1e-5])
    u, v = np.tile([1.0, 0, 0], (2, 1)), np.stack([np.cos(tilt), np.sin(tilt), 0 * tilt], axis=1)
    np.testing.assert_allclose(angle(u, 7 * v), np.degrees(tilt), rtol=1e-6)
    np.testing.assert_allclose(180 - angle(u, -v), np.degrees(tilt), rtol=1e-3)
