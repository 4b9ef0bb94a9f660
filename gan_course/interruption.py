"""Ctrl-C and SIGTERM (a cluster's time limit, `docker stop`): held back until the work at hand is saved, or one like the other."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def interruptible(*numbers: int) -> Iterator[Callable[[], bool]]:
    """Hold signals (default: both) back inside the block: yields a function that says whether one came. A second acts at once.

    After the block a Ctrl-C raises KeyboardInterrupt, and a SIGTERM goes to whoever handled it before: by default it ends
    the process. In another thread than the main one signals cannot be held back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    came = []

    def note(signum, frame):
        if came:
            raise KeyboardInterrupt
        came.append(signum)

    before = {signum: signal.signal(signum, note) for signum in numbers or (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(came)
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler or signal.SIG_DFL)
        if signal.SIGTERM in came:  # here, so that it is not lost where the block ends with an error
            signal.raise_signal(signal.SIGTERM)
        if came:
            raise KeyboardInterrupt


@contextmanager
def ends_like_interrupt(number: int) -> Iterator[None]:
    """Within, a signal raises KeyboardInterrupt, once; what ends then is left to end."""

    def interrupt(number, frame):
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield
    finally:
        signal.signal(number, before)
