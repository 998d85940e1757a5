"""How many files a worker may have open, in a process of its own: a limit that was lowered is not to be raised here."""

import subprocess
import sys

import pytest

from recovery.outside.limits import MOST_OPEN_FILES

TELL = """
import resource
from recovery.outside.limits import open_more_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
open_more_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "then"), [(64, 512, 512), (64, MOST_OPEN_FILES + 1, MOST_OPEN_FILES), (512, 512, 512)]
)
def test_as_many_files_are_opened_as_are_needed_and_allowed(soft, hard, then):
    told = subprocess.run(
        [sys.executable, "-c", TELL.format(soft=soft, hard=hard)], capture_output=True, text=True, timeout=30
    )
    assert told.stdout.split() == [str(then), str(hard)], told.stderr
