import hashlib

import pytest

from torch_afm.datasets.shards import (
    Shard,
    finished_digests,
    integrity_error,
    read_journal,
    remove_unfinished,
    write_journal,
)
from torch_afm.utils import InputError


@pytest.mark.parametrize("count", [1, 2, 7, 30])
def test_shards_share_all_files_out(count):
    parts = [list(Shard(i, count).files(23)) for i in range(1, count + 1)]
    assert sorted(n for part in parts for n in part) == list(range(23))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert len({Shard(i, count).journal for i in range(1, count + 1)}) == count


@pytest.mark.parametrize(("index", "count"), [(0, 3), (4, 3), (1, 0)])
def test_shards_that_do_not_exist(index, count):
    with pytest.raises(InputError, match=f"shard: expected i/n with 1 ≤ i ≤ n, got {index}/{count}"):
        Shard(index, count)


def test_lists_of_all_writers_count(tmp_path):
    write_journal(tmp_path / "files.json", {"b": "1", "a": "2"})
    write_journal(tmp_path / "files-2-of-3.json", {"b": "3"})
    assert read_journal(tmp_path / "files.json") == {"a": "2", "b": "1"}
    assert read_journal(tmp_path / "files-1-of-3.json") == {}
    assert finished_digests(tmp_path) == {"a": {"2"}, "b": {"1", "3"}}
    (tmp_path / "files-1-of-3.json").write_text("[1, 2]")
    with pytest.raises(InputError, match=r"files-1-of-3\.json: expected a list of finished files"):
        finished_digests(tmp_path)
    with pytest.warns(UserWarning, match=r"files-1-of-3\.json: .*; going on without it"):
        assert finished_digests(tmp_path, lenient=True) == {"a": {"2"}, "b": {"1", "3"}}


def test_what_is_wrong_with_a_file(tmp_path):
    path = tmp_path / "file"
    digest = hashlib.sha256(b"abc").hexdigest()
    assert integrity_error(path, set()) == "not rendered yet"
    assert integrity_error(path, {digest}) == "no such file"
    path.write_bytes(b"abc")
    assert integrity_error(path, {"other", digest}) is None
    path.write_bytes(b"abd")
    assert integrity_error(path, {digest}) == "its checksum is not that of the file written"
    assert integrity_error(path, {digest}, checksum=False) is None


def test_leftovers_of_others_stay(tmp_path):
    for name in (".a.h5.12.tmp", ".b.h5.12.tmp", "a.h5", ".a.h5.txt"):
        (tmp_path / name).write_text("")
    remove_unfinished(tmp_path, {"a.h5"})
    assert sorted(p.name for p in tmp_path.iterdir()) == [".a.h5.txt", ".b.h5.12.tmp", "a.h5"]
