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


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1.9", "expected 'R ε"),
        ("1.9 0.004 1.8 C", "expected 'R ε"),
        ("1.9 0.004 1.8 6.5 C", "expected 'R ε"),
        ("1.9 0.004 1.8 7 Si", "expected the symbol N of Z = 7, got 'Si'"),
        ("wide 0.004 1.8 7 N", "expected a finite number, got 'wide'"),
        ("1.9 nan 1.8 7 N", "expected a finite number, got 'nan'"),
        ("-1.9 0.004 1.8 7 N", "expected R > 0"),
        ("1.9 -0.004 1.8 7 N", "expected R > 0"),
        ("1.9 0.004 1.8 0 X", "element"),
        ("1.9 0.004 1.8 500 Xx", "element"),
        ("1.9 0.004 1.8 6 C", "expected C on one line"),
    ],
)
def test_bad_atomtypes(tmp_path, line, message):
    path = tmp_path / "atomtypes.ini"
    path.write_text(ATOMTYPES + line + "\n")
    with pytest.raises(InputError, match=message) as error:
        read_atomtypes(path)
    assert str(error.value).startswith(f"{path}, line 6: ")


def test_no_atomtypes(tmp_path):
    path = tmp_path / "atomtypes.ini"
    with pytest.raises(InputError, match="no such file"):
        read_atomtypes(path)
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="expected a line for each element"):
        read_atomtypes(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot read it as text"):
        read_atomtypes(path)


def test_params_by_hand(params):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scan, tip, z_top, cell = params()
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
    scan, tip, z_top, cell = params(text="")
    assert scan == Scan(window=((0.0, 20.0), (0.0, 20.0)), pixels=(201, 201), n_slices=21) and z_top == 7.95
    assert tip == Tip(charges=(0.0,), charge_heights=(0.0,), stiffness=(0.5, 0.5, 0.0), radial_stiffness=20.0)
    assert cell is None and params("PBC False").cell is None


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


def test_settings_of_the_golden_scans(params, golden):
    """What ppafm made of the same settings: pixels, heights, samples an oscillation, charges, springs."""
    f = {k.split("/")[1]: golden[k] for k in golden.files if k.startswith("camphor_pc_tilt/")}
    low, high = f["scan_window"]
    step = [*((high[:2] - low[:2]) / (f["scan_dim"][:2] - 1)), float(f["dz"])]
    kx, ky, _, kr = f["stiffness_Nm"]
    scan, tip, z_top, _ = params(
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
        UserWarning, match=r"params\.ini: unknown key\(s\) left out: Amplitudo, tip_base$"
    ) as record:
        params("Amplitudo 3", "tip_base None 0.0")
    assert len(record) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("charge much", "charge: expected a finite number, got 'much'"),
        ("charge inf", "charge: expected a finite number, got 'inf'"),
        ("charge", r"charge: expected 1 value\(s\), got 0"),
        ("r0Probe 0 0", r"r0Probe: expected 3 value\(s\), got 2"),
        ("r0Probe 3 3 4", "r0Probe: expected an offset x, y shorter than the bond, got 3.0 3.0 4.0"),
        ("probeType CO", "probeType: expected a chemical symbol"),
        ("probeType 0", "probeType: expected a chemical symbol"),
        ("tip dxy", "tip: expected one of s, pz, dz2, got dxy"),
        ("stiffness 0.5 0.5 0", "stiffness: expected a positive radial spring"),
        ("scanStep 0.1 0.1 0", "scanStep: expected positive steps"),
        ("scanStep 0.1 1e-300 0.1", "scanMax: expected 1 to 1e5 scanSteps"),
        ("scanMax -5 5 12", "scanMax: expected 1 to 1e5 scanSteps"),
        ("scanMax 4 5 10", "scanMax: expected room for an oscillation of 1.2"),
        ("Amplitude 0.1", "Amplitude: expected 2 or more whole steps of 0.1"),
        ("Amplitude 1.25", "Amplitude: expected 2 or more whole steps of 0.1"),
        ("Amplitude 1e300", "Amplitude: expected 2 or more whole steps of 0.1"),
        ("f0Cantilever 0", "f0Cantilever: expected a positive number"),
        ("kCantilever -1", "kCantilever: expected a positive number"),
        ("PBC perhaps", "PBC: expected True or False, got 'perhaps'"),
        ("gridC 1 0 0", "gridC: expected an edge that spans a volume"),
        ("ffModel 'Morse'", "ffModel: only LJ is simulated here, got Morse"),
        ("tiltedScan True", "tiltedScan: only False is simulated here"),
        ("Vbias 0.5", "Vbias: only 0.0 is simulated here"),
    ],
)
def test_bad_params_name_file_and_line(params, tmp_path, line, message):
    with pytest.raises(InputError, match=message) as error:
        params(line)
    lines = (tmp_path / "params.ini").read_text().splitlines()
    key = message.split(":")[0]
    number = next(i for i, text in enumerate(lines, start=1) if text.split()[:1] == [key])
    assert str(error.value).startswith(f"{tmp_path / 'params.ini'}, line {number}: ")


def test_bad_springs_of_klat_and_krad(params):
    with pytest.raises(InputError, match="klat: expected springs"):
        params("stiffness -1 -1 -1", "klat -0.1")
    with pytest.raises(InputError, match="krad: expected a positive radial spring"):
        params("stiffness -1 -1 -1", "krad 0")


def test_defaults_that_do_not_fit_are_named(params):
    with pytest.raises(InputError, match=r"params\.ini: ppafm's default: scanMax: .*got 20\.0 20\.0 8\.0"):
        params("scanMin 0 0 7.5", text="")
    with pytest.raises(InputError, match="no such file"):
        read_ppafm_params("missing.ini")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings_of_other_programs(tmp_path, encoding):
    """A byte order mark does not swallow the first key, nor a comment in Latin-1 the file."""
    (tmp_path / "plain.ini").write_text(PARAMS.lstrip())
    (tmp_path / "params.ini").write_bytes((PARAMS.lstrip() + "# in \u00c5\n").encode(encoding))
    found, expected = (repr(read_ppafm_params(tmp_path / f"{name}.ini")) for name in ("params", "plain"))
    assert found == expected
