"""``upperbound serve``: the controller with its API and web interface."""

import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Annotated, Final

import typer

from upperbound.cli.options import Store

if TYPE_CHECKING:
    from upperbound.api.services import ControllerServices
    from upperbound.cli.settings import Settings
    from upperbound.store.engine import Store as OpenStore
    from upperbound.ui.services import LiveRuns, UiServices

GRACE_S: Final = 5
"""How long requests that are being answered may take when the server ends."""
BACKLOG: Final = 256


def serve(
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="The port; 0 takes a free one.")] = 8000,
    store: Store = None,
) -> None:
    """Run the controller.

    The API and the web interface on one address, and the runs that are started there. On another address than the
    loopback one, UPPERBOUND_AUTH_TOKEN or UPPERBOUND_USERS_FILE must be set. Ctrl-C ends it; runs on servers of your
    own go on by their plan, and the next controller takes them over.
    """
    import uvicorn

    from upperbound.api.access.policy import access_policy
    from upperbound.api.app import create_app
    from upperbound.api.live.protocol import PING_S, PONG_S, ViewerProtocol
    from upperbound.cli.settings import load_settings
    from upperbound.store.engine import open_store
    from upperbound.ui.mount import mount_ui

    settings = load_settings(store=store)
    policy = access_policy(host, os.environ)
    with ExitStack() as stack:
        opened = stack.enter_context(open_store(settings.store_url))
        listening = stack.enter_context(listen(host, port))
        stack.enter_context(_own_log(debug=settings.debug))
        shown = f"[{host}]" if ":" in host else host
        port = listening.getsockname()[1]
        services = _services(opened, settings, f"http://{_reached_by_workers(shown)}:{port}")
        app = create_app(services, policy)
        mount_ui(app, _ui_services(services, app.state.live))
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            ws=ViewerProtocol,
            ws_max_size=2**16,
            ws_ping_interval=PING_S,
            ws_ping_timeout=PONG_S,
        )
        typer.echo(f"Upperbound listens on http://{shown}:{port}; Ctrl-C ends it.")
        sys.stdout.flush()
        with _signals_are_uvicorns():
            uvicorn.Server(config).run(sockets=[listening])


def _reached_by_workers(host: str) -> str:
    """Return the address at which workers on this machine reach a server that listens on ``host``."""
    return {"0.0.0.0": "127.0.0.1", "[::]": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104 - not to listen on


def _services(store: "OpenStore", settings: "Settings", url: str) -> "ControllerServices":
    """Wire what the routes work with; ``url`` is where workers reach the server."""
    from upperbound.api.live.pushes import LivePushes
    from upperbound.api.prometheus import ControllerMetrics
    from upperbound.api.services import ControllerServices
    from upperbound.cli.running import keep_summary
    from upperbound.clock import SystemClock
    from upperbound.launchers.local import LocalLauncher
    from upperbound.orchestrator.controller import Controller
    from upperbound.orchestrator.service import Orchestrator
    from upperbound.views.settings import SettingEntry

    clock = SystemClock()
    metrics = ControllerMetrics(store)
    store.observe(clock, metrics.asked_store)
    pushes = LivePushes(clock, url)

    def at_end(run_id: str) -> None:
        keep_summary(store, run_id)

    return ControllerServices(
        store=store,
        controller=Controller(
            store,
            Orchestrator(
                store,
                LocalLauncher(),
                clock,
                settings.home,
                ticked=metrics.ticked,
                worker_environment=pushes.environment,
            ),
            clock,
            at_end=at_end,
            debug=settings.debug,
        ),
        clock=clock,
        home=settings.home,
        metrics=metrics,
        settings=tuple(
            SettingEntry(name=one.kind.name, value=one.shown, source=one.source, description=one.kind.description)
            for one in settings.origins
        ),
        debug=settings.debug,
        pushes=pushes,
    )


def _ui_services(services: "ControllerServices", live: "LiveRuns") -> "UiServices":
    """Let the pages work with what the API works with."""
    from upperbound.api.access.guard import ANYBODY, USER_KEY
    from upperbound.ui.services import UiServices
    from upperbound.ui.starts import RunStarts

    starts = RunStarts()
    services.controller.listen(starts.hear)
    return UiServices(
        store=services.store,
        controller=services.controller,
        clock=services.clock,
        live=live,
        starts=starts,
        home=services.home,
        user_of=lambda scope: str(scope.get(USER_KEY, ANYBODY)),
        settings=services.settings,
    )


@contextlib.contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """Lend a socket that is bound.

    Raises:
        PortInUse: another process listens there.
        ConfigurationError: the address is none of this machine.
    """
    from upperbound.errors import ConfigurationError, PortInUse

    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
            yield listening
    except OSError as error:
        import errno

        if error.errno == errno.EADDRINUSE:
            raise PortInUse(f"port {port} of {host} is taken", hint="choose another with --port") from None
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise ConfigurationError(f"{host} is no address of this machine", hint="try --host 127.0.0.1") from None
        raise


@contextlib.contextmanager
def _signals_are_uvicorns() -> Iterator[None]:
    """Let the signals that end the server end nothing else: it raises them again when it is done."""
    ends = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in ends}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _own_log(*, debug: bool) -> Iterator[None]:
    """Show on stderr what the server says of itself; what belongs to a run goes into the run's log."""
    from upperbound.orchestrator.run_log import FORMAT, of_no_run

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.addFilter(of_no_run)
    loggers = [logging.getLogger("upperbound"), logging.getLogger("uvicorn.error")]
    for logger, level in zip(loggers, (logging.INFO, logging.INFO if debug else logging.WARNING), strict=True):
        logger.setLevel(level)
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
