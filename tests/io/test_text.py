import pytest

from torch_afm.io.text import decode, decode_bytes, read_text, split_lines
from torch_afm.utils import InputError


@pytest.mark.parametrize(
    "raw",
    [
        "1\nÅ\n".encode(),
        "1\nÅ\n".encode("utf-8-sig"),
        "1\nÅ\n".encode("utf-16"),
        "1\nÅ\n".encode("latin-1"),
        "1\nÅ\n\x1a".encode(),
    ],
)
def test_encodings(tmp_path, raw):
    (tmp_path / "a.xyz").write_bytes(raw)
    assert read_text(tmp_path / "a.xyz") == "1\nÅ\n"


def test_bytes_of_windows_and_of_nobody():
    """In ISO 8859-1 0x80 to 0x9f would be control characters; 0x81 is no character in either."""
    assert decode_bytes(b"\x803 \xc5") == "€3 Å" == decode_bytes("€3 Å".encode("utf-8-sig"))
    assert decode_bytes(b"a\x81b\x00") == "a\ufffdb\x00"


def test_lines_end_where_lines_end():
    """Unlike those of ``str.splitlines``, which ends them at a form feed and at U+2028, too."""
    assert split_lines("a\x0cb\u2028c\r\nd\re\x85\n\nf") == ["a\x0cb\u2028c", "d", "e\x85", "", "f"]
    assert split_lines("a\n") == ["a"] and split_lines("") == []


def test_no_file_no_text(tmp_path):
    with pytest.raises(InputError, match=r"none.xyz: no such file"):
        read_text(tmp_path / "none.xyz")
    for raw in (b"\xff\xfe\x00", bytes(range(256)), b"CDF\x01"):
        with pytest.raises(InputError, match=r"b.xyz: cannot read it as text"):
            decode(raw, "b.xyz")
