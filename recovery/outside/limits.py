"""What the system lets this process have."""

import resource

__all__ = ["MOST_OPEN_FILES", "open_more_files"]

MOST_OPEN_FILES = 8_192  # two thousand looks at once, each with a connection or two, and the names that are resolved


def open_more_files() -> None:
    """Take as many open files as are needed and allowed: services begin with 1,024, and a connection is one.

    Where many hosts are silent, those would be used up by waiting for them, and everything else would fail as well. No
    more than needed, because the commands that are run have the same limit, and some go through all of it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_OPEN_FILES if hard == resource.RLIM_INFINITY else min(MOST_OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
