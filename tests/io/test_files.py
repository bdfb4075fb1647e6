import json
import os
import stat

import pytest

from torch_afm.io.files import write_json, write_whole


def test_a_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"first")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
    monkeypatch.setattr(os, "fsync", _fail)
    with pytest.raises(OSError, match="No space left on device") as caught:
        write_whole(path, b"second")
    assert caught.value.filename == str(path)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"first"


def test_documents_in_utf_8(tmp_path):
    path, document = tmp_path / "file.json", {"unit": "Å", "values": [1, None, 0.1]}
    write_json(path, document)
    assert json.loads(path.read_text("utf-8")) == document and "Å".encode() in path.read_bytes()


def _fail(descriptor):
    raise OSError(28, "No space left on device")


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
