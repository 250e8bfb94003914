"""Ctrl-C between two steps, where the state is whole, instead of in the middle of one."""

import logging
import signal
import threading

_LOG = logging.getLogger(__name__)


class Interrupts:
    """Holds back the first Ctrl-C until `check`; the second one interrupts at once. A context manager.

    Does nothing outside the main thread, or where the caller handles Ctrl-C in a way of his own.
    """

    def __enter__(self) -> "Interrupts":
        self._asked = False
        main = threading.current_thread() is threading.main_thread()
        self._installed = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._installed:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def check(self) -> None:
        """A KeyboardInterrupt if there was one."""
        if self._asked:
            raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        if self._installed:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def _handle(self, number: int, frame: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        _LOG.warning("stopping after this step; press Ctrl-C again to stop at once")
