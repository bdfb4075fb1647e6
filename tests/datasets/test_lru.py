import copy
import pickle

from torch_afm.datasets.lru import LRUCache


def test_those_not_used_for_longest_are_dropped():
    cache = LRUCache(10)
    for key in "abc":
        cache.put(key, key.upper(), 3)
    assert cache.get("a") == "A" and len(cache) == 3
    cache.put("d", "D", 3)
    assert [cache.get(key) for key in "abcd"] == ["A", None, "C", "D"]
    cache.put("e", "E", 9)
    assert [cache.get(key) for key in "acde"] == [None, None, None, "E"]


def test_nothing_is_dropped_for_what_does_not_fit():
    cache = LRUCache(10)
    cache.put("a", "A", 3)
    cache.put("b", "B", 11)
    assert cache.get("a") == "A" and cache.get("b") is None
    nothing = LRUCache(0)
    nothing.put("a", "A", 3)
    assert len(nothing) == 0


def test_other_processes_begin_with_none():
    cache = LRUCache(10)
    cache.put("a", "A", 3)
    for other in (pickle.loads(pickle.dumps(cache)), copy.deepcopy(cache)):
        assert other.limit == 10 and len(other) == 0
    assert len(cache) == 1
