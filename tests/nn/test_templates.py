import os
import subprocess
import sys

CODE = """
import sys
from torch_afm.nn import RecurrentRelationalConv
from torch_afm.nn.graph_head import GraphHead

RecurrentRelationalConv(8), GraphHead(8)
print(sum(name.startswith("torch_afm.nn.") and name.endswith("_propagate") for name in sys.modules))
"""


def test_no_file_of_a_layer_is_left(tmp_path):
    env = os.environ | {"TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, env=env)
    assert done.stdout == "2\n", done.stderr  # else PyG does it another way now
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
