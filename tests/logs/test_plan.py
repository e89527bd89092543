"""The parts of a run's work."""

from __future__ import annotations

import heapq

from flows.logs.objects import LogObject
from flows.logs.plan import PART_BYTES, make_plan

MIB = 2**20


def objects_of(kind: str, count: int, size: int) -> list[LogObject]:
    return [LogObject(kind, f"{kind}/{number:05}", "etag", size) for number in range(count)]


def sizes_of_parts(objects: list[LogObject]) -> list[int]:
    parts = make_plan(objects, []).parts
    planned = [item for part in parts for unit in part for item in unit]
    assert sorted(planned) == sorted(objects)
    return [sum(item.size for unit in part for item in unit) for part in parts]


def test_the_last_parts_are_smaller_so_that_no_thread_works_long_alone() -> None:
    sizes = sizes_of_parts(objects_of("page_views", 120, 24 * MIB))
    assert max(sizes) <= PART_BYTES
    assert sizes[0] > PART_BYTES // 2
    assert max(sizes[-4:]) <= PART_BYTES // 4


def test_a_few_large_objects_are_work_for_more_than_one_thread() -> None:
    assert len(sizes_of_parts(objects_of("page_views", 4, 26 * MIB))) == 2


def test_large_last_objects_are_cut_evenly_into_as_many_parts_as_small_ones() -> None:
    sizes = sizes_of_parts(objects_of("page_views", 10, 100 * MIB))
    assert sorted(sizes) == [200 * MIB, 200 * MIB, 300 * MIB, 300 * MIB]


def test_empty_objects_are_no_parts_of_their_own() -> None:
    assert sizes_of_parts(objects_of("page_views", 3, 0)) == [0]
    full, empty = objects_of("page_views", 4, 100 * MIB), LogObject("page_views", "z", "etag", 0)
    assert sizes_of_parts([*full, empty]) == 4 * [100 * MIB]


def test_a_large_object_behind_a_small_one_is_a_part_of_its_own() -> None:
    small, large = (
        LogObject("page_views", key, "etag", size * MIB) for key, size in (("a", 64), ("b", 400))
    )
    assert sizes_of_parts([small, large]) == [64 * MIB, 400 * MIB]


def test_user_updates_are_parsed_first() -> None:
    objects = objects_of("page_views", 40, 24 * MIB) + objects_of("user_updates", 3, MIB)
    kinds = [part[0][0].kind for part in make_plan(objects, []).parts]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {"page_views", "user_updates"}


def test_the_last_page_views_are_cut_up_although_user_updates_are_listed_behind_them() -> None:
    updates = objects_of("user_updates", 3, MIB)
    many = sizes_of_parts(objects_of("page_views", 120, 24 * MIB) + updates)
    assert max(many[-4:]) <= PART_BYTES // 4
    few = sizes_of_parts(objects_of("page_views", 4, 26 * MIB) + updates)
    assert few[0] == 3 * MIB
    assert len(few) == 3


def test_ten_thousand_small_objects_are_a_few_parts_and_the_last_ones_smaller() -> None:
    sizes = sizes_of_parts(objects_of("page_views", 10_000, 6 * 1024))
    assert [size // (6 * 1024) for size in sizes] == 4 * [2_000] + 4 * [500]


def test_two_threads_end_at_about_the_same_time_however_much_there_is() -> None:
    for count in range(1, 240):
        busy = [0, 0]
        for size in sizes_of_parts(objects_of("page_views", count, 24 * MIB)):
            heapq.heapreplace(busy, busy[0] + size)
        assert max(busy) - min(busy) <= 4 * 24 * MIB, f"{count} objects of 24 MiB"
