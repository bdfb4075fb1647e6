import json

import pytest

from torch_afm.io.journal import append_record, keep_settings, read_records
from torch_afm.utils import InputError


def test_records_come_back_without_a_line_that_was_cut_off(tmp_path):
    path = tmp_path / "records.jsonl"
    assert read_records(path) == []
    records = [{"x": 0.1 + 0.2, "name": "Å"}, {"x": None}]
    for record in records:
        append_record(path, record)
    whole = path.read_bytes()
    for cut in range(1, len(whole) - len(json.dumps(records[0])) - 2):
        path.write_bytes(whole[:-cut])
        assert read_records(path) == records[:1]
        append_record(path, records[1])
        assert path.read_bytes() == whole
    assert read_records(path) == records
    path.write_bytes(b"{}\nno json\n")
    with pytest.raises(InputError, match=r"records\.jsonl, line 2: expected a record"):
        read_records(path)


def test_settings_are_kept_and_compared(tmp_path):
    path = tmp_path / "run" / "settings.json"
    path.parent.mkdir()
    keep_settings(path, {"lr": 0.1, "epochs": 1, "size": (1, 2)})
    keep_settings(path, {"lr": 0.1, "epochs": 2, "size": (1, 2), "new": 3}, free=["epochs"])
    assert json.loads(path.read_text()) == {"lr": 0.1, "epochs": 2, "size": [1, 2], "new": 3}
    with pytest.raises(InputError, match=r"run: holds a run with other settings \(lr, new\)"):
        keep_settings(path, {"lr": 0.2, "epochs": 5, "size": (1, 2), "new": 4}, free=["epochs"])
    assert json.loads(path.read_text())["lr"] == 0.1
    for damaged in (b"{", b"3", b"\xff"):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"settings\.json: expected the settings of a test"):
            keep_settings(path, {}, description="a test")
