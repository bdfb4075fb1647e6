import numpy as np
import pytest

from tests.io.scans import files
from torch_afm.io.scans import read_scan
from torch_afm.utils import InputError

Z = np.array([0.0, -1e-10, -2e-10])
DF = np.array([-1.0, -3.0, -2.0])


def _spectrum(df=DF, **options):
    columns = {"Z rel (m)": Z, "Current (A)": 0 * Z, "OC M1 Freq. Shift (Hz)": df}
    return files.spectrum_dat(columns | {"OC M1 Freq. Shift [bwd] (Hz)": df + 10}, **options)


def test_one_curve(tmp_path):
    path = tmp_path / "curve.dat"
    path.write_bytes(_spectrum(x=1e-9, y=2e-9, z=5e-10))
    stack = read_scan(path)
    assert stack.values[:, 0, 0] == pytest.approx(DF) and stack.heights == pytest.approx([5, 4, 3])
    assert stack.window == ((10, 10), (20, 20)) and stack.unit == "Hz"
    assert read_scan(path, direction="backward").values[:, 0, 0] == pytest.approx(DF + 10)


def test_the_mean_of_several_sweeps(tmp_path):
    names = ("[00001] ", "[00002] ", "[AVG] ", "[AVG] [filt] ")
    columns = {f"Freq. Shift {n}(Hz)": DF + i for i, n in enumerate(names)}
    path = tmp_path / "curve.dat"
    path.write_bytes(files.spectrum_dat({"Z rel (m)": Z} | dict(list(columns.items())[:3])))
    assert read_scan(path).values[:, 0, 0] == pytest.approx(DF + 2)
    path.write_bytes(files.spectrum_dat({"Z rel (m)": Z, "df (Hz)": DF, "df [filt] (Hz)": 2 * DF}))
    assert read_scan(path).values[:, 0, 0] == pytest.approx(DF)


def test_curves_at_the_points_of_a_grid(tmp_path):
    """In any order of names."""
    places = [(i, j) for i in range(3) for j in range(2)]
    for n, k in enumerate(np.random.default_rng(0).permutation(6)):
        i, j = places[k]
        (tmp_path / f"{n}.dat").write_bytes(_spectrum(DF + 10 * i + 100 * j, x=i * 2e-10, y=j * 3e-10))
    stack = read_scan(tmp_path)
    want = DF[:, None, None] + 100 * np.arange(2)[:, None] + 10 * np.arange(3)
    assert stack.values == pytest.approx(want)
    assert stack.x == pytest.approx([0, 2, 4]) and stack.y == pytest.approx([0, 3])
    (tmp_path / "5.dat").unlink()
    with pytest.raises(InputError, match="points: expected a grid of 3 x 2, got 5"):
        read_scan(tmp_path)
