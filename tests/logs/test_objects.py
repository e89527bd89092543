"""Log objects: which keys are logs, and how they are packed and fingerprinted; spans of time."""

import itertools
from random import Random

from flows.logs.objects import LogObject, fingerprint, is_log, pack
from flows.logs.spans import merged, overlaps


def test_packing_keeps_every_object_once_and_within_the_limits() -> None:
    random = Random(3)
    objects = [
        LogObject(random.choice(["page_views", "user_updates"]), f"k{n}", "e", random.randrange(90)) for n in range(500)
    ]
    groups = list(pack([*objects, LogObject("page_views", "large", "e", 900)], 100, 7))
    assert [item.key for item in itertools.chain(*groups) if item.size > 100] == ["large"]
    assert sorted(i for i in itertools.chain(*groups) if i.size <= 100) == sorted(objects)
    for group in groups:
        assert len({item.kind for item in group}) == 1
        assert len(group) <= 7
        assert len(group) == 1 or sum(item.size for item in group) <= 100


def test_a_fingerprint_depends_on_each_version_and_not_on_the_order() -> None:
    first, second = LogObject("page_views", "a", "1", 0), LogObject("page_views", "b", "1", 0)
    assert fingerprint([first, second]) == fingerprint([second, first])
    changed = LogObject("page_views", "b", "2", 0)
    assert fingerprint([first, second]) != fingerprint([first, changed])


def test_folders_and_hidden_objects_are_not_logs() -> None:
    keys = ("PageViews/", "PageViews/a/", "PageViews/_SUCCESS", "PageViews/a/.x", "PageViews/.gz")
    assert not any(map(is_log, keys))
    assert all(map(is_log, ("PageViews/a", "PageViews/_a/b", "PageViews/.a/b", "PageViews/ ")))


def test_spans_overlap_if_they_share_an_instant() -> None:
    spans = merged([(5, 9), (1, 3), (3, 4), (8, 12)])
    assert spans == [(1, 4), (5, 12)]
    found = [overlaps(span, spans) for span in ((0, 0), (0, 1), (4, 5), (0, 20), (12, 20), (13, 20))]
    assert found == [False, True, True, True, True, False]
    assert not overlaps((0, 0), [])


def test_spans_overlap_as_sets_of_instants_do() -> None:
    random = Random(5)
    for _ in range(2_000):
        spans = [(a, a + random.randrange(4)) for a in random.choices(range(30), k=4)]
        first, last = sorted(random.choices(range(34), k=2))
        instants = {instant for a, b in spans for instant in range(a, b + 1)}
        wanted = not instants.isdisjoint(range(first, last + 1))
        assert overlaps((first, last), merged(spans)) == wanted, (spans, first, last)
