import json
from importlib import resources

import pytest

from torch_afm.datasets.publish import draw_split, main
from torch_afm.datasets.smi import embedded_smiles
from torch_afm.datasets.splits import SPLITS


@pytest.mark.parametrize("name", SPLITS)
def test_published_split_is_what_the_command_writes(tmp_path, name):
    main(["--list", name, "--out", str(tmp_path / "split.json")])
    committed = resources.files("torch_afm.datasets").joinpath(SPLITS[name]).read_text("utf-8")
    assert (tmp_path / "split.json").read_text() == committed
    assert json.loads(committed) == draw_split(name) != draw_split(name, seed=1)


def test_parts_are_alike_in_kind():
    """Chlorine, sulfur and aromatic rings, read off the SMILES, to within rounding by kinds."""
    smiles = embedded_smiles()
    split = draw_split(seed=2)
    for held in (lambda s: "Cl" in s, lambda s: "S" in s.replace("Si", "") or "s" in s, lambda s: "c" in s):
        whole = sum(map(held, smiles)) / len(smiles)
        for part in ("validation", "test"):
            share = sum(held(smiles[i]) for i in split[part]) / len(split[part])
            assert share == pytest.approx(whole, abs=0.01)


def test_folder_that_is_not_there(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--out", str(tmp_path / "none" / "split.json")])
    assert exit_.value.code == 2 and capsys.readouterr().err.startswith("error: ")
