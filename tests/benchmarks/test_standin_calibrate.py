"""The calibration on the stand-in, of scenes whose miscalibration is known."""

import dataclasses
import json

import numpy as np
import pytest
from scipy.special import expit, logit

from benchmarks import common
from benchmarks.standin import calibrate
from benchmarks.standin.calibrate import (
    Scored,
    cross_fit,
    kept_scenes,
    perfect_deviations,
    perfect_probabilities,
    summarize,
    without_calibration,
)
from benchmarks.standin.scores import LEVELED, leave_out_leveled
from benchmarks.standin.strata import STRATA
from torch_afm.data import AFMData
from torch_afm.elements import ORGANIC, AtomClasses
from torch_afm.metrics import Calibration
from torch_afm.metrics.calibration import Platt, coverage
from torch_afm.metrics.molecules import score_molecule
from torch_afm.models import load_generator
from torch_afm.models.pretrained import weights_folder
from torch_afm.prediction import load_calibration

CLASSES = AtomClasses(tuple((symbol,) for symbol in ORGANIC))
EMPTY = score_molecule(AFMData.empty(), AFMData.empty(), "stop", CLASSES)
NAMES = ("atoms", "elements", "bonds", "standard deviations")


def overconfident(p):
    """What :class:`Platt` of 0.5 and -0.7 makes ``p`` of."""
    return expit((logit(p) + 0.7) / 0.5)


def scenes(count=240, stated=lambda p: p, shrink=1.0, seed=0):
    """Scenes of 30 atoms and bonds that are there as often as a probability that is not the one stated, with
    errors whose standard deviation is ``shrink`` times the one stated."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        found = {}
        for name in ("atom", "label", "bond"):
            p = rng.uniform(0.05, 0.95, 30)
            found[name] = [stated(p).tolist(), (rng.random(30) < p).astype(int).tolist()]
        sigma = rng.uniform(0.05, 0.3, (30, 3))
        found["sigma"] = sigma.tolist()
        errors = (rng.normal(size=sigma.shape) * sigma * shrink).tolist()
        record = dataclasses.replace(EMPTY, calibration=found, errors=errors)
        made.append(Scored(number, STRATA[number % len(STRATA)].name, record))
    return made


def test_a_known_miscalibration_is_undone_on_the_other_half():
    before = scenes(stated=overconfident, shrink=0.5)
    rows = summarize("validation", before, cross_fit(before))
    assert [row["stratum"] for row in rows] == [*(stratum.name for stratum in STRATA), "all"]
    assert sum(row["scenes"] for row in rows[:-1]) == rows[-1]["scenes"] == 240
    for name in NAMES:
        found = rows[-1][name]
        assert found["count"] == 240 * 30
        assert found["before"] > 0.1 > 0.03 > found["after"]
        assert found["perfect"] < 0.02
    for name in NAMES[:3]:
        assert rows[-1][name]["bias"] == pytest.approx(0, abs=0.02)


def test_what_is_calibrated_stays():
    before = scenes()
    after = cross_fit(before)
    for old, new in zip(before, after, strict=True):
        for name in ("atom", "label", "bond"):
            assert new.record.calibration[name][1] == old.record.calibration[name][1]
            pair = (scene.record.calibration[name][0] for scene in (old, new))
            assert np.abs(np.subtract(*pair)).max() < 0.05
    (row,) = (row for row in summarize("validation", before, after) if row["stratum"] == "all")
    for name in NAMES:
        assert row[name]["before"] < 0.02 and row[name]["after"] < 0.02


def test_no_scene_is_calibrated_by_its_half():
    # Those of even number mean what they say; those of odd number, which are calibrated by them, do not.
    mixed = [
        plain if plain.number % 2 == 0 else distorted
        for plain, distorted in zip(scenes(), scenes(stated=overconfident), strict=True)
    ]
    after = cross_fit(mixed)
    for old, new in zip(mixed, after, strict=True):
        p, corrected = (np.array(scene.record.calibration["atom"][0]) for scene in (old, new))
        wanted = Platt(0.5, -0.7)(p) if old.number % 2 == 0 else p
        np.testing.assert_allclose(corrected, wanted, atol=0.06)


def test_strata_without_any_prediction():
    none = [Scored(0, "water", EMPTY)]
    for row in summarize("validation", none, cross_fit(none)):
        assert all(row[name]["after"] is None and row[name]["count"] == 0 for name in NAMES)
        assert all(isinstance(cell(row), str) for cell in calibrate.COLUMNS.values())


def test_chance_alone():
    # Of a single bin: the mean of |hits / N - p| is that of a normal distribution.
    assert perfect_probabilities(np.full(400, 0.55)) == pytest.approx(
        np.sqrt(2 / np.pi * 0.55 * 0.45 / 400), rel=0.5
    )
    assert perfect_deviations(100) > 2 * perfect_deviations(10_000) > 0
    assert perfect_probabilities(np.empty(0)) is None and perfect_deviations(0) is None


def test_atoms_whose_height_is_that_of_the_truth_by_shift_are_left_out():
    # Heights are shifted by the median of the difference: in scenes of three atoms, one in three is exact.
    rng = np.random.default_rng(0)
    records = []
    for _ in range(2000):
        errors = rng.normal(size=(3, 3))
        errors[:, 2] -= np.median(errors[:, 2])
        found = {"sigma": np.ones((3, 3)).tolist()}
        records.append(dataclasses.replace(EMPTY, errors=errors.tolist(), calibration=found))

    def shares(records):
        errors = np.concatenate([record.errors for record in records])
        return coverage(errors, np.ones_like(errors))

    kept = [leave_out_leveled(record) for record in records]
    assert all(len(r.errors) == len(r.calibration["sigma"]) == 2 for r in kept)
    assert all(abs(error[2]) > LEVELED for r in kept for error in r.errors)
    assert shares(kept)["x"]["ece"] < 0.02 and shares(kept)["z"]["ece"] < shares(records)["z"]["ece"] / 2


@pytest.fixture
def weights(tmp_path):
    """A folder of weights with a calibration."""
    folder = tmp_path / "net"
    folder.mkdir()
    for file in weights_folder("small").iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    Calibration(atom=Platt(2.0, 1.0), min_pearson=0.9).save(folder / "calibration.json")
    return folder


def test_weights_without_their_calibration(weights):
    with without_calibration(str(weights)) as folder:
        assert load_calibration(folder) == Calibration() != load_calibration(weights)
        assert load_generator(folder).config == load_generator(weights).config
    with without_calibration("small") as folder:
        assert load_calibration(folder) == Calibration()
    assert (weights / "calibration.json").exists()


def test_command(weights, tmp_path, monkeypatch, capsys):
    keep, known = tmp_path / "keep", scenes(stated=overconfident, shrink=0.5)
    records = [{"scene": s.number, "stratum": s.stratum, "all": s.record.to_dict()} for s in known]
    seen = []

    def evaluated(scenes, weights, refine, processes, folder, settings):
        seen.append(load_calibration(weights))
        folder.mkdir(parents=True)
        return records

    monkeypatch.setattr(common, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(calibrate, "draw_scenes", lambda part: [])
    monkeypatch.setattr(calibrate, "evaluate", evaluated)
    monkeypatch.setattr("sys.argv", ["calibrate", "--weights", str(weights), "--keep", str(keep), "--write"])
    test = keep / "standin_net"
    test.mkdir(parents=True)
    (test / "records.jsonl").write_text("\n".join(map(json.dumps, records)) + "\n")
    calibrate.main()
    # Predicted without the calibration that there was; its limit of images stays.
    assert seen == [Calibration()]
    fitted = load_calibration(weights)
    assert fitted.atom.a == pytest.approx(0.5, abs=0.05) and fitted.atom.b == pytest.approx(-0.7, abs=0.1)
    assert fitted.sigma == pytest.approx((0.5, 0.5, 0.5), rel=0.05) and fitted.min_pearson == 0.9
    folder = keep / "standin_net_validation"
    assert Calibration.load(folder / "calibration.json") == fitted
    written = {path.name for path in folder.iterdir()}
    assert written == {"calibration.json", "reliability_validation.png", "reliability_test.png"}
    (result,) = (tmp_path / "results").iterdir()
    assert len(json.loads(result.read_text())["rows"]) == 2 * (len(STRATA) + 1)
    shown = capsys.readouterr().out
    assert "more than 0.03 after calibration: none" in shown and "test part" in shown


def test_predictions_with_a_calibration_are_no_records_to_fit_on(weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(calibrate, "draw_scenes", lambda part: [])
    (tmp_path / "standin_net").mkdir()
    _, settings = calibrate.describe_run([], str(weights), "test")
    (tmp_path / "standin_net" / "settings.json").write_text(json.dumps(settings))
    with without_calibration(str(weights)) as folder:
        assert kept_scenes(tmp_path, folder, "test") == []
    assert "(calibration)" in capsys.readouterr().out
