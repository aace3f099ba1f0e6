"""What a training frees is not asked of the system again."""

import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from zipmo_ros.training.memory import keep_freed_memory
{first}
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for repeat in range(40):
    if repeat == 20:  # by then it has what it needs
        before = faults()
    torch.ones(2**24)
print(faults() - before)
"""


def page_faults(first: str) -> int:
    return int(
        subprocess.run([sys.executable, "-c", FAULTS.format(first=first)], capture_output=True, check=True).stdout
    )


@pytest.mark.skipif(sys.platform != "linux", reason="an option of glibc")
def test_freed_memory_is_kept():
    assert page_faults("keep_freed_memory()") < page_faults("") / 5
