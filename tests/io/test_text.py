import pytest

from torch_afm.io.text import read_text
from torch_afm.utils import InputError


def test_reads_utf8(tmp_path):
    (tmp_path / "a.xyz").write_bytes("1\nÅ\n".encode())
    assert read_text(tmp_path / "a.xyz") == "1\nÅ\n"


def test_no_file_no_text(tmp_path):
    (tmp_path / "b.xyz").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"none.xyz: no such file"):
        read_text(tmp_path / "none.xyz")
    with pytest.raises(InputError, match=r"b.xyz: cannot read it as text"):
        read_text(tmp_path / "b.xyz")
