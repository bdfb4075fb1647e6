"""Ranges, curves, probe positions and sheets of ``torch-afm simulate``."""

import csv
import dataclasses

import numpy as np
import pytest
import torch

from torch_afm.cli.main import main
from torch_afm.config import Scan, Tip
from torch_afm.io import read_stack, read_sweep, write_xyz
from torch_afm.ppm import ProbeParticleModel
from torch_afm.testing import water
from torch_afm.transforms import Orient

SCAN = Scan(window=((-3, 3), (-2, 2)), pixels=(7, 5), n_slices=2)
SMALL = ["--scan.window", "[[-3,3],[-2,2]]", "--scan.pixels", "[7,5]", "--scan.n_slices", "2"]


@pytest.fixture
def run(tmp_path, capsys):
    """Simulate water and return what was printed."""
    write_xyz(tmp_path / "water.xyz", water())

    def run(*options, out="s.npz"):
        arguments = ["simulate", str(tmp_path / "water.xyz"), "--out", str(tmp_path / out), *SMALL]
        assert main([*arguments, "--backend", "torch", *options]) == 0
        return capsys.readouterr().out

    return run


def test_every_combination_in_one_file_and_on_one_sheet(run, tmp_path):
    text = run("--lateral-stiffness", "0.2:0.6:3", "--amplitude", "0.6,1.0")
    assert "s.npz: 6 stacks, 2 slices of 7 x 5 pixels" in text and "s.png: images with atoms" in text
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    with np.load(tmp_path / "s.npz") as arrays:
        assert arrays["lateral_stiffness"].tolist() == [0.2, 0.2, 0.4, 0.4, 0.6, 0.6]
        assert arrays["amplitude"].tolist() == [0.6, 1.0] * 3
    stacks = read_sweep(tmp_path / "s.npz")
    sample = Orient()(water())
    for k, amplitude, number in ((0.2, 0.6, 0), (0.6, 1.0, 5)):
        stack = stacks[number]
        scan = dataclasses.replace(SCAN, n_oscillation=round(amplitude / SCAN.dz))
        assert (stack.recorded_scan, stack.tip) == (scan, Tip(stiffness=(k, k, 0.0)))
        assert stack.z == pytest.approx(stacks[1].z)
        expected = ProbeParticleModel(scan, stack.tip, backend="torch")(sample, z_top=stack.z_top)[0].numpy()
        np.testing.assert_allclose(stack.stack, expected, atol=2e-3 * expected.std())


def test_one_file_each_for_other_programs(run, tmp_path):
    text = run("--height", "7,7.5", "--tilt", "0.3", "--tilt-direction", "-90", out="s.gwy")
    assert "s-01.gwy" in text and not (tmp_path / "s.gwy").exists()
    assert [read_stack(tmp_path / f"s-0{n}.gwy").z[-1] for n in (1, 2)] == pytest.approx([7.0, 7.5])


def test_one_value_is_one_stack(run, tmp_path):
    run("--tilt", "0.3", "--tilt-direction", "-90")
    stack = read_stack(tmp_path / "s.npz")
    assert stack.tip == Tip(tilt=(0.0, -0.3))
    assert stack.meta["parameters"] == {"tilt": 0.3, "tilt_direction": -90.0}
    assert not (tmp_path / "s.png").exists()


def test_curves_are_the_pixels_of_the_stack(run, tmp_path):
    text = run("--curve", "-1,0", "--curve", "2,-1", "--curve-length", "1", "--lateral-stiffness", "0.2,0.5")
    assert "s-curves.csv: 4 curves of 11 heights" in text
    assert (tmp_path / "s-curves.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "s-curves.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["curve", "lateral_stiffness", "x (Å)", "y (Å)", "z (Å)", "frequency shift (Hz)"]
    assert len(rows) == 44
    stacks = read_sweep(tmp_path / "s.npz")
    for number, (stack, iy, ix) in enumerate(
        [(stacks[0], 2, 2), (stacks[0], 1, 5), (stacks[1], 2, 2), (stacks[1], 1, 5)], start=1
    ):
        near = [row for row in rows if row["curve"] == str(number)][-2:]
        assert [float(row["z (Å)"]) for row in near] == pytest.approx(stack.z, abs=1e-4)
        assert (float(near[0]["x (Å)"]), float(near[0]["y (Å)"])) == (stack.x[ix], stack.y[iy])
        values = [float(row["frequency shift (Hz)"]) for row in near]
        assert values == pytest.approx(stack.stack[0, :, iy, ix], abs=0.02 * float(stack.stack.std()))


def test_probe_positions(run, tmp_path):
    run("--probe-positions", "--tilt", "0.2")
    stack = read_stack(tmp_path / "s.npz")
    renderer = ProbeParticleModel(SCAN, stack.tip, backend="torch", dtype=torch.float64)
    expected = renderer.relax(Orient()(water()), z_top=stack.z_top)
    with np.load(tmp_path / "s-probe.npz") as found:
        np.testing.assert_allclose(found["probe"], expected.probe[0, 0], atol=2e-3)
        np.testing.assert_allclose(found["force"], expected.force[0, 0], atol=2e-4)
        assert found["converged"].all()
        assert found["z"] == pytest.approx(SCAN.heights(stack.z_top))
        assert np.array_equal(found["x"], stack.x) and np.array_equal(found["y"], stack.y)
    run("--probe-positions", "--amplitude", "0.6,1.0")
    shapes = [np.load(tmp_path / f"s-0{n}-probe.npz")["probe"].shape for n in (1, 2)]
    assert shapes == [(7, 5, 7, 3), (11, 5, 7, 3)]


def test_errors_are_one_line_before_anything_is_written(tmp_path, capsys):
    write_xyz(tmp_path / "water.xyz", water())
    for options, message in [
        (["--lateral-stiffness", "0.2:0.6"], "--lateral-stiffness: expected a number, numbers with commas"),
        (["--lateral-stiffness", "-0.2"], "--lateral-stiffness: expected"),
        (
            ["--tilt", "0:1:9", "--amplitude", "1:2:9"],
            "--tilt, --amplitude: expected at most 64",
        ),
        (["--tilt", "4.5"], "--tilt: expected less than bond_length"),
        (["--tilt-direction", "90"], "--tilt-direction: expected a tilt beside it"),
        (["--amplitude", "0.25"], "--amplitude: expected 2 or more whole height steps of 0.1 Å"),
        (["--amplitude", "1", "--scan.n_oscillation", "9"], "--amplitude: expected no --scan.n_oscillation"),
        (["--tilt", "0.1", "--tip.tilt", "[0,0]"], "--tilt: expected no --tip.tilt beside it"),
        (["--height", "a"], "--height: expected a number"),
        (["--curve", "1"], "--curve: expected X,Y in Å"),
        (["--curve", "1,nan"], "--curve: expected X,Y in Å"),
        (["--curve", "9,0"], "--curve: expected a place in the scan window, -3 to 3 and -2 to 2 Å, got 9,0"),
        (["--curve"] + ["0,0", "--curve"] * 100 + ["0,0"], "--curve: expected at most 100 points"),
        (["--curve-length", "3"], "--curve-length: expected --curve beside it"),
        (["--curve", "0,0", "--curve-length", "-3"], "length: expected 0 Å or more"),
        (["--out", "s.h5"], "--out: expected a file name ending in .npz, .gwy, .xsf"),
    ]:
        arguments = ["simulate", str(tmp_path / "water.xyz"), "--out", str(tmp_path / "s.npz"), *SMALL]
        assert main([*arguments, "--backend", "torch", *options]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["water.xyz"]
