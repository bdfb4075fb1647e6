"""What an identification says, and its files, against what programs other than ours read."""

import dataclasses
import json
import math

import numpy as np
import pytest
from rdkit import Chem

from torch_afm.config import IdentifyOptions, Scan, Tip
from torch_afm.identification import Answer, Candidate, Identification, Pose
from torch_afm.io import AFMStack
from torch_afm.io.scans import prepare_scan, read_scan
from torch_afm.ppm import ProbeParticleModel, TipParameters
from torch_afm.prediction.refinement.scanner import Scanner
from torch_afm.testing import benzene

SCAN = Scan(window=((-6, 6), (-6, 6)), pixels=(49, 49))

#: An Å of the scan is shorter in the sample: a bond looks longer than it is.
STRETCHED = Scanner((0.9, 0.9), 0.0)


@pytest.fixture(scope="module")
def found() -> Identification:
    """Benzene where it is, and two others that were compared with it."""
    molecule = benzene()
    stack = ProbeParticleModel(SCAN, backend="torch")(molecule)[0].numpy()
    heights = SCAN.slice_heights(8.0)
    prepared = prepare_scan(read_scan(AFMStack(stack, SCAN.x, SCAN.y, heights, {})), SCAN, whole=True)
    tip = TipParameters.from_tips(Tip())
    pose = Pose(molecule, STRETCHED, tip, 8.0, {})
    shape = prepared.stack.values.shape
    answers = [
        Answer(
            candidate=Candidate(name, (molecule,), smiles),
            atoms=pose.in_scan(SCAN.center),
            pose=pose,
            pearson=np.full(shape[0], r),
            simulated=np.resize(prepared.stack.values, shape).astype(np.float32),
            evidence=evidence,
        )
        for name, smiles, r, evidence in (
            ("the\nring", "c1ccccc1", 0.98, 12.5),
            ("pyridine", "c1ccncc1", 0.97, 10.0),
            ("measured <b>", None, 0.5, -3.0),
        )
    ]
    return Identification(
        answers=tuple(answers),
        none=0.0,
        others=("water",),
        prepared=prepared,
        noise=np.full(shape[0], 0.01),
        options=IdentifyOptions(seed=7),
    )


def believed(found, *probabilities: float) -> Identification:
    answers = [
        dataclasses.replace(answer, probability=p)
        for answer, p in zip(found.answers, probabilities, strict=True)
    ]
    return dataclasses.replace(found, answers=tuple(answers), none=1 - sum(probabilities))


@pytest.mark.parametrize(
    ("probabilities", "best", "sure", "words"),
    [
        ((0.995, 0.005, 0.0), True, True, "with a probability above 0.99"),
        ((0.93, 0.05, 0.01), True, True, "with a probability of 0.93"),
        ((0.5, 0.4, 0.01), True, False, "one of 2 that the scan does not tell from each other: "),
        (
            (0.6, 0.01, 0.0),
            True,
            False,
            "(0.60) or none of the 4 candidates, which has a probability of 0.39",
        ),
        (
            (0.4, 0.05, 0.0),
            False,
            False,
            "none of the 4 candidates, with a probability of 0.55; if it is one",
        ),
        ((0.05, 0.01, 0.0), False, False, "none of the 4 candidates, with a probability of 0.94"),
        ((0.001, 0.0, 0.0), False, False, "none of the 4 candidates, with a probability above 0.99"),
    ],
)
def test_the_verdict_says_which_and_how_sure(found, probabilities, best, sure, words):
    result = believed(found, *probabilities)
    assert words in result.verdict and result.sure is sure and (result.best is not None) is best
    assert f"verdict    {result.verdict}" in result.describe()
    listed = ["ring" in result.verdict, "pyridine" in result.verdict]
    # Nothing speaks against its image, which is said where it is not taken for the answer.
    assert result.explained
    assert listed == [True, len(result.alike) > 1 and not sure and result.none < 0.9]


def test_the_only_candidate_may_be_another(found):
    alone = dataclasses.replace(found, answers=found.answers[:1], others=())
    assert believed(alone, 0.05).verdict.startswith(
        "another molecule, with a probability of 0.95; but nothing"
    )


def test_an_image_that_does_not_explain_the_scan_is_named(found):
    """However probable its molecule is among the candidates."""
    sure = believed(found, 0.995, 0.005, 0.0)
    assert sure.explained and sure.reasons == () and sure.report().sure
    elsewhere = np.roll(found.answers[0].simulated, 8, axis=2)
    answers = (dataclasses.replace(sure.answers[0], simulated=elsewhere), *sure.answers[1:])
    wrong = dataclasses.replace(sure, answers=answers)
    assert wrong.sure and not wrong.explained and not wrong.report().sure
    assert wrong.verdict == f"{sure.verdict}, but its image does not explain the scan"
    assert any("image" in reason for reason in wrong.reasons)
    unsure = believed(wrong, 0.5, 0.4, 0.01)
    assert unsure.verdict.endswith("; the image of the first does not explain the scan")
    assert wrong.to_dict()["reasons"] == list(wrong.reasons) == list(wrong.report().reasons)
    assert f"           - {wrong.reasons[0]}" in wrong.describe()


def test_planes_are_not_what_a_scan_shows(found):
    """Neither in the scan nor in the image."""
    tilted = found.answers[0].simulated + np.linspace(-9, 9, 48, dtype=np.float32)
    answers = (dataclasses.replace(found.answers[0], simulated=tilted), *found.answers[1:])
    assert dataclasses.replace(found, answers=answers).reasons == ()


def test_the_margin_is_that_of_the_second(found):
    assert found.margin == pytest.approx(2.5)
    alone = dataclasses.replace(found, answers=found.answers[:1])
    assert math.isinf(alone.margin) and alone.to_dict()["margin"] is None


def test_the_table_has_a_line_for_each(found):
    text = believed(found, 0.5, 0.4, 0.01).describe()
    assert "   1        0.500      12.5   0.98  the" in text and "   -        0.090" in text
    assert "1 more" in text


def test_numbers_in_json(found, tmp_path):
    result = believed(found, 0.5, 0.4, 0.01)
    assert {file.name for file in result.write(tmp_path)} == {file.name for file in tmp_path.iterdir()}
    record = json.loads((tmp_path / "identification.json").read_text("utf-8"))
    assert record["none"] == pytest.approx(0.09) and record["others"] == ["water"]
    assert record["options"]["seed"] == 7 and record["verdict"] == result.verdict
    first = record["answers"][0]
    assert first["probability"] == 0.5 and first["smiles"] == "c1ccccc1" and len(first["pearson"]) == 10
    # 1.397 Å are 1.397 / 0.9 Å of the scan.
    assert np.linalg.norm(first["atoms"][0]["pos"][:2]) == pytest.approx(1.397 / 0.9, abs=1e-4)
    assert sorted(map(tuple, first["bonds"])) == sorted(
        (i, j) for i, j in benzene().edge_index.T.tolist() if i < j
    )
    assert first["instrument"]["scale"] == [0.9, 0.9] and first["instrument"]["z_top"] == 8.0


def test_poses_are_read_by_rdkit(found, tmp_path):
    believed(found, 0.5, 0.4, 0.01).write(tmp_path)
    mols = list(Chem.SDMolSupplier(str(tmp_path / "poses.sdf"), removeHs=False))
    assert [m.GetProp("_Name") for m in mols] == ["the ring", "pyridine", "measured <b>"]
    assert [m.GetDoubleProp("probability") for m in mols] == [0.5, 0.4, 0.01]
    assert [m.HasProp("smiles") for m in mols] == [1, 1, 0]
    # Bonds keep their orders, however long the scanner shows them.
    assert Chem.MolToSmiles(Chem.RemoveHs(mols[0])) == "c1ccccc1"
    positions = mols[0].GetConformer().GetPositions()
    np.testing.assert_allclose(positions, found.answers[0].atoms.pos.numpy(), atol=1e-4)


def test_the_report_shows_what_was_compared(found):
    report = believed(found, 0.5, 0.4, 0.01).report()
    assert [pose.probability for pose in report.poses] == [0.5, 0.4, 0.01] and not report.sure
    assert report.poses[2].smiles == "" and report.settings["seed"] == 7
    assert report.reference.stack.shape[1:] == report.poses[0].simulated.shape
    assert "channel" not in report.settings and report.settings["direction"] == "forward"
