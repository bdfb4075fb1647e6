"""Which end of a scan is taken for the near one."""

import dataclasses

import numpy as np
import pytest

from tests.prediction.networks import Oracle, WholeOracle
from tests.prediction.test_preparation import LEVEL, WHOLE, measured, scanned
from torch_afm.io.scans import ScanStack
from torch_afm.io.scans.sharpness import Sharpness
from torch_afm.prediction import order as module
from torch_afm.prediction.order import Order, choose_order, weigh_orders
from torch_afm.prediction.preparation import choose_preparation
from torch_afm.testing import benzene

TRY = dataclasses.replace(LEVEL, reverse="try")


def turned(stack):
    """The same slices, as if the nearest were the farthest."""
    return ScanStack(stack.values[::-1], -stack.heights[::-1], stack.window)


def stretched(stack):
    """Each slice as a picture of its own, with noise: the level of Δf tells nothing."""
    values = stack.values + 0.02 * stack.values.std() * np.random.default_rng(0).normal(
        size=stack.values.shape
    )
    low, high = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
    return stack.replace(values=np.rint(255 * (values - low) / (high - low)))


def test_the_end_that_both_witnesses_name_is_taken():
    steps = []
    right = stretched(scanned(n_slices=6))
    chosen = choose_order(Oracle(benzene()), turned(right), TRY, steps.append)
    assert {attempt.candidate.reverse for attempt in chosen.attempts} == {False, True}
    log = dict(chosen.prepared.steps)
    assert log["order"].startswith("reverse order: by the images of the structures found r -0.")
    assert "is more blurred than the other" in log["order"] and chosen.guessed
    assert chosen.prepared.raw.heights == pytest.approx(right.heights)
    assert not any("disagree" in w for w in chosen.prepared.warnings)
    assert steps[-2:] == ["comparing both orders, 1", "comparing both orders, 2"]
    given = choose_order(Oracle(benzene()), right, TRY)
    assert dict(given.prepared.steps)["order"].startswith("order as given")
    best = max(chosen.attempts, key=lambda attempt: attempt.guess.pearson)
    assert best.to_dict()["reverse"] is True


def test_an_order_that_is_asked_for_is_not_doubted():
    right = scanned(n_slices=6)
    for reverse, heights in (("no", right.heights), ("yes", -right.heights[::-1])):
        options = dataclasses.replace(LEVEL, reverse=reverse)
        chosen = choose_order(Oracle(benzene()), right, options)
        assert chosen.prepared.raw.heights == pytest.approx(heights)
        assert ("order" in dict(chosen.prepared.steps)) == (reverse == "yes")


def test_whole_scans_are_predicted_in_both_orders():
    right = stretched(measured(np.linspace(0.9, 0.0, 10)))
    chosen = choose_order(WholeOracle(benzene(), WHOLE), turned(right), TRY)
    assert chosen.prepared.raw.heights == pytest.approx(right.heights) and chosen.cover == "whole"
    assert "reverse order" in dict(chosen.prepared.steps)["order"]


def test_a_single_image_has_no_order():
    chosen = choose_order(WholeOracle(benzene(), WHOLE), measured([0.2]), TRY)
    assert "order" not in dict(chosen.prepared.steps)


def test_images_are_compared_at_all_heights():
    """The network sees two of six slices, nearest first in either order; r is that of all six."""
    right = scanned(n_slices=6)
    network = Oracle(benzene())
    both = [choose_preparation(network, right, LEVEL, reverse=reverse) for reverse in (False, True)]
    order = weigh_orders(network, right, both, LEVEL)
    assert order.pearson[0] > 0.9 > 0.5 > order.pearson[1]
    # The structure is the same: as the tip goes up and down, its images fit to other slices.
    assert both[0].prepared.stack.heights != pytest.approx(both[1].prepared.stack.heights)


@pytest.mark.parametrize(
    ("gain", "change", "reverse", "agree"),
    [
        (0.2, 0.3, False, True),
        (-0.2, -0.3, True, True),
        (-0.1, 0.3, False, False),  # 3 standard errors against 0.1
        (-0.9, 0.05, True, False),  # half an error against 0.9
        (0.9, -0.05, False, False),
        (0.1, -0.3, True, False),
    ],
)
def test_the_stronger_witness_is_believed(gain, change, reverse, agree, monkeypatch):
    order = Order((0.5 + gain / 2, 0.5 - gain / 2), Sharpness(change, 0.1))
    assert order.reverse == reverse and order.agree == agree
    monkeypatch.setattr(module, "weigh_orders", lambda *_: order)
    chosen = choose_order(Oracle(benzene()), scanned(n_slices=6), TRY)
    warned = [w for w in chosen.prepared.warnings if "disagree" in w]
    assert bool(warned) == (not agree)
    taken = "the reverse order was taken" if reverse else "the order as given was taken"
    assert all(taken in w for w in warned)
