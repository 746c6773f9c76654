"""The tests run side by side, a process for each core: see ``addopts`` in pyproject.toml."""

import os

workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if workers > 1:
    # Before torch is imported, and for the processes that tests start: else each would use every core.
    os.environ.setdefault("OMP_NUM_THREADS", str(max((os.cpu_count() or 1) // workers, 1)))
