"""Who wants something of a loop that has ended gets no error and touches nobody's file."""

import os
import threading

from upperbound.loadgen.bell import Bell


def test_a_stop_that_comes_after_the_end_touches_no_descriptor() -> None:
    bell = Bell()
    number = bell.number
    bell.close()
    other = os.eventfd(0, os.EFD_NONBLOCK)
    # What the kernel does for the next file that is opened.
    os.dup2(other, number)
    try:
        bell.ring()
        bell.close()
        os.eventfd_write(number, 1)
        assert os.eventfd_read(number) == 1
    finally:
        for open_file in {number, other}:
            os.close(open_file)


def test_a_bell_may_be_rung_while_it_is_closed() -> None:
    failures: list[BaseException] = []

    def ring(bell: Bell) -> None:
        try:
            for _ in range(200):
                bell.ring()
        except OSError as error:
            failures.append(error)

    for _ in range(50):
        bell = Bell()
        ringer = threading.Thread(target=ring, args=(bell,))
        ringer.start()
        bell.close()
        ringer.join()
    assert failures == []
