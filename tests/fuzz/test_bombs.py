"""A size that a file declares is not believed: it is refused from its header, at once and without its memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fuzz_bombs import BOMBS
from fuzz_harness import Reading

from espark.errors import ImageError
from espark.intake.budget import DEFLATE, SMALL_BYTES, free_bytes, require_room

SECONDS, BYTES = 5.0, 500 << 20


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_at_once(reading: Reading, name: str) -> None:
    outcome = reading.case(name, 0)
    assert outcome.kind == "refused", outcome
    assert outcome.seconds < SECONDS and outcome.grown < BYTES, outcome
    assert BOMBS[name][3] in outcome.detail, outcome


def test_a_file_may_take_half_of_the_free_memory() -> None:
    free = free_bytes()
    assert 0 < free <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    require_room(free // 4, where="a")
    with pytest.raises(ImageError, match=r"E-FILE-002"):
        require_room(free, where="a", error=ImageError)
    with pytest.raises(ImageError, match=r"E-FILE-002"):
        require_room(free // 4, where="a", copies=4, error=ImageError)


def test_a_file_holds_no_more_than_its_packing_allows() -> None:
    size = 2 * SMALL_BYTES
    require_room(size, where="a", stored=size, copies=0)
    require_room(size, where="a", stored=size // DEFLATE + 1, packing=DEFLATE, copies=0)
    with pytest.raises(ImageError, match=r"declares 134 MB, and the 67.1 MB in the file cannot hold that.*E-FILE-001"):
        require_room(size, where="a", stored=size // 2, error=ImageError)
    require_room(SMALL_BYTES, where="a", stored=0)


def test_a_limit_of_the_process_counts() -> None:
    resource = pytest.importorskip("resource")
    if not Path("/proc/self/statm").exists():
        pytest.skip("only Linux gives the memory of a process in /proc")
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    try:
        resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
        assert free_bytes() <= 1 << 30
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
