"""Ctrl-C and SIGTERM between two steps, where the state is whole, instead of in the middle of one."""

import logging
import signal
import threading
from typing import NoReturn

import jax
from jax.experimental import multihost_utils

_LOG = logging.getLogger(__name__)


def terminate(number: int, frame: object) -> NoReturn:
    """A handler of SIGTERM that lets everything around save, as Ctrl-C does; `Interrupts` may take its place."""
    raise KeyboardInterrupt("terminated")


class Interrupts:
    """Holds back the first Ctrl-C until `check`, and SIGTERM, which schedulers such as SLURM send. A context manager.

    The second Ctrl-C interrupts at once; more of SIGTERM are ignored, since what sends it again means no harm to the
    save that is going on. Does nothing outside the main thread, or where the caller handles signals in ways of his own.
    Of many processes all stop at one step, whichever was signalled: JAX's runtime tells them.
    """

    def __enter__(self) -> "Interrupts":
        self._asked = False
        handlers = {signal.SIGINT: (self._interrupt, (signal.default_int_handler,))}
        if jax.process_count() == 1:  # else SIGTERM is the runtime's
            handlers[signal.SIGTERM] = (self._terminate, (signal.SIG_DFL, terminate))
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            for number, (handler, usual) in handlers.items():
                if signal.getsignal(number) in usual:
                    self._before[number] = signal.signal(number, handler)
        return self

    def check(self, step: int) -> None:
        """A KeyboardInterrupt if there was a signal; after every step, as many processes agree on the number of one."""
        if self._asked if jax.process_count() == 1 else _all_stop(step):
            raise KeyboardInterrupt

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _interrupt(self, number: int, frame: object) -> None:
        if self._asked:
            raise KeyboardInterrupt
        self._asked = True
        _LOG.warning("stopping after this step; press Ctrl-C again to stop at once")
        if jax.process_count() > 1:
            signal.raise_signal(signal.SIGTERM)  # the runtime's, which tells the others

    def _terminate(self, number: int, frame: object) -> None:
        if not self._asked:
            _LOG.warning("asked to terminate: stopping after this step")
        self._asked = True


def _all_stop(step: int) -> bool:
    """Whether this is the step after which all processes stop."""
    try:
        return multihost_utils.reached_preemption_sync_point(step)
    except RuntimeError:  # the service is switched off: jax_enable_preemption_service
        return False
