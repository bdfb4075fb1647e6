"""Files of a microscope in, a report out: against a network that knows the truth."""

import dataclasses
import json

import ase.io
import numpy as np
import pytest
import torch
from PIL import Image

from tests.generation.test_pipeline import Known
from tests.generation.test_spatial import SCAN, by_place
from torch_afm.cli import predict, scans
from torch_afm.cli.main import main
from torch_afm.config import Tip, to_dict
from torch_afm.data import AFMData
from torch_afm.generation import Look, tiles
from torch_afm.io import AFMStack, read_molecule, read_stack, write_stack
from torch_afm.models import SpatialGenerator, SpatialGeneratorConfig
from torch_afm.ppm import ProbeParticleModel, anchor_height
from torch_afm.progress import StatusLine
from torch_afm.testing import benzene

PITCH = 8 / 15
N = 32
MIDDLE = torch.tensor([(N - 1) / 2 * PITCH, (N - 1) / 2 * PITCH, 0.0])
PLAIN = ("--refine", "false", "--flatten", "none", "--align", "never")


@pytest.fixture(autouse=True)
def oracle(monkeypatch):
    def find(stack, pitch):
        n = stack.shape[1]
        mask = np.zeros(stack.shape[1:], bool)
        mask[n // 2 - 5 : n // 2 + 5, n // 2 - 5 : n // 2 + 5] = True
        return [mask]

    monkeypatch.setattr(tiles, "find_islands", find)
    monkeypatch.setattr(predict, "load_generator", lambda weights: Known(benzene()))


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


@pytest.fixture
def pictures(wide, tmp_path):
    """The same in grey values of 8 bits, its slices numbered from far to near, and somebody's notes."""
    folder = tmp_path / "images"
    folder.mkdir()
    for i, image in enumerate(wide.stack[0]):
        low, high = image.min(), image.max()
        grey = np.round(255 * (image - low) / (high - low)).astype(np.uint8)
        Image.fromarray(grey[::-1]).save(folder / f"water_{i}.png")
    (folder / "notes.txt").write_text("words")
    return folder


def run(*arguments) -> int:
    return main(["predict", *map(str, arguments)])


def story(folder) -> dict:
    return json.loads((folder / "prediction.json").read_text())


def check_benzene(path):
    found = read_molecule(path)
    assert by_place(found.z, (found.pos * 50).round() / 50) == by_place(
        benzene().z, ((benzene().pos + MIDDLE) * 50).round() / 50
    )


def test_a_folder_of_pictures(pictures, tmp_path, capsys):
    out = tmp_path / "result"
    code = run(pictures, "--out", out, "--step", 0.1, "--pixel-size", PITCH, *PLAIN, "--views", 1)
    said = capsys.readouterr().out
    assert code == 0 and "grey value" in said and "tried" in said and "MSE" not in said
    told = story(out)
    log = dict(map(tuple, told["scan"]["log"]))
    assert (
        f"13 slices of {N} x {N} pixels" in log["read"] and "of the scan's 0.00 to -1.20 Å" in log["slices"]
    )
    assert "plane" not in log and 1 < len(told["scan"]["tried"]) <= 6 and told["scan"]["views"] == 1
    assert "pearson" in told["agreement"] and "mse" not in told["agreement"]
    assert np.mean(told["agreement"]["pearson"]) > 0.9
    # The frame of pictures has its zero in the middle.
    found = read_molecule(out / "prediction.xyz")
    assert by_place(found.z, found.pos.round(decimals=2)) == by_place(
        benzene().z, benzene().pos.round(decimals=2)
    )
    names = {f.name for f in out.iterdir()}
    assert names >= {
        "prediction.sdf",
        "report.html",
        "report.png",
        "preparation.png",
        "scan.npz",
        "simulated.npz",
    }
    assert "prediction.cif" not in names
    page = (out / "report.html").read_text("utf-8")
    assert "images" in page and log["read"].replace("<", "") in page
    prepared, simulated = read_stack(out / "scan.npz"), read_stack(out / "simulated.npz")
    assert prepared.stack.shape == simulated.stack.shape == (1, 2, N, N)
    assert "warning" not in said or "order" not in said.split("warning")[1]


def test_the_image_tells_which_end_is_near(pictures, wide, tmp_path, capsys, monkeypatch):
    """An image that agrees with what is really the nearest slice wins, and what is tried is told."""
    for i in range(13):
        (pictures / f"water_{i}.png").rename(pictures / f"x_{12 - i}.png")
    near = torch.from_numpy(wide.stack[0, -1].ravel())

    def choose(model, reference, scan, z_top, tip, **how):
        assert z_top is None and scan.n_slices == 13
        r = float(torch.corrcoef(torch.stack([reference[0, 0, -1].ravel(), near]))[0, 1])
        return [Look(first, 8.0 + first, r - abs(first - 11)) for first in (7, 11, 9)]

    monkeypatch.setattr(scans, "choose_slices", choose)
    where = ("--step", 0.1, "--pixel-size", PITCH, *PLAIN, "--views", 1)
    assert run(pictures, "--out", tmp_path / "try", *where, "--reverse", "try") == 0
    tried = story(tmp_path / "try")["scan"]["tried"]
    assert len(tried) == 6 and max(tried, key=lambda t: t["pearson"])["reverse"] is True
    assert story(tmp_path / "try")["scan"]["z_top"] == tried[4]["z_top"] == 19.0
    said = capsys.readouterr().out
    assert "reversed: r 1.00" in said and "reverse order" in said
    assert run(pictures, "--out", tmp_path / "yes", *where, "--reverse", "yes") == 0
    agreement = [np.mean(story(tmp_path / n)["agreement"]["pearson"]) for n in ("try", "yes")]
    assert agreement[0] == pytest.approx(agreement[1])
    # Both slices of the model were measured, in this order, too.
    assert read_stack(tmp_path / "yes" / "scan.npz").meta["measured"] == 2


def test_the_image_tells_whether_slices_drifted(wide, tmp_path, monkeypatch, capsys):
    """What seems to be drift is tried with it and without."""
    moved = [np.roll(image, round(i / 2), axis=1) for i, image in enumerate(wide.stack[0][::-1])][::-1]
    write_stack(tmp_path / "wide.npz", dataclasses.replace(wide, stack=np.stack(moved)[None]))
    for wins in (True, False):

        def choose(model, reference, scan, z_top, tip, wins=wins, **how):
            return [Look(11, wide.meta["z_top"] - 1.1, float((scan.pixels[0] < N) == wins))]

        monkeypatch.setattr(scans, "choose_slices", choose)
        out = tmp_path / str(wins)
        options = ("--refine", "false", "--flatten", "none", "--views", 1)
        assert run(tmp_path / "wide.npz", "--out", out, *options) == 0
        assert (story(out)["imaging"]["scan"]["pixels"][0] < N) == wins
        assert len(story(out)["scan"]["tried"]) == 2
        assert ("left where it is" if not wins else "moved back") in capsys.readouterr().out.split("both")[1]
    # Read again, nothing is in doubt any more.
    again = tmp_path / "again"
    assert run(tmp_path / "True" / "scan.npz", "--out", again, *options, "--align", "auto") == 0
    assert story(again)["scan"]["tried"] == []


def test_what_a_stack_tells_of_its_simulation_is_used(wide, tmp_path):
    told = dataclasses.replace(SCAN, quadrature="ppafm", substeps=3, n_oscillation=7)
    write_stack(tmp_path / "wide.npz", dataclasses.replace(wide, meta=wide.meta | {"scan": to_dict(told)}))
    assert run(tmp_path / "wide.npz", "--out", tmp_path / "o", "--views", 1, *PLAIN) == 0
    imaging = story(tmp_path / "o")["imaging"]["scan"]
    assert (imaging["quadrature"], imaging["substeps"], imaging["n_oscillation"]) == ("ppafm", 3, 7)


def test_a_scan_is_never_overwritten(pictures, wide, tmp_path, capsys):
    write_stack(tmp_path / "scan.npz", wide)
    before = (tmp_path / "scan.npz").read_bytes()
    for path, out in ((tmp_path / "scan.npz", tmp_path), (pictures, pictures)):
        files = sorted(out.iterdir())
        assert run(path, "--out", out, "--step", 0.1, "--pixel-size", PITCH, *PLAIN) == 2
        assert "--out: expected another folder" in capsys.readouterr().err and sorted(out.iterdir()) == files
    assert (tmp_path / "scan.npz").read_bytes() == before


def test_what_makes_a_prediction_less_sure_is_told(wide):
    """Atoms at the edge, an oscillation that the network does not know."""
    graph = AFMData(z=torch.tensor([1, 6]), pos=torch.tensor([[0.9, 8.0, 0.0], [8.0, 8.0, 0.0]]))
    first, second = predict._cautions(graph, wide, dataclasses.replace(SCAN, n_oscillation=16), SCAN)
    assert f"{SCAN.amplitude:.2f} Å peak to peak" in first and f"{16 * SCAN.dz:.2f} Å" in second + first
    assert "1 of 2 atoms" in second
    graph.confidence = torch.tensor([0.9, 0.4])
    assert "1 of 2 atoms are less likely" in predict._cautions(graph, wide, SCAN, SCAN)[1]
    assert predict._cautions(AFMData.empty(), wide, SCAN, SCAN) == []


def test_a_stack_file_that_tells_its_height_and_two_rotations(wide, tmp_path, capsys):
    write_stack(tmp_path / "wide.npz", wide)
    out = tmp_path / "result"
    cell = "[[30,0],[0,30]]"
    assert run(tmp_path / "wide.npz", "--out", out, "--rotations", 2, "--cell", cell, *PLAIN) == 0
    told = story(out)["scan"]
    # The nearest two of 13 slices: the first anchor height is eleven steps nearer.
    assert told["z_top"] == pytest.approx(wide.meta["z_top"] - 1.1) and told["tried"] == []
    assert told["rotations"]["degrees"] == [0, 180] and told["views"] == 1
    assert told["rotations"]["mean_f1"] == 1.0 and told["rotations"]["support"] == [1.0] * 12
    assert "F1 between them 1.00" in capsys.readouterr().out
    check_benzene(out / "prediction.xyz")
    assert len(ase.io.read(out / "prediction.cif")) == 12
    assert '"support": 1.0' in (out / "report.html").read_text("utf-8")


def test_rotations_that_disagree_are_a_warning(wide, tmp_path, capsys, monkeypatch):
    """The oracle sees benzene as it is, however the scan is turned: by quarter turns it is wrong."""
    steps = []
    monkeypatch.setattr(StatusLine, "__call__", lambda self, step: steps.append(step))
    write_stack(tmp_path / "wide.npz", wide)
    assert run(tmp_path / "wide.npz", "--out", tmp_path / "o", "--rotations", 4, *PLAIN) == 0
    told = story(tmp_path / "o")["scan"]["rotations"]
    assert told["degrees"] == [0, 90, 180, 270] and told["taken"] in (0, 180)
    assert told["f1"][0][2] == told["f1"][1][3] == 1.0 and told["mean_f1"] < 0.8
    assert min(told["support"]) == pytest.approx(1 / 3)
    assert "give different structures" in capsys.readouterr().out
    assert [step.split(",")[0] for step in steps] == [f"turned by {90 * k}°" for k in range(4)]


def test_one_window_around_a_place(wide, tmp_path):
    write_stack(tmp_path / "wide.npz", wide)
    center = json.dumps(MIDDLE[:2].tolist())
    assert run(tmp_path / "wide.npz", "--out", tmp_path / "o", "--center", center, "--views", 1, *PLAIN) == 0
    told = story(tmp_path / "o")["scan"]
    assert told["cover"] == "grid" and len(told["tiles"]) == 1
    check_benzene(tmp_path / "o" / "prediction.xyz")


def test_refinement_fits_the_height(pictures, tmp_path, capsys):
    out = tmp_path / "o"
    assert run(pictures, "--out", out, "--step", 0.1, "--pixel-size", PITCH, "--views", 1) == 0
    told = story(out)["scan"]
    assert "the refinement was taken in" in capsys.readouterr().out
    assert (told["refined"] == 1) == (told["z_top_shift"] is not None)


#: Options and what the one line on stderr names.
BAD = [
    ("none", "", "none"),
    ("empty", "", "empty"),
    ("mixed", "", "mixed"),
    ("images", "", "heights"),
    ("images", "--step 0.1", "pixel_size"),
    ("images", "--step 0.1 --heights [0,1,2] --pixel-size 0.5", "heights"),
    ("images", "--step 0.001 --pixel-size 0.5", "heights"),
    ("images", "--step 0.1 --pixel-size 0.05", "scan"),
    ("images", "--step 0.1 --pixel-size 0.5 --center [99,0]", "positions"),
    ("images", "--step 0.1 --pixel-size 0.5 --window [[0,1],[9,8]]", "window"),
    ("images", "--step 0.1 --pixel-size 0.5 --channel Z --direction backward", "direction"),
    ("images", "--step 0.1 --pixel-size 0.5 --cover islands", "--cover"),
    ("images", "--step 0.1 --pixel-size 0.5 --top 5", ""),
    ("images", "--step 0.1 --pixel-size 0.5 --z-top nan", "--z-top"),
    ("images", "--step 0.1 --pixel-size 0.5 --scale 0", ""),
    ("text.sxm", "", "text.sxm"),
    ("cut.png", "--step 0.1 --pixel-size 0.5", "cut.png"),
]


def test_bad_scans_end_in_one_line_and_leave_no_folder(pictures, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "mixed").mkdir()
    (tmp_path / "mixed" / "a.png").write_bytes((pictures / "water_0.png").read_bytes())
    (tmp_path / "mixed" / "b.sxm").write_text("x")
    (tmp_path / "text.sxm").write_text("not a scan")
    (tmp_path / "cut.png").write_bytes((pictures / "water_0.png").read_bytes()[:60])
    for name, options, named in BAD:
        code = run(tmp_path / name, "--out", tmp_path / "o", *options.split(), "--refine", "false")
        said = [s for s in capsys.readouterr().err.splitlines() if "error: " in s]
        assert code == 2 and len(said) == 1 and named in said[0], (name, options, said)
        assert not (tmp_path / "o").exists()


def test_interrupted_work_says_so_and_leaves_no_folder(pictures, tmp_path, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(scans, "predict_scan", interrupted)
    where = ("--step", 0.1, "--pixel-size", PITCH, *PLAIN)
    assert run(pictures, "--out", tmp_path / "a" / "b", *where) == 130
    assert "interrupted" in capsys.readouterr().err and not (tmp_path / "a").exists()


def test_an_option_that_changes_nothing_changes_nothing(tmp_path):
    """A stack on the model's grid at a known height, by both routes, refined."""
    z_top = float(anchor_height(AFMData(z=torch.tensor([8]), pos=torch.zeros(1, 3)), SCAN, Tip()))
    stack = ProbeParticleModel(SCAN)(benzene(), z_top=z_top)[0].numpy()
    meta = {"z_top": z_top, "scan": to_dict(SCAN), "tip": to_dict(Tip())}
    write_stack(tmp_path / "m.npz", AFMStack(stack, SCAN.x, SCAN.y, SCAN.slice_heights(z_top), meta))
    told = []
    for options in ((), ("--flatten", "none"), ("--align", "never", "--flatten", "none", "--cover", "grid")):
        assert run(tmp_path / "m.npz", "--out", tmp_path / "o", "--views", 4, *options) == 0
        told.append(story(tmp_path / "o"))
    for other in told[1:]:
        assert len(other["scan"]["tiles"]) == 1 and other["scan"]["tried"] == []
        assert [a["element"] for a in other["atoms"]] == [a["element"] for a in told[0]["atoms"]]
        np.testing.assert_allclose(*([a["pos"] for a in t["atoms"]] for t in (other, told[0])), atol=1e-4)
        assert other["bonds"] == told[0]["bonds"]


def test_only_spatial_generators_take_scans(pictures, tmp_path, capsys, weights, monkeypatch):
    monkeypatch.undo()
    arguments = ("--step", 0.1, "--pixel-size", 0.5, "--weights", weights)
    assert run(pictures, "--out", tmp_path / "o", *arguments) == 2
    assert "expected those of a SpatialGenerator" in capsys.readouterr().err


def test_weights_of_a_folder(pictures, tmp_path, monkeypatch):
    """Nothing found, perhaps, but a report all the same."""
    monkeypatch.undo()
    torch.manual_seed(0)
    model = SpatialGenerator(SpatialGeneratorConfig(channels=(4, 4), query_channels=4))
    model.save_pretrained(tmp_path / "weights")
    arguments = ("--step", 0.25, "--pixel-size", 0.6, "--weights", tmp_path / "weights", "--z-top", 8.5)
    assert run(pictures, "--out", tmp_path / "o", *arguments, "--refine", "false", "--views", 1) == 0
    told = story(tmp_path / "o")
    assert told["agreement"]["agrees"] in (True, False) and told["scan"]["z_top"] == 8.5
    page = (tmp_path / "o" / "report.html").read_text("utf-8")
    assert told["agreement"]["agrees"] or "Do not trust this structure" in page
