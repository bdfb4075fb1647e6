"""What counts as a source of a result, in a small checkout of its own."""

import subprocess

import pytest

from benchmarks.provenance import SourceTree, benchmark_modules, blob_digest, code_digest

FILES = {
    "torch_afm/__init__.py": "if TYPE_CHECKING:\n    from torch_afm.a import f as f\n",
    "torch_afm/a/__init__.py": "from torch_afm.a.one import f\nfrom torch_afm.a.two import g\n",
    "torch_afm/a/one.py": "from torch_afm.base import Base\ndef f(): return 1\n",
    "torch_afm/a/two.py": "def g(): return 2\n",
    "torch_afm/a/resources/table.txt": "1 2 3",
    "torch_afm/base.py": "class Base: pass\ndef reader(name): return lambda f: f\n",
    "torch_afm/plugin.py": "from torch_afm.base import reader\n@reader('x')\ndef read(): pass\n",
    "torch_afm/child.py": "from torch_afm.base import Base\nclass Child(Base): pass\n",
    "torch_afm/other.py": "x = 1\n",
    "torch_afm/late.py": "y = 1\n",
    "torch_afm/viz/__init__.py": "",
    "torch_afm/viz/draw.py": "z = 1\n",
    "torch_afm/models/__init__.py": "",
    "torch_afm/models/pretrained.py": "from torch_afm.viz.draw import z\n",
    "torch_afm/models/weights/small/model.safetensors": "small",
    "torch_afm/models/weights/large/model.safetensors": "large",
    "torch_afm/models/weights/large/README.md": "a card",
    "benchmarks/common.py": "from torch_afm import other\n",
    "benchmarks/x/run.py": "from benchmarks.common import write\nfrom torch_afm.a import f\n"
    "def main():\n    from torch_afm.late import y\n",
    "benchmarks/x/top.py": "import torch_afm\ntorch_afm.f()\n",
    "benchmarks/x/drawn.py": "from torch_afm.viz.draw import z\n",
    "benchmarks/x/nets.py": "from torch_afm.models.pretrained import load\n",
    "benchmarks/x/both.sh": "python -m benchmarks.x.drawn\npython -m benchmarks.x.nets\n",
}


@pytest.fixture
def tree(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return SourceTree(tmp_path)


def test_a_source_is_what_defines_a_name_and_who_registers_with_it(tree):
    found = tree.sources("python -m benchmarks.x.run --weights small")
    assert found == [
        *("benchmarks/x/run.py", "torch_afm/a/one.py", "torch_afm/a/resources/table.txt"),
        *("torch_afm/base.py", "torch_afm/child.py", "torch_afm/late.py", "torch_afm/plugin.py"),
    ]
    top = tree.sources("python -m benchmarks.x.top")
    assert "torch_afm/a/one.py" in top and "torch_afm/a/two.py" not in top


def test_weights_count_by_name_and_drawing_only_where_the_benchmark_draws(tree):
    weights = [f"torch_afm/models/weights/{name}/model.safetensors" for name in ("large", "small")]
    code = ["benchmarks/x/nets.py", "torch_afm/models/pretrained.py"]
    assert tree.sources("python -m benchmarks.x.nets") == [*code, *weights]
    assert tree.sources("python -m benchmarks.x.nets --weights small") == [*code, weights[1]]
    assert tree.sources("python -m benchmarks.x.drawn") == ["benchmarks/x/drawn.py", "torch_afm/viz/draw.py"]
    both = tree.sources("bash benchmarks/x/both.sh")
    assert "torch_afm/viz/draw.py" in both and "benchmarks/x/nets.py" in both
    assert benchmark_modules("ls", tree.root) == []


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("def f(x):\n    return x + 1  # more", True),
        ('"""A module."""\ndef f(\n    x,\n):\n    """Add."""\n    return (x + 1)\n', True),
        ("def f(x):\n    return x + 2", False),
        ("def f(x):\n    return 1 + x", False),
        ("def f(x):\n    return x + 1.0", False),
        ("def f(x, y=None):\n    return x + 1", False),
    ],
)
def test_layout_comments_and_docstrings_do_not_matter(text, same):
    assert (code_digest(text) == code_digest("def f(x):\n    return x + 1")) is same


def test_bytes_have_the_digest_that_git_gives_them(tmp_path):
    (tmp_path / "file").write_bytes(b"a\0b\n")
    said = subprocess.run(["git", "hash-object", "file"], cwd=tmp_path, capture_output=True, text=True).stdout
    assert said.startswith(blob_digest(b"a\0b\n"))
