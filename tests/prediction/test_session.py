"""From files of a microscope to a structure: against a network that knows the truth."""

import dataclasses
import json

import ase.io
import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from tests.prediction.networks import SCAN, Oracle, Script, by_place
from torch_afm.config import (
    ForceField,
    PredictOptions,
    ReadOptions,
    ScanPreparation,
    SearchOptions,
    SequentialGeneratorConfig,
    SpatialGeneratorConfig,
    Tip,
    to_dict,
)
from torch_afm.data import AFMData
from torch_afm.io import AFMStack, read_molecule, read_stack, write_stack
from torch_afm.io.scans import read_scan
from torch_afm.models import SpatialGenerator
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.prediction import (
    HeightGuess,
    RefinementSettings,
    predict,
    predict_structure,
    preparation,
    session,
    tiles,
)
from torch_afm.testing import benzene
from torch_afm.utils import InputError

PITCH = 8 / 15
N = 32
MIDDLE = torch.tensor([(N - 1) / 2 * PITCH, (N - 1) / 2 * PITCH, 0.0])
READING = ReadOptions(step=0.1, pixel_size=PITCH)
PLAIN = ScanPreparation(flatten="none", align="never")
ONE_VIEW = SearchOptions(refine=False, views=1)
PICTURES = PredictOptions(reading=READING, preparation=PLAIN, search=ONE_VIEW)
WIDE = PredictOptions(preparation=PLAIN, search=ONE_VIEW)


@pytest.fixture(autouse=True)
def oracle(monkeypatch):
    def find(stack, pitch):
        n = stack.shape[1]
        mask = np.zeros(stack.shape[1:], bool)
        mask[n // 2 - 5 : n // 2 + 5, n // 2 - 5 : n // 2 + 5] = True
        return [mask]

    monkeypatch.setattr(tiles, "find_islands", find)
    monkeypatch.setattr(session, "load_generator", lambda weights: Oracle(benzene()))


@pytest.fixture(scope="module")
def wide() -> AFMStack:
    """Benzene in the middle of a scan twice as wide as the window, at 13 heights, the nearest two of them
    those that the model was made for."""
    molecule = benzene()
    molecule.pos = molecule.pos + MIDDLE
    window = ((0.0, (N - 1) * PITCH),) * 2
    scan = dataclasses.replace(SCAN, window=window, pixels=(N, N), n_slices=13)
    height = float(anchor_height(AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3)), scan, Tip())) + 1.1
    stack = ProbeParticleModel(scan)(molecule, z_top=height)[0].numpy()
    meta = {"z_top": height, "scan": to_dict(scan), "tip": to_dict(Tip())}
    return AFMStack(stack, scan.x, scan.y, scan.slice_heights(height), meta)


@pytest.fixture(scope="module")
def ready() -> AFMStack:
    """Benzene on the model's grid at a known height."""
    z_top = float(anchor_height(AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3)), SCAN, Tip()))
    stack = ProbeParticleModel(SCAN)(benzene(), z_top=z_top)[0].numpy()
    meta = {"z_top": z_top, "scan": to_dict(SCAN), "tip": to_dict(Tip())}
    return AFMStack(stack, SCAN.x, SCAN.y, SCAN.slice_heights(z_top), meta)


@pytest.fixture
def pictures(wide, tmp_path):
    """The same in gray values of 8 bits, its slices numbered from far to near, and somebody's notes."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i, image in enumerate(wide.stack[0]):
        low, high = image.min(), image.max()
        gray = np.round(255 * (image - low) / (high - low)).astype(np.uint8)
        Image.fromarray(gray[::-1]).save(folder / f"water_{i}.png")
    (folder / "notes.txt").write_text("words")
    return folder


def check_benzene(path):
    found = read_molecule(path)
    assert by_place(found.z, (found.pos * 50).round() / 50) == by_place(
        benzene().z, ((benzene().pos + MIDDLE) * 50).round() / 50
    )


def test_a_folder_of_pictures(pictures, tmp_path):
    found = predict(pictures, options=PICTURES)
    log, record = dict(found.log), found.to_dict()
    assert (
        f"13 slices of {N} x {N} pixels" in log["read"] and "of the scan's 0.00 to -1.20 Å" in log["slices"]
    )
    assert "gray value" in log["read"] and "plane" not in log and 1 < len(found.chosen.attempts) <= 6
    assert "pearson" in record["agreement"] and "mse" not in record["agreement"]
    assert found.verdict.pearson > 0.9
    # The frame of pictures has its zero in the middle.
    assert by_place(found.graph.z, found.graph.pos.round(decimals=2)) == by_place(
        benzene().z, benzene().pos.round(decimals=2)
    )
    assert not any("order" in warning for warning in found.warnings)
    files = {file.name for file in found.write(tmp_path / "result")}
    assert files == {file.name for file in (tmp_path / "result").iterdir()}
    assert "prediction.cif" not in files and len(files) == 9
    page = (tmp_path / "result" / "report.html").read_text("utf-8")
    assert "Structure of images" in page and log["read"].replace("<", "") in page
    stacks = [read_stack(tmp_path / "result" / name) for name in ("scan.npz", "simulated.npz")]
    assert stacks[0].stack.shape == stacks[1].stack.shape == (1, 2, N, N)


def test_the_image_shows_which_end_is_near(pictures, wide, monkeypatch):
    """The slices are sharper at the end that really is near, and the log says what was tried."""
    for i in range(13):
        (pictures / f"water_{i}.png").rename(pictures / f"x_{12 - i}.png")
    near = torch.from_numpy(wide.stack[0, -1].ravel())

    def choose(model, reference, scan, z_top, tip, **settings):
        assert z_top is None and scan.n_slices == 13
        r = float(torch.corrcoef(torch.stack([reference[0, 0, -1].ravel(), near]))[0, 1])
        return [HeightGuess(first, 8.0 + first, r - abs(first - 11)) for first in (7, 11, 9)]

    monkeypatch.setattr(preparation, "choose_slices", choose)
    found = predict(pictures, options=dataclasses.replace(PICTURES, reverse="try"))
    tried = found.to_dict()["scan"]["tried"]
    assert len(tried) == 6 and max(tried, key=lambda t: t["pearson"])["reverse"] is True
    assert found.z_top == tried[4]["z_top"] == 19.0
    assert "r 1.00" in found.describe() and "reverse order" in dict(found.log)["order"]
    given = predict(pictures, options=dataclasses.replace(PICTURES, reverse="yes"))
    assert given.verdict.pearson == pytest.approx(found.verdict.pearson)
    # Both slices of the model were measured, in this order, too.
    assert given.reference.meta["measured"] == 2


def test_the_image_shows_whether_slices_drifted(wide, tmp_path, monkeypatch):
    """What seems to be drift is tried with it and without."""
    moved = [ndimage.shift(image, (0, i / 2)) for i, image in enumerate(wide.stack[0][::-1])][::-1]
    moved = dataclasses.replace(wide, stack=np.stack(moved)[None])
    options = PredictOptions(preparation=ScanPreparation(flatten="none"), search=ONE_VIEW)
    for wins in (True, False):

        def choose(model, reference, scan, z_top, tip, wins=wins, **settings):
            return [HeightGuess(11, wide.meta["z_top"] - 1.1, float((scan.pixels[0] < N) == wins))]

        monkeypatch.setattr(preparation, "choose_slices", choose)
        found = predict(moved, options=options)
        assert (found.scan.pixels[0] < N) == wins and len(found.chosen.attempts) == 2
        assert ("left where it is" if not wins else "moved back") in found.describe().split("both")[1]
        if wins:
            found.write(tmp_path)
    # Read again, nothing is in doubt any more.
    again = predict(tmp_path / "scan.npz", options=options)
    assert again.chosen.attempts == ()


def test_what_a_stack_states_of_its_simulation_is_used(wide):
    stated = dataclasses.replace(SCAN, quadrature="ppafm", substeps=3, n_oscillation=7)
    stack = dataclasses.replace(wide, meta=wide.meta | {"scan": to_dict(stated)})
    scan = predict(stack, options=WIDE).scan
    assert (scan.quadrature, scan.substeps, scan.n_oscillation) == ("ppafm", 3, 7)


def test_what_makes_a_prediction_less_sure_is_a_warning(wide):
    """Atoms at the edge, an oscillation that the network does not know."""
    graph = AFMData(z=torch.tensor([1, 6]), pos=torch.tensor([[0.9, 8.0, 0.0], [8.0, 8.0, 0.0]]))
    first, second = session.list_cautions(graph, wide, dataclasses.replace(SCAN, n_oscillation=16), SCAN)
    assert f"{SCAN.amplitude:.2f} Å peak to peak" in first and f"{16 * SCAN.dz:.2f} Å" in second + first
    assert "1 of 2 atoms" in second
    graph.confidence = torch.tensor([0.9, 0.4])
    assert "1 of 2 atoms are less likely" in session.list_cautions(graph, wide, SCAN, SCAN)[1]
    assert session.list_cautions(AFMData.empty(), wide, SCAN, SCAN) == []
    other = dataclasses.replace(SCAN, n_oscillation=16)
    assert session.list_cautions(AFMData.empty(), wide, other, None) == []


@pytest.mark.parametrize(
    ("meta", "warning"),
    [
        ({"forcefield": to_dict(ForceField((("C", 2.0, 0.004),)))}, "force field"),
        ({"potential": "hartree.xsf"}, "potential on a grid"),
        ({"forcefield": to_dict(ForceField())}, None),
    ],
)
def test_other_physics_of_a_stack_are_named(wide, meta, warning):
    stack = dataclasses.replace(wide, meta=wide.meta | meta)
    found = session.list_cautions(AFMData.empty(), stack, SCAN, SCAN)
    assert len(found) == (warning is not None) and all(warning in text for text in found)


def test_a_stack_that_states_its_height_and_two_rotations(wide, tmp_path):
    options = dataclasses.replace(
        WIDE, rotations=2, cell=((30.0, 0.0), (0.0, 30.0)), search=SearchOptions(refine=False)
    )
    found = predict(wide, options=options)
    # The nearest two of 13 slices: the first anchor height is eleven steps nearer.
    assert found.z_top == pytest.approx(wide.meta["z_top"] - 1.1) and found.chosen.attempts == ()
    record = found.to_dict()["scan"]["rotations"]
    assert record["degrees"] == [0, 180] and record["mean_f1"] == 1.0 and record["support"] == [1.0] * 12
    assert "F1 between them 1.00" in found.describe()
    found.write(tmp_path)
    check_benzene(tmp_path / "prediction.xyz")
    assert len(ase.io.read(tmp_path / "prediction.cif")) == 12
    assert '"support": 1.0' in (tmp_path / "report.html").read_text("utf-8")


def test_rotations_that_disagree_are_a_warning(wide):
    """The oracle sees benzene as it is, however the scan is turned: by quarter turns it is wrong."""
    steps = []
    found = predict(wide, options=dataclasses.replace(WIDE, rotations=4), progress=steps.append)
    record = found.to_dict()["scan"]["rotations"]
    assert record["degrees"] == [0, 90, 180, 270] and record["taken"] in (0, 180)
    assert record["f1"][0][2] == record["f1"][1][3] == 1.0 and record["mean_f1"] < 0.8
    assert min(record["support"]) == pytest.approx(1 / 3)
    assert any("give different structures" in warning for warning in found.warnings)
    assert [step.split(",")[0] for step in steps] == [f"turned by {90 * k}°" for k in range(4)]


def test_one_window_around_a_place(wide):
    center = (float(MIDDLE[0]), float(MIDDLE[1]))
    preparation_ = ScanPreparation(flatten="none", align="never", center=center)
    found = predict(wide, options=dataclasses.replace(WIDE, preparation=preparation_))
    assert found.chosen.cover == "grid" and len(found.windows) == 1
    assert by_place(found.graph.z, (found.graph.pos * 50).round() / 50) == by_place(
        benzene().z, ((benzene().pos + MIDDLE) * 50).round() / 50
    )


def test_refinement_fits_the_height(pictures):
    found = predict(pictures, options=PredictOptions(reading=READING, search=SearchOptions(views=1)))
    record = found.to_dict()["scan"]
    assert "the refinement was accepted in" in dict(found.log)["windows"]
    assert (sum(w["refined"] for w in record["windows"]) == 1) == (record["z_top_shift"] is not None)
    assert found.refined or any("was not accepted in 1 of 1" in warning for warning in found.warnings)


#: Options that change nothing where nothing is to be done; the last resample onto the same grid.
SAME = {
    "flatten": {"preparation": ScanPreparation(flatten="none")},
    "align": {"preparation": ScanPreparation(align="never")},
    "cover": {"cover": "grid"},
    "both": {"preparation": PLAIN, "cover": "grid"},
    "channel": {"reading": ReadOptions(channel="0")},
    "defaults": {
        "reading": ReadOptions(**vars(ReadOptions())),
        "preparation": ScanPreparation(**vars(ScanPreparation())),
        "z_top": None,
        "reverse": "no",
        "cover": "auto",
        "rotations": 1,
    },
    "window": {"preparation": ScanPreparation(window=((-4.5, 4.5), (-4.5, 4.5)))},
    "center": {"preparation": ScanPreparation(center=(0.0, 0.0))},
    "amplitude": {"preparation": ScanPreparation(amplitude=SCAN.amplitude)},
}


def test_an_option_that_changes_nothing_changes_nothing(ready, tmp_path):
    """A stack on the model's grid at a known height, from its file and from memory."""
    write_stack(tmp_path / "m.npz", ready)
    found = predict(tmp_path / "m.npz", options=PredictOptions(search=ONE_VIEW))
    record = found.to_dict()
    assert "nothing to prepare" in dict(found.log)["read"]
    for name, settings in SAME.items():
        other = predict(ready, options=PredictOptions(search=ONE_VIEW, **settings)).to_dict()
        if name in ("window", "center", "amplitude"):
            a, b = (torch.tensor([atom["pos"] for atom in r["atoms"]]) for r in (other, record))
            torch.testing.assert_close(a, b, atol=1e-4, rtol=0)
            assert other["bonds"] == record["bonds"], name
        else:
            differing = {key for key in record if other[key] != record[key]}
            assert differing <= {"stack", "options"}, name


def test_the_refinement_of_a_stack_that_is_ready_is_that_of_one_window(ready):
    search = SearchOptions(views=1)
    found = predict(ready, options=PredictOptions(search=search))
    alone = predict_structure(
        Oracle(benzene()),
        ready.tensor(),
        ProbeParticleModel(SCAN),
        ready.meta["z_top"],
        refinement=RefinementSettings(),
        views=1,
    )
    assert found.refined and alone.refined and found.z_top == alone.z_top and found.tip == alone.tip
    torch.testing.assert_close(found.graph.pos, alone.graph.pos)
    torch.testing.assert_close(found.simulated, alone.simulated, atol=1e-3, rtol=1e-4)


def test_a_given_height_wins_and_a_stack_that_states_none_is_searched(ready):
    meta = {key: value for key, value in ready.meta.items() if key != "z_top"}
    unknown = dataclasses.replace(ready, meta=meta)
    given = predict(unknown, options=PredictOptions(search=ONE_VIEW, z_top=ready.meta["z_top"]))
    assert given.chosen.attempts == () and given.z_top == ready.meta["z_top"]
    searched = predict(unknown, options=PredictOptions(search=ONE_VIEW))
    assert len(searched.chosen.attempts) > 1 and searched.chosen.guessed
    assert dict(searched.log)["tip"].endswith("a guess")


def test_scans_in_memory_go_the_same_road(wide, tmp_path):
    """As a stack, as a scan, and from the file."""
    write_stack(tmp_path / "wide.npz", wide)
    options = dataclasses.replace(WIDE, search=SearchOptions(refine=False, views=1))
    records = []
    for scan in (wide, read_scan(tmp_path / "wide.npz"), tmp_path / "wide.npz"):
        found = predict(scan, options=options)
        records.append({k: v for k, v in found.to_dict().items() if k not in ("stack", "scan")})
    assert records[0] == records[1] == records[2]


class Sequence(Script):
    """Places two atoms, one after the other, in any scan of :data:`SCAN`."""

    def __init__(self):
        super().__init__((1, (0.5, 0.5, 0.0), ()), (2, (0.5, -0.6, 0.0), (0,)))
        self.config = SequentialGeneratorConfig(scan=SCAN)


def test_a_network_that_places_one_atom_at_a_time_takes_any_scan(monkeypatch, wide):
    """Slices and windows; nothing was made for one network alone."""
    monkeypatch.setattr(session, "load_generator", lambda weights: Sequence())
    options = PredictOptions(search=SearchOptions(refine=False), preparation=PLAIN, cover="grid")
    found = predict(wide, options=options)
    assert len(found.windows) > 1 and len(found.graph.z) == 2 and found.graph.edge_index.size(1) == 2
    assert found.scan.n_slices == 2 and "nearest to the heights" in dict(found.log)["slices"]
    assert json.loads(json.dumps(found.to_dict()))["bonds"] == [[0, 1]]


def test_oscillation_heights_and_tip_of_the_stack_are_used(monkeypatch):
    """The same as calling the network with the scan that the stack was made with."""
    scan, tip = dataclasses.replace(SCAN, dz=0.08, n_oscillation=12), Tip(probe="Xe")
    water = AFMData(z=torch.tensor([8]), pos=torch.tensor([[1.0, 0.0, 0.0]]), charge=torch.zeros(1))
    z_top = float(anchor_height(water, scan, tip))
    stack = ProbeParticleModel(scan, tip)(water, z_top=z_top)[0].numpy()
    monkeypatch.setattr(session, "load_generator", lambda weights: Sequence())
    meta = {"z_top": z_top, "scan": to_dict(scan), "tip": to_dict(tip)}
    found = predict(
        AFMStack(stack, scan.x, scan.y, scan.slice_heights(z_top), meta),
        options=PredictOptions(search=SearchOptions(refine=False, physics=False)),
    )
    assert (found.tip, found.z_top) == (tip, z_top)
    np.testing.assert_allclose(found.scan.window, scan.window)
    assert dataclasses.replace(found.scan, window=scan.window) == scan
    expected = ProbeParticleModel(scan, tip).quiet()(found.steps[-1].graph, z_top=z_top)
    torch.testing.assert_close(found.simulated, expected, atol=1e-3, rtol=1e-4)


def test_weights_of_a_folder(pictures, tmp_path, monkeypatch):
    """Nothing found, perhaps, but a report all the same."""
    monkeypatch.undo()
    torch.manual_seed(0)
    model = SpatialGenerator(SpatialGeneratorConfig(channels=(4, 4), query_channels=4))
    model.save_pretrained(tmp_path / "weights")
    options = PredictOptions(reading=ReadOptions(step=0.25, pixel_size=0.6), search=ONE_VIEW, z_top=8.5)
    found = predict(pictures, tmp_path / "weights", options)
    found.write(tmp_path / "o")
    assert found.z_top == 8.5
    page = (tmp_path / "o" / "report.html").read_text("utf-8")
    assert found.verdict.headline.split(":")[0] in page


def test_uneven_heights_are_interpolated_and_uneven_pixels_refused(ready):
    meta = {k: v for k, v in ready.meta.items() if k != "scan"}
    stack = np.repeat(ready.stack, 2, axis=1)[:, :3]
    uneven = AFMStack(stack, ready.x, ready.y, ready.z[0] - np.array([0.0, 0.05, 0.15]), meta)
    found = predict(uneven, options=PredictOptions(search=ONE_VIEW))
    assert found.scan.n_slices == 2
    with pytest.raises(InputError, match=r"^x: expected evenly spaced pixels"):
        dataclasses.replace(ready, x=ready.x * np.abs(ready.x) ** 0.5)


BAD = [
    (lambda wide: predict("none.sxm"), "none.sxm"),
    (lambda wide: predict(wide, options=PredictOptions(reading=ReadOptions(channel="7"))), "channel"),
    (lambda wide: predict(wide, options=PredictOptions(search=SearchOptions(views=3))), "views"),
]


@pytest.mark.parametrize(("call", "name"), BAD)
def test_bad_input(call, name, wide):
    with pytest.raises(InputError, match=f"^{name}"):
        call(wide)
