"""The picture of an identification: what is drawn, and on which scale."""

import dataclasses

import numpy as np
import pytest
from matplotlib.collections import LineCollection

from torch_afm.data import AFMData
from torch_afm.io import AFMStack
from torch_afm.testing import benzene, water
from torch_afm.utils import InputError
from torch_afm.viz import IdentificationReport, ReportedPose, plot_identification
from torch_afm.viz.identification import RESIDUAL, compared


def example(edge: float = 6.0) -> IdentificationReport:
    """Scan and images of a scan of 2 ``edge`` Å; the first of them is the scan, in another unit and with
    planes."""
    rng = np.random.default_rng(0)
    axis = np.linspace(-edge, edge, 25)
    stack = AFMStack(rng.normal(size=(1, 3, 25, 25)), axis, axis, np.array([8.0, 7.9, 7.8]))
    plane = 3 * axis + 2 * axis[:, None] - 7
    images = (5 * stack.stack[0] + plane, rng.normal(size=(3, 25, 25)))
    poses = [
        ReportedPose(
            name=name,
            smiles=smiles,
            probability=p,
            evidence=10 * p,
            pearson=np.array([0.9, 0.8, r]),
            atoms=atoms,
            simulated=image,
        )
        for name, smiles, p, r, atoms, image in (
            ("ring $x$", "c1ccccc1", 0.9, 1.0, benzene(), images[0]),
            ("drop", "O", 0.05, 0.25, water(), images[1]),
        )
    ]
    return IdentificationReport(
        title="Which molecule it is",
        reference=stack,
        poses=poses,
        none=0.05,
        others=("another",),
        sure=True,
        headline="ring $x$, with a probability of 0.90",
    )


def test_planes_units_and_offsets_make_no_difference():
    stack = np.random.default_rng(0).normal(size=(2, 9, 11))
    changed = 4 * stack + 3 * np.arange(11) - np.arange(9)[:, None] + 5
    np.testing.assert_allclose(compared(changed), compared(stack), atol=1e-12)
    np.testing.assert_allclose(compared(stack).std(axis=(1, 2)), 1)


def test_the_images_share_a_scale_and_so_do_the_differences():
    report = example()
    above, _ = plot_identification(report).subfigs
    axes = above.axes[:6]
    pictures = [ax.get_images()[0] for ax in axes]
    scan = compared(report.reference.stack[0])[-1]
    ends = (scan.min(), scan.max())
    for picture in pictures[:4]:
        assert picture.get_clim() == pytest.approx(ends)
    assert pictures[4].get_clim() == pictures[5].get_clim() == (-RESIDUAL, RESIDUAL)
    np.testing.assert_allclose(pictures[0].get_array(), scan)
    np.testing.assert_allclose(pictures[4].get_array(), 0, atol=1e-6)
    expected = compared(report.poses[1].simulated)[-1] - scan
    np.testing.assert_allclose(pictures[5].get_array(), expected)
    labels = [ax.get_ylabel() for ax in above.axes[6:]]
    assert labels == ["Δf (standard deviations)", "difference (standard deviations)"]


def test_bonds_and_atoms_lie_where_they_are():
    figure = plot_identification(example())
    ring, drop = figure.subfigs[0].axes[1:3]
    bonds = next(c for c in ring.collections if isinstance(c, LineCollection)).get_segments()
    assert len(bonds) == 12
    lengths = sorted(np.linalg.norm(a - b) for a, b in bonds)
    assert lengths[0] == pytest.approx(1.084, abs=1e-3) and lengths[-1] == pytest.approx(1.397, abs=1e-3)
    assert len(ring.patches) == 12 and len(drop.patches) == 3
    assert "O" in {text.get_text() for text in drop.texts}


def test_the_table_and_the_verdict_are_there():
    figure = plot_identification(example())
    (table,) = figure.subfigs[1].axes[0].tables
    text = {key: cell.get_text().get_text() for key, cell in table.get_celld().items()}
    assert [text[row, 1] for row in range(4)] == ["candidate", "ring $x$", "drop", "none of these"]
    assert [text[row, 2] for row in range(1, 4)] == ["0.900", "0.050", "0.050"]
    assert text[1, 4] == "0.900"  # mean of 0.9, 0.8 and 1
    figure.draw_without_rendering()  # $ is no mathematics


def test_what_speaks_against_it_stands_below_the_verdict():
    reasons = ("its image is not near enough to the scan " * 4, "2 slices were measured")
    figure = plot_identification(dataclasses.replace(example(), reasons=reasons))
    lines = [text.get_text() for text in figure.subfigs[1].axes[0].texts]
    assert lines[0] == "ring $x$, with a probability of 0.90" and lines[1].startswith("– its image")
    assert lines[-1] == "– 2 slices were measured" and len(lines) > 3
    assert " ".join(" ".join(lines[1:-1]).split()) == f"– {reasons[0]}".strip()


def test_of_a_wide_scan_the_part_around_the_molecules_is_shown():
    (x0, x1), (_, y1) = example(edge=20.0).window
    # The hydrogens of benzene are 2.481 Å from its middle, two of them on the x axis.
    assert (x0, x1) == pytest.approx((-6.481, 6.481)) and y1 == pytest.approx(2.481 * np.sqrt(3) / 2 + 4)
    assert example(edge=5.0).window == ((-5, 5), (-5, 5))


def test_the_part_of_a_molecule_outside_shows_all_of_the_scan():
    report = example()
    away = AFMData(**{key: benzene()[key] for key in ("z", "charge", "edge_index")}, pos=benzene().pos + 40)
    poses = [dataclasses.replace(report.poses[0], atoms=away)]
    assert dataclasses.replace(report, poses=poses).window == ((-6, 6), (-6, 6))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"poses": []}, "poses: expected one or more"),
        (
            {"poses": [dataclasses.replace(example().poses[0], simulated=np.zeros((2, 25, 25)))]},
            "simulated: ",
        ),
        (
            {"poses": [dataclasses.replace(example().poses[0], simulated=np.full((3, 25, 25), np.nan))]},
            "simulated: ",
        ),
    ],
)
def test_bad_input(change, words):
    with pytest.raises(InputError, match=f"^{words}"):
        dataclasses.replace(example(), **change)
