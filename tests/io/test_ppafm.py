import re
import warnings

import numpy as np
import pytest

from torch_afm.config import ForceField, Scan, Tip
from torch_afm.io import read_atomtypes, read_ppafm_params
from torch_afm.utils import InputError

ATOMTYPES = """# R  eps  exponent  Z  symbol
1.5\t0.001\t1.80\t1\tH\tsome words, with 3 numbers 1 2 3
2.25   0.0125  1.80  79  Au   # a comment

1.9  0.004  1.80  6 C
"""

PARAMS = """# made by hand
probeType   54           # Xe
charge      0.3
tip         's'
r0Probe     0.1  -0.2  3.5
stiffness   0.2 0.3 25
scanMin     -4.0  -3.0   9.0
scanMax      4.0   5.0  12.0
scanStep     0.5   0.25  0.1
Amplitude    1.2
f0Cantilever 25000
kCantilever  1500

PBC          True
nPBC         1 1 1
gridN        -1 -1 -1
gridA        8.0 0.0 0.0
gridB        2.0 9.0 0.0
gridC        0.0 0.0 20.0
colorscale   gray
"""


@pytest.fixture
def params(tmp_path):
    """Write a params.ini: the lines of PARAMS with some replaced or appended, or another text; read it."""

    def read(*lines, text=PARAMS):
        path = tmp_path / "params.ini"
        keys = [line.split()[0] for line in lines]
        kept = [line for line in text.splitlines() if not line.split() or line.split()[0] not in keys]
        path.write_text("\n".join([*kept, *lines]) + "\n")
        return read_ppafm_params(path)

    return read


def test_atomtypes_by_hand(tmp_path):
    path = tmp_path / "atomtypes.ini"
    path.write_text(ATOMTYPES)
    forcefield = read_atomtypes(path)
    assert forcefield == ForceField((("H", 1.5, 0.001), ("C", 1.9, 0.004), ("Au", 2.25, 0.0125)))
    # Older releases have no third column; their newest elements have provisional symbols.
    path.write_text(ATOMTYPES.replace("1.80", "") + "2.0 0.01 113 Uut VALUES OF NO MEANING\n")
    radius, eps = read_atomtypes(path).lj_parameters([79, 1, 113, 6])
    assert radius.tolist() == [2.25, 1.5, 2.0, 1.9] and eps.tolist() == [0.0125, 0.001, 0.01, 0.004]


def test_bad_atomtypes_name_file_and_line(tmp_path):
    path = tmp_path / "atomtypes.ini"
    bad = ["1.9", "1.9 0.004 1.8 C", "1.9 0.004 1.8 6.5 C", "1.9 0.004 1.8 7 Si", "wide 0.004 1.8 7 N"]
    bad += ["1.9 nan 1.8 7 N", "-1.9 0.004 1.8 7 N", "1.9 -0.004 1.8 7 N", "1.9 0.004 1.8 0 X"]
    bad += ["1.9 0.004 1.8 500 Xx", "1.9 0.004 1.8 6 C"]
    for line in bad:
        path.write_text(ATOMTYPES + line + "\n")
        with pytest.raises(InputError) as error:
            read_atomtypes(path)
        assert str(error.value).startswith(f"{path}, line 6: ")
    for content in (None, b"# nothing\n", b"\xff\xfe\x00"):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match="^" + re.escape(str(path))):
            read_atomtypes(path)
        path.write_text("")


def test_params_by_hand(params):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scan, tip, on_grid, z_top, cell = params()
    assert on_grid == tip
    assert tip == Tip(
        probe="Xe",
        charges=(0.3,),
        charge_heights=(0.0,),
        stiffness=(0.2, 0.3, 0.0),
        radial_stiffness=25.0,
        bond_length=3.5,
        tilt=(0.1, -0.2),
    )
    assert scan == Scan(
        window=((-4.0, 4.0), (-3.0, 5.0)),
        pixels=(17, 33),
        n_slices=19,
        dz=0.1,
        n_oscillation=12,
        f0=25000.0,
        k=1500.0,
    )
    assert np.allclose(np.diff(scan.x), 0.5) and np.allclose(np.diff(scan.y), 0.25)
    # The turning points of the first and the last oscillation are scanMax and scanMin.
    middles = scan.slice_heights(z_top)
    assert middles[0] + 1.2 / 2 == pytest.approx(12.0) and middles[-1] - 1.2 / 2 == pytest.approx(9.0)
    assert cell.tolist() == [[8, 0, 0], [2, 9, 0], [0, 0, 20]]


def test_defaults_of_ppafm(params):
    scan, tip, _, z_top, cell = params(text="")
    assert scan == Scan(window=((0.0, 20.0), (0.0, 20.0)), pixels=(201, 201), n_slices=21) and z_top == 7.95
    assert tip == Tip(charges=(0.0,), charge_heights=(0.0,), stiffness=(0.5, 0.5, 0.0), radial_stiffness=20.0)
    assert cell is None and params("PBC False").cell is None and params("nPBC 0 0 0").cell is None


def test_springs_by_klat_and_krad(params):
    tip = params("stiffness -1 -1 -1", "klat 0.24", "krad 18").tip
    assert tip.stiffness == (0.24, 0.24, 0.0) and tip.radial_stiffness == 18.0


def test_last_of_several_lines_counts(params):
    assert params("charge 0.1", "charge -0.2").tip.charges == (-0.2,)


@pytest.mark.parametrize(
    ("kind", "order", "moment"),
    [("s", 0, -0.1), ("pz", 1, 2 * -0.1), ("dz2", 2, 2 * -0.1)],
)
def test_multipoles(params, kind, order, moment):
    """The first axial moment of the point charges that does not vanish, and its size."""
    tip = params(f"tip {kind}", "charge -0.1").tip
    charges, heights = np.array(tip.charges), np.array(tip.charge_heights)
    moments = [np.sum(charges * heights**n) for n in range(order + 1)]
    assert np.allclose(moments, [0.0] * order + [moment])
    if kind == "dz2":
        assert np.allclose(charges, Tip.preset("CO").charges) and tip.charge_heights == Tip().charge_heights


@pytest.mark.parametrize(("kind", "width"), [("s", 0.7), ("pz", 0.6), ("dz2", 0.71), ("dz2", 0.5)])
def test_tip_on_a_potential_is_ppafms_gaussian(params, kind, width):
    """Energies in the potential of some charges: of ppafm's charge density, q times 1, z/σ or
    (2z² - x² - y²)/4σ² times a Gaussian, by quadrature, and of the point charges that are read."""
    tip = params(f"tip {kind}", "charge -0.1", f"sigma {width}").tip_on_grid
    rng = np.random.default_rng(0)
    at, q = rng.uniform([-4, -4, -7], [4, 4, -5.5], (9, 3)), rng.normal(0, 0.3, 9)

    def potential(points):
        return (q / np.linalg.norm(points[..., None, :] - at, axis=-1)).sum(-1)

    node, weight = np.polynomial.hermite_e.hermegauss(24)
    x, y, z = width * np.stack(np.meshgrid(node, node, node, indexing="ij"))
    density = weight[:, None, None] * weight[:, None] * weight / (2 * np.pi) ** 1.5
    density *= -0.1 * {"s": 1, "pz": z / width, "dz2": (2 * z**2 - x**2 - y**2) / (4 * width**2)}[kind]
    heights = np.array(tip.charge_heights)[:, None] * [0.0, 0.0, 1.0]
    places = rng.uniform(-1, 1, (8, 3))
    exact = np.array([(density * potential(np.stack([x, y, z], -1) + place)).sum() for place in places])
    found = np.array([np.array(tip.charges) @ potential(place + heights) for place in places])
    np.testing.assert_allclose(found, exact, rtol=0, atol=2e-3 * np.abs(exact).max())
    if (kind, width) == ("dz2", 0.71):  # Θ = ½ ∫ρ (3z² - r²)
        theta = np.sum(np.array(tip.charges) * np.square(tip.charge_heights))
        assert theta == pytest.approx(-0.0756, abs=1e-4)


def test_settings_of_the_golden_scans(params, golden):
    """What ppafm made of the same settings: pixels, heights, samples an oscillation, charges, springs."""
    f = {k.split("/")[1]: golden[k] for k in golden.files if k.startswith("camphor_pc_tilt/")}
    low, high = f["scan_window"]
    step = [*((high[:2] - low[:2]) / (f["scan_dim"][:2] - 1)), float(f["dz"])]
    kx, ky, _, kr = f["stiffness_Nm"]
    scan, tip, _, z_top, _ = params(
        "probeType 8\ntip dz2\ncharge -0.1",
        f"stiffness {kx} {ky} {kr}",
        "r0Probe " + " ".join(map(str, f["tipR0"])),
        "scanMin " + " ".join(map(str, low)),
        "scanMax " + " ".join(map(str, high)),
        "scanStep " + " ".join(map(str, step)),
        f"Amplitude {f['df_steps'] * f['dz']}",
        text="",
    )
    assert scan.pixels == tuple(f["scan_dim"][:2]) and scan.n_heights == f["scan_dim"][2]
    assert scan.n_slices == f["df_exact"].shape[2] and scan.n_oscillation == f["df_steps"]
    assert np.allclose(scan.window, np.stack([low, high], axis=1)[:2])
    # The GPU code, which the golden scans come from, starts at scanMax itself.
    assert np.allclose(z_top + scan.dz / 2, high[2])
    charged = f["tip_Qs"] != 0
    assert np.allclose(tip.charges, f["tip_Qs"][charged])
    assert np.allclose(tip.charge_heights, f["tip_QZs"][charged])
    assert np.allclose([*tip.tilt, tip.bond_length], f["tipR0"])
    assert np.allclose([*tip.stiffness, tip.radial_stiffness], f["stiffness_Nm"])


def test_unknown_keys_are_listed_once(params):
    with pytest.warns(
        UserWarning, match=r"params\.ini: unknown key\(s\) left out: Amplitudo, KPFM$"
    ) as record:
        params("Amplitudo 3", "KPFM None", "tip_base None 0.0")
    assert len(record) == 1


#: Lines, and the key that the error names.
BAD = [
    *((f"charge {v}", "charge") for v in ("much", "inf", "")),
    *((f"r0Probe {v}", "r0Probe") for v in ("0 0", "3 3 4")),
    *((f"probeType {v}", "probeType") for v in ("CO", "0")),
    ("tip dxy", "tip"),
    ("sigma 0", "sigma"),
    ("stiffness 0.5 0.5 0", "stiffness"),
    ("stiffness -1 -1 -1\nklat -0.1", "klat"),
    ("stiffness -1 -1 -1\nkrad 0", "krad"),
    ("scanStep 0.1 0.1 0", "scanStep"),
    ("scanStep 0.1 1e-300 0.1", "scanMax"),
    *((f"scanMax {v}", "scanMax") for v in ("-5 5 12", "4 5 10")),
    *((f"Amplitude {v}", "Amplitude") for v in ("0.1", "1.25", "1e300")),
    ("f0Cantilever 0", "f0Cantilever"),
    ("kCantilever -1", "kCantilever"),
    ("PBC perhaps", "PBC"),
    ("nPBC 1 0 1", "nPBC"),
    ("gridC 1 0 0", "gridC"),
    ("ffModel 'Morse'", "ffModel"),
    ("tiltedScan True", "tiltedScan"),
    ("Vbias 0.5", "Vbias"),
    ("tip_base 'dz2' 0.1", "tip_base"),
    ("moleculeShift 0 0 1.5", "moleculeShift"),
]


def test_bad_params_name_file_and_line(params, tmp_path):
    path = tmp_path / "params.ini"
    for line, key in BAD:
        with pytest.raises(InputError, match=f" {key}: ") as error:
            params(*line.splitlines())
        lines = path.read_text().splitlines()
        number = next((i for i, text in enumerate(lines, start=1) if text.split()[:1] == [key]), None)
        assert str(error.value).startswith(f"{path}, line {number}: "), line
    # A default that does not fit what the file says, and no file.
    with pytest.raises(InputError, match=r"params\.ini: ppafm's default: scanMax: "):
        params("scanMin 0 0 7.5", text="")
    with pytest.raises(InputError, match=r"^missing\.ini"):
        read_ppafm_params("missing.ini")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings_of_other_programs(tmp_path, encoding):
    """A byte order mark does not swallow the first key, nor a comment in Latin-1 the file."""
    (tmp_path / "plain.ini").write_text(PARAMS.lstrip())
    (tmp_path / "params.ini").write_bytes((PARAMS.lstrip() + "# in \u00c5\n").encode(encoding))
    found, expected = (repr(read_ppafm_params(tmp_path / f"{name}.ini")) for name in ("params", "plain"))
    assert found == expected
