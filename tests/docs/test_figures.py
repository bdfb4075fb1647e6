"""Every figure of the gallery has its script, and pictures are small."""

from pathlib import Path

from PIL import Image

from docs.figures import stiffness
from docs.figures.gallery import NAMES
from docs.figures.panels import save

FIGURES = Path(__file__).resolve().parents[2] / "docs" / "figures"


def test_every_figure_is_shown_with_its_command():
    assert {path.stem for path in FIGURES.glob("*.py")} == {*NAMES, "gallery", "panels"}
    page = (FIGURES.parent / "gallery.md").read_text(encoding="utf-8")
    for name in NAMES:
        assert page.count(f"(figures/{name}.png)") == 1, name
        assert f"`python -m docs.figures.{name}`" in page, name


def test_pictures_are_small():
    sizes = {path.name: path.stat().st_size for path in FIGURES.glob("*.png")}
    assert {f"{name}.png" for name in NAMES} <= set(sizes)
    assert max(sizes.values()) < 200_000 and sum(sizes.values()) < 3_000_000


def test_a_figure_is_drawn(tmp_path):
    path = save(stiffness.picture(), str(tmp_path / "stiffness.py"))
    assert path == tmp_path / "stiffness.png"
    width, height = Image.open(path).size
    assert 800 < width < 1000 and height > 150
