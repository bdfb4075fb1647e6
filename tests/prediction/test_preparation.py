"""Which preparations of a scan are tried."""

import dataclasses

import numpy as np
import pytest
import torch

from tests.prediction.networks import SCAN, Oracle, WholeOracle
from torch_afm.config import PredictOptions, Scan, ScanPreparation, Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.io.scans import ScanStack
from torch_afm.ppm import ProbeParticleModel, anchor_height, nominal_height
from torch_afm.prediction.preparation import choose_preparation, count_measured_slices, prepare_candidates
from torch_afm.testing import benzene

Z_TOP = float(anchor_height(AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3)), SCAN, Tip()))
LEVEL = PredictOptions(preparation=ScanPreparation(flatten="none", align="never"))


def scanned(n_slices=SCAN.n_slices, farther=0.0, **meta) -> ScanStack:
    """Benzene at some heights."""
    scan = dataclasses.replace(SCAN, n_slices=n_slices)
    images = ProbeParticleModel(scan)(benzene(), z_top=Z_TOP + farther)[0, 0].double().numpy()
    return ScanStack(images, scan.slice_heights(Z_TOP + farther), scan.window, meta=meta)


def test_a_stack_on_the_grid_at_a_known_height_is_taken_as_it_is():
    stack = scanned(z_top=Z_TOP, warnings=["of a reader"])
    (candidate,) = prepare_candidates(stack, SCAN, PredictOptions(), False)
    assert candidate.prepared.stack is stack and candidate.z_top == Z_TOP and not candidate.aligned
    assert candidate.prepared.scan == SCAN and candidate.prepared.warnings == ("of a reader",)
    # Unless more is asked for, or the height is not known, or it is the other way round.
    plane = PredictOptions(preparation=ScanPreparation(flatten="plane"))
    for other, options, reverse in (
        (stack, plane, False),
        (scanned(), PredictOptions(), False),
        (stack, PredictOptions(), True),
    ):
        (candidate, *_) = prepare_candidates(other, SCAN, options, reverse)
        assert "plane" in dict(candidate.prepared.steps)


def test_known_heights_hold_for_the_prepared_slices():
    stack = scanned(n_slices=6, farther=0.4, z_top=Z_TOP + 0.4)
    chosen = choose_preparation(Oracle(benzene()), stack, LEVEL)
    assert chosen.z_top == pytest.approx(Z_TOP) and not chosen.guessed and chosen.attempts == ()
    assert chosen.prepared.stack.heights == pytest.approx(stack.heights[-2:])
    assert chosen.cover == "grid" and chosen.prepared.scan.n_slices == 2
    given = dataclasses.replace(LEVEL, z_top=Z_TOP + 0.6)
    assert choose_preparation(Oracle(benzene()), stack, given).z_top == pytest.approx(Z_TOP + 0.2)


def test_the_tip_and_the_quadrature_of_a_simulation_are_kept():
    stated = dataclasses.replace(SCAN, n_slices=6, substeps=3)
    stack = scanned(n_slices=6, scan=to_dict(stated), tip=to_dict(Tip(probe="Xe")), z_top=Z_TOP)
    chosen = choose_preparation(Oracle(benzene()), stack, LEVEL)
    assert chosen.tip == Tip(probe="Xe") and chosen.prepared.scan.substeps == 3
    assert choose_preparation(Oracle(benzene()), scanned(z_top=Z_TOP), LEVEL).tip == Tip()


def test_measured_slices_are_counted_and_never_grow():
    stack = scanned(n_slices=6, z_top=Z_TOP)
    coarse = stack.replace(values=stack.values[::2], heights=stack.heights[::2])
    for read, expected in ((stack, 2), (coarse, 2)):
        chosen = choose_preparation(Oracle(benzene()), read, LEVEL)
        assert count_measured_slices(chosen.prepared) in (expected, expected + 1)
    once = stack.replace(meta=stack.meta | {"measured": 1})
    assert count_measured_slices(choose_preparation(Oracle(benzene()), once, LEVEL).prepared) == 1


def test_unfinished_stacks_are_prepared():
    stack = scanned(z_top=Z_TOP)
    values = np.concatenate([stack.values, stack.values], axis=1)
    values[:, 20:] = np.nan
    (x, (low, high)) = stack.window
    step = (high - low) / 15
    tall = stack.replace(values=values, window=(x, (low, low + 31 * step)))
    (candidate, *_) = prepare_candidates(tall, SCAN, PredictOptions(), False)
    assert "unfinished" in dict(candidate.prepared.steps)


WHOLE = Scan(window=((-7.25, 7.25), (-7.25, 7.25)), pixels=(30, 30), n_slices=4)


def measured(heights, **meta) -> ScanStack:
    """Benzene at some heights of the tip, on a network of whole scans' pixels."""
    fine = dataclasses.replace(WHOLE, n_slices=10)
    images = ProbeParticleModel(fine)(benzene(), z_top=Z_TOP + 0.6)[0, 0].double().numpy()
    return ScanStack(images[-len(heights) :], np.asarray(heights, dtype=float), fine.window, meta=meta)


def test_whole_scans_need_no_guesses():
    network = WholeOracle(benzene(), WHOLE)
    chosen = choose_preparation(network, measured([0.8, 0.4, 0.2]), LEVEL)
    assert not network.seen and chosen.guessed and not chosen.attempts and chosen.cover == "whole"
    assert chosen.prepared.stack.heights == pytest.approx([0.5, 0.4, 0.3, 0.2])
    assert chosen.z_top == pytest.approx(nominal_height(WHOLE, Tip()))
    # Fewer slices begin lower; a wider oscillation comes as near from farther.
    single = choose_preparation(network, measured([0.2]), LEVEL)
    assert single.z_top == pytest.approx(chosen.z_top - 0.3)
    wide = choose_preparation(network, measured([0.8, 0.4, 0.2], amplitude=2.0), LEVEL)
    assert wide.z_top == pytest.approx(chosen.z_top + 2.0 - WHOLE.amplitude)
    assert wide.prepared.amplitude == pytest.approx(2.0)


def test_known_heights_choose_the_slices_of_whole_scans():
    heights = np.linspace(0.9, 0.0, 10)
    nominal = nominal_height(WHOLE, Tip())
    stack = measured(heights, z_top=nominal + 0.2)
    chosen = choose_preparation(WholeOracle(benzene(), WHOLE), stack, LEVEL)
    assert chosen.prepared.stack.heights == pytest.approx([0.7, 0.6, 0.5, 0.4])
    assert chosen.z_top == pytest.approx(nominal) and not chosen.guessed


def test_a_single_image_was_measured_once():
    chosen = choose_preparation(WholeOracle(benzene(), WHOLE), measured([0.2]), LEVEL)
    assert count_measured_slices(chosen.prepared) == 1


def test_unfinished_whole_scans_of_a_known_height_are_prepared():
    stack = measured([0.3, 0.2, 0.1, 0.0], z_top=nominal_height(WHOLE, Tip()))
    values = stack.values.copy()
    values[:, 20:] = np.nan
    chosen = choose_preparation(WholeOracle(benzene(), WHOLE), stack.replace(values=values), PredictOptions())
    assert "unfinished" in dict(chosen.prepared.steps) and not chosen.guessed
    assert np.isfinite(chosen.prepared.stack.values).all()
