"""Who read what is printed may go, as `| head` does."""

import os
import select
import sys


def is_unheard() -> bool:
    """Whether nobody reads what is printed any more: if so, what is printed from now on is lost without a word."""
    try:
        place = sys.stdout.fileno()
    except (OSError, ValueError):  # no file, or closed
        return False
    if not _has_no_reader(place):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), place)  # Python writes the rest at its end
    return True


def _has_no_reader(place: int) -> bool:
    if not hasattr(select, "poll"):  # Windows: who could not print is believed
        return True
    poll = select.poll()
    poll.register(place, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
