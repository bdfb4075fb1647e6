import json
from importlib import resources

import pytest

from torch_afm.datasets.publish import draw_split, main


def test_published_split_is_what_the_command_writes(tmp_path):
    main(["--out", str(tmp_path / "split.json")])
    committed = resources.files("torch_afm.datasets").joinpath("resources/split.json").read_text("utf-8")
    assert (tmp_path / "split.json").read_text() == committed
    assert json.loads(committed) == draw_split() != draw_split(seed=1)


def test_folder_that_is_not_there(tmp_path, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--out", str(tmp_path / "none" / "split.json")])
    assert exit_.value.code == 2 and capsys.readouterr().err.startswith("error: ")
