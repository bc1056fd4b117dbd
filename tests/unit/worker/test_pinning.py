"""A worker on blocking connections is kept on one core, with every thread it has."""

import json
import subprocess
import sys

import pytest

ASK = """
import json, os, threading
from upperbound.worker.snowflake_preparation import pin_to_core

cores = sorted(os.sched_getaffinity(0))
ended, over = threading.Thread(target=lambda: None), threading.Event()
before = threading.Thread(target=over.wait)
for thread in (ended, before):
    thread.start()
ended.join()
pin_to_core(1)
after = threading.Thread(target=over.wait)
after.start()
threads = {"main": 0, "before": before.native_id, "after": after.native_id}
print(json.dumps({"cores": cores, **{name: sorted(os.sched_getaffinity(one)) for name, one in threads.items()}}))
over.set()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="not applicable: other systems keep no thread on a core")
def test_threads_from_before_and_after_are_kept_on_the_core_of_the_worker() -> None:
    told = json.loads(subprocess.run([sys.executable, "-c", ASK], capture_output=True, check=True, timeout=60).stdout)
    cores = told.pop("cores")
    core = [cores[1 % len(cores)]]
    assert told == {"main": core, "before": core, "after": core}
