"""Which results are stale, in a small repository of its own."""

import json
import subprocess

import pytest

from benchmarks import common
from benchmarks.provenance import SourceTree
from benchmarks.stale import refers, result_files

COMMAND = "python -m benchmarks.x.run --weights small --molecules 3"


@pytest.fixture
def root(tmp_path):
    files = {
        "torch_afm/a.py": "def f(): return 1\n",
        "torch_afm/b.py": "def g(): return 1\n",
        "torch_afm/models/weights/small/model.safetensors": "small",
        "torch_afm/models/weights/small/README.md": "Curve: `benchmarks/results/small_training.csv`.",
        "benchmarks/x/run.py": "from torch_afm.a import f\nfrom torch_afm.b import g\n",
        "benchmarks/results/old.json": json.dumps({"command": COMMAND}),
        "benchmarks/results/old_picture.png": "",
        "benchmarks/results/small_training.csv": "",
        "benchmarks/results/strange.csv": "",
        "README.md": "F1 is 1 (`python -m benchmarks.x.run --weights small`).",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    git(tmp_path, "init")
    commit(tmp_path)
    return tmp_path


def git(root, *arguments):
    user = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    subprocess.run(["git", *user, *arguments], cwd=root, check=True, capture_output=True)


def commit(root):
    git(root, "add", "--all")
    git(root, "commit", "--message", "a change")


def record(root, name="new"):
    document = {"command": COMMAND, "sources": SourceTree(root).digests(COMMAND)}
    (root / f"benchmarks/results/{name}.json").write_text(json.dumps(document))


def listed(root):
    return {file.name: file for file in result_files(root)}


def test_a_recorded_result_is_current_until_its_sources_change(root):
    record(root)
    assert listed(root)["new.json"].state == "current"
    (root / "torch_afm/a.py").write_text('"""Comments do not count."""\ndef f():\n    return 1  # one\n')
    assert listed(root)["new.json"].state == "current"
    (root / "torch_afm/a.py").write_text("def f(): return 2\n")
    found = listed(root)["new.json"]
    assert found.state == "stale" and found.changed == ["torch_afm/a.py"]
    assert "changed since: torch_afm/a.py" in found.describe()
    record(root)
    (root / "torch_afm/b.py").unlink()
    assert listed(root)["new.json"].changed == ["torch_afm/b.py"]


def test_without_a_record_the_commit_of_the_file_is_what_is_left(root):
    found = listed(root)["old.json"]
    assert found.state == "unknown" and not found.changed and " of 2" in found.since
    assert "nothing that it measures changed" in found.describe()
    (root / "torch_afm/b.py").write_text("def g(): return 2\n")
    commit(root)
    files = listed(root)
    assert files["old.json"].changed == files["old_picture.png"].changed == ["torch_afm/b.py"]
    assert files["old_picture.png"].command == COMMAND and files["strange.csv"].command == ""
    assert "NO COMMAND" in files["strange.csv"].describe()


def test_logs_of_training_are_as_old_as_the_weights(root):
    assert not listed(root)["small_training.csv"].changed
    weights = root / "torch_afm/models/weights/small/model.safetensors"
    weights.write_text("new")
    commit(root)
    found = listed(root)["small_training.csv"]
    assert found.changed == ["torch_afm/models/weights/small/model.safetensors"]
    assert found.pages == ["torch_afm/models/weights/small/README.md"]


def test_pages_refer_to_files_and_to_commands_that_made_them(root):
    files = listed(root)
    assert files["old.json"].pages == ["README.md"] and not files["strange.csv"].pages
    assert "UNUSED" in files["strange.csv"].describe()
    assert refers("see `results/a_b.json`", "a_b.json", "") and not refers("c_a_b.json", "a_b.json", "")
    assert refers("```{results} x a_b", "a_b.json", "") and not refers("```{results}", "a_b.json", "")
    assert refers("python -m benchmarks.x.run", "a.json", COMMAND)
    assert not refers("python -m benchmarks.x.runs", "a.json", COMMAND)
    assert not refers("`python -m benchmarks.x.run --weights large`", "a.json", COMMAND)
    assert not refers("`python -m benchmarks.x.run --refine`", "a.json", COMMAND)


def test_what_is_written_records_its_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "RESULTS", tmp_path)
    command = "python -m benchmarks.cli.startup"
    document = json.loads(common.write("a", command, [], {}, ["numpy"]).read_text())
    assert document["sources"]["benchmarks/cli/startup.py"] and document["date"] > "2026"
    # What was written to since the process began is not what ran.
    monkeypatch.setattr(common, "_START", 0.0)
    document = json.loads(common.write("a", command, [], {}, ["numpy"]).read_text())
    assert set(document["sources"].values()) == {""}
