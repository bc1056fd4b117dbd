"""The first signal asks, the second insists, and a handler does nothing but write a byte."""

import signal
import threading
from collections.abc import Iterator

import pytest

from upperbound.cli.stop_signals import StopSignals
from upperbound.testing.waiting import until


class Steps:
    """Counts what the signals have caused."""

    def __init__(self) -> None:
        self.firsts = 0
        self.seconds = 0
        self.release = threading.Event()

    def first(self) -> None:
        self.firsts += 1

    def hang(self) -> None:
        self.firsts += 1
        self.release.wait(30)

    def second(self) -> None:
        self.seconds += 1


@pytest.fixture(autouse=True)
def in_a_terminal() -> Iterator[None]:
    """Let SIGHUP do what it does in a terminal, also when the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_before_the_hand_over_a_signal_interrupts(number: signal.Signals) -> None:
    with StopSignals() as signals, pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert signals.first == ("Ctrl-C" if number == signal.SIGINT else number.name)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_calls_the_first_step_and_the_second_the_other(number: signal.Signals) -> None:
    steps = Steps()
    with StopSignals() as signals:
        signals.hand_over(steps.first, steps.second)
        signal.raise_signal(number)
        until(lambda: steps.firsts == 1, "the first step")
        assert steps.seconds == 0
        signal.raise_signal(number)
        until(lambda: steps.seconds == 1, "the second step")
        signal.raise_signal(number)
    assert (steps.firsts, steps.seconds) == (1, 1)


def test_the_second_step_does_not_wait_for_the_first() -> None:
    steps = Steps()
    with StopSignals() as signals:
        signals.hand_over(steps.hang, steps.second)
        signal.raise_signal(signal.SIGINT)
        until(lambda: steps.firsts == 1, "the first step")
        signal.raise_signal(signal.SIGINT)
        until(lambda: steps.seconds == 1, "the second step")
        steps.release.set()


def test_many_signals_at_once_do_not_block_the_handler() -> None:
    steps = Steps()
    with StopSignals() as signals:
        signals.hand_over(steps.first, steps.second)
        for _ in range(100_000):
            signals._handle(signal.SIGINT, None)
        until(lambda: steps.seconds == 1, "the second step")


def test_the_handlers_from_before_are_restored() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with StopSignals() as signals:
        signals.hand_over(lambda: None, lambda: None)
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_a_terminal_that_ends_is_ignored_under_nohup() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_no_thread_is_left() -> None:
    with StopSignals() as signals:
        signals.hand_over(lambda: None, lambda: None)
    assert not [thread for thread in threading.enumerate() if thread.name == "stop-signals"]
