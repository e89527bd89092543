"""The parts of a run's work: as many and as even as keep all workers busy to the end."""

from __future__ import annotations

import pytest

from flows.extracts.plan import MIN_PART_BYTES, PART_BYTES, UNIT_BYTES, UNIT_OBJECTS, make_plan
from flows.logs.objects import LogObject

MIB = 2**20


def objects_of(kind: str, count: int, size: int) -> list[LogObject]:
    return [LogObject(kind, f"{kind}/{number:05}", "etag", size) for number in range(count)]


def sizes_of_parts(objects: list[LogObject], workers: int = 2) -> list[int]:
    """The bytes of each part; every object is in one part, and every unit is within its limits."""
    parts = make_plan(objects, [], workers).parts
    units = [unit for part in parts for unit in part.units]
    assert sorted(item for unit in units for item in unit) == sorted(objects)
    for unit in units:
        assert len(unit) <= UNIT_OBJECTS
        assert len(unit) == 1 or sum(item.size for item in unit) <= UNIT_BYTES
    assert all(item.kind == part.kind for part in parts for unit in part.units for item in unit)
    return [sum(item.size for unit in part.units for item in unit) for part in parts]


@pytest.mark.parametrize("workers", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [6 * 1024, MIB, 24 * MIB])
def test_parts_are_even_and_all_workers_end_together(workers: int, size: int) -> None:
    for count in (1, 2, 7, 40, 100, 239, 10_000 if size < MIB else 400):
        sizes = sizes_of_parts(objects_of("page_views", count, size), workers)
        # Small objects take as long as larger ones.
        weights = [part // size * max(size, MIB // 2) for part in sizes]
        assert max(weights) - min(weights) <= 2 * max(size, MIB // 2), (count, sizes)
        assert max(weights) <= PART_BYTES + size
        total = sum(weights)
        if total > workers * PART_BYTES:
            assert len(sizes) % workers == 0
        elif total > workers * MIN_PART_BYTES:
            assert len(sizes) == min(workers, count)


def test_little_work_is_one_part() -> None:
    assert len(sizes_of_parts(objects_of("page_views", 60, 1024), 8)) == 1
    assert sizes_of_parts(objects_of("page_views", 3, 0)) == [0]
    assert sizes_of_parts([]) == []


def test_a_large_object_after_a_small_one_is_a_part_of_its_own() -> None:
    small, large = (LogObject("page_views", key, "etag", size * MIB) for key, size in (("a", 64), ("b", 400)))
    assert sizes_of_parts([small, large]) == [64 * MIB, 400 * MIB]


def test_user_updates_are_extracted_first() -> None:
    objects = objects_of("page_views", 40, 24 * MIB) + objects_of("user_updates", 3, MIB)
    parts = make_plan(objects, [], 2).parts
    assert [part.kind for part in parts] == ["user_updates", "page_views", "page_views"]


def test_only_new_versions_are_planned_and_all_objects_are_listed() -> None:
    objects = objects_of("page_views", 3, MIB)
    known = [("page_views", "page_views/00000", "etag"), ("page_views", "page_views/00001", "old")]
    plan = make_plan(objects, known, 2)
    assert plan.objects == objects
    assert [part.units for part in plan.parts] == [[objects[1:]]]
    assert plan.new_objects == 2
