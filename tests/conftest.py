"""The tests run side by side, a process for each core and one more: see ``addopts`` in pyproject.toml."""

import os

cores = os.cpu_count() or 1
workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if workers > 1:
    # Before torch is imported, and for the processes that tests start: else each would use every core.
    os.environ.setdefault("OMP_NUM_THREADS", str(max(cores // workers, 1)))


def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: some tests wait, for a stopped run or a watched folder."""
    return cores + 1
