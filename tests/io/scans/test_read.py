import shutil

import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io import AFMStack, read_stack, write_stack
from torch_afm.io.scans import align_slices, crop, estimate_drift, expand_paths, flatten_plane, read_scan
from torch_afm.utils import InputError

HEIGHTS = np.array([7.0, 6.9, 6.8])


def _wave(z, y, x):
    return np.cos(0.5 * x) * np.sin(0.4 * y)[:, None] * np.asarray(z)[:, None, None]


@pytest.fixture
def folder(tmp_path):
    """A folder of constant-height images, 24 x 24 Å."""
    axis = (np.arange(96) + 0.5) / 4 - 12
    for name, z in zip(("a_10", "a_9", "b"), (6.9, 7.0, 6.8), strict=True):
        image = _wave([z], axis, axis)[0]
        content = files.sxm(
            {"OC M1 Freq. Shift": {"forward": image}}, z=z * 1e-10, size=(24e-10, 24e-10), center=(1e-9, 0)
        )
        (tmp_path / f"{name}.sxm").write_bytes(content)
    (tmp_path / "notes.txt").write_text("words")
    return tmp_path


def test_a_folder_in_the_order_of_its_heights(folder):
    axis = (np.arange(96) + 0.5) / 4 - 12
    stack = read_stack(folder)
    assert stack.stack.shape == (1, 3, 96, 96) and stack.unit == "Hz"
    assert stack.stack[0] == pytest.approx(_wave(HEIGHTS, axis, axis), abs=1e-3)
    assert stack.x == pytest.approx(axis + 10) and stack.z == pytest.approx(HEIGHTS)
    assert stack.meta["files"] == ["a_9.sxm", "a_10.sxm", "b.sxm"]


def test_stack_files_stay_what_they_were(tmp_path):
    path = tmp_path / "stack.npz"
    axes = {"x": np.linspace(0, 1, 5), "y": np.array([0.0, 0.1, 0.2]), "z": HEIGHTS}
    made = AFMStack(np.zeros((2, 3, 3, 5), np.float32), **axes, meta={"z_top": 1.0})
    write_stack(path, made)
    shutil.copy(path, tmp_path / "stack.v1")
    for name in ("stack.npz", "stack.v1"):
        back = read_stack(tmp_path / name)
        assert back.stack.shape == made.stack.shape and back.meta == {"z_top": 1.0}
        assert np.array_equal(back.y, made.y)


def test_bad_folders(tmp_path, folder):
    with pytest.raises(InputError, match="no such file or folder"):
        read_scan(tmp_path / "none.sxm")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: expected files ending in .*\.sxm"):
        read_stack(tmp_path / "empty")
    (folder / "c.png").write_bytes(files.picture(np.zeros((3, 4), np.uint8)))
    with pytest.raises(InputError, match=r"c\.png: expected 96 x 96 pixels in 'Hz' as in a_9\.sxm"):
        read_scan(folder, strict=True)
    for name in ("a_9.sxm", "a_10.sxm", "b.sxm"):
        (folder / name).write_bytes(b":NANONIS_VERSION:")
    (folder / "c.png").unlink()
    with pytest.raises(InputError, match=r"got 3 that cannot: .*a_9\.sxm"):
        read_scan(folder)


def test_a_folder_of_one_measuring_day(folder):
    """What is no part of the longest series is left out, and named with its reason."""
    (folder / "c.png").write_bytes(files.picture(np.zeros((3, 4), np.uint8)))
    (folder / "damaged.sxm").write_bytes((folder / "b.sxm").read_bytes()[:2000])
    (folder / "topography.sxm").write_bytes(
        files.sxm(
            {"OC M1 Freq. Shift": {"forward": np.ones((96, 96))}},
            z=6e-10,
            size=(24e-10, 24e-10),
            center=(1e-9, 0),
            extra=[":Z-Controller>Controller status:", "ON"],
        )
    )
    stack = read_scan(folder)
    assert stack.meta["files"] == ["a_9.sxm", "a_10.sxm", "b.sxm"]
    skipped = dict(stack.meta["skipped"])
    assert set(skipped) == {"c.png", "damaged.sxm", "topography.sxm"}
    assert "controller" in skipped["topography.sxm"] and "header" in skipped["damaged.sxm"]
    # Given heights belong to all files, in their order.
    with pytest.raises(InputError, match="damaged"):
        read_scan(folder, step=0.1)


def test_files_and_patterns(folder, monkeypatch):
    some = read_scan([folder / "b.sxm", str(folder / "a_*.sxm"), folder / "b.sxm"])
    assert some.meta["files"] == ["a_9.sxm", "a_10.sxm", "b.sxm"]
    assert [file.name for file in expand_paths(folder)] == ["a_9.sxm", "a_10.sxm", "b.sxm"]
    monkeypatch.chdir(folder)
    assert read_scan("a_1*.sxm").meta["files"] == ["a_10.sxm"]
    with pytest.raises(InputError, match=r"c_\*\.sxm: no such file"):
        read_scan("c_*.sxm")


def test_repeats_are_averaged_in_a_stack_that_is_stored(folder):
    shutil.copy(folder / "b.sxm", folder / "c.sxm")
    assert read_scan(folder).heights == pytest.approx([7.0, 6.9, 6.8, 6.8])
    stack = read_stack(folder)
    assert stack.z == pytest.approx(HEIGHTS) and stack.meta["files"][2] == "b.sxm + c.sxm"


def test_formats_are_known_by_their_first_bytes(tmp_path):
    path = tmp_path / "image.dat"
    path.write_bytes(files.gwy([("df", np.zeros((3, 4)), {"Z-Controller>Z (m)": "1e-9"})]))
    assert read_scan(path).heights == pytest.approx([10])


def test_from_drifting_tilted_images_to_even_ones(tmp_path):
    """Known drift and tilt are taken out on the way; what is left is the same pattern."""
    axis = (np.arange(96) + 0.5) / 4 - 12
    rng = np.random.default_rng(0)
    atoms = rng.uniform(-11, 11, (30, 2))

    def pattern(y, x):
        rows, columns = np.exp(-((y - atoms[:, :1]) ** 2)), np.exp(-((x - atoms[:, 1:]) ** 2))
        return rows.T @ columns

    for i, (dy, dx) in enumerate([(0.0, 0.0), (0.6, -0.45)]):
        image = pattern(axis - dy, axis - dx) + 0.01 * i * axis
        content = files.sxm({"df": {"forward": image}}, z=(7 + i / 10) * 1e-10, size=(24e-10, 24e-10))
        (tmp_path / f"{i}.sxm").write_bytes(content)
    stack = flatten_plane(read_scan(tmp_path))
    drift = estimate_drift(stack)
    assert drift.shifts[0] == pytest.approx([-0.45, 0.6], abs=0.03)
    stack = align_slices(stack, drift)
    x, y = stack.x.mean(), stack.y.mean()
    stack = crop(stack, ((x - 9, x + 9), (y - 9, y + 9)))
    positions = np.linspace(-8, 8, 40)
    found = stack.resample(x + positions, y + positions, stack.heights).values
    far, near = found - found.mean(axis=(1, 2), keepdims=True)
    assert np.abs(far - near).max() < 0.1 * np.ptp(near)
