"""The allocator of long runs."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

THREADS = """
import ctypes, threading
from vidcolor.pipeline.memory import hold_memory
{first}
barrier, kept = threading.Barrier(13), []
def work():
    kept.append(bytearray(100_000))
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
barrier.wait()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's heaps")
def test_threads_share_a_heap() -> None:
    def heaps(first: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", THREADS.format(first=first)], capture_output=True, text=True, check=True
        )
        return done.stderr.count("Arena ")

    assert heaps("hold_memory()") == 1
    assert heaps("") > 1
