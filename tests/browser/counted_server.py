"""``upperbound serve`` with a count of what reaches it and its store: a process of its own, started by the tests.

``GET /counts`` answers with requests by path, statements by the thread that sent them, and viewers of live runs; it
counts nothing itself.
"""

import json
import sys
import threading
from collections import Counter
from collections.abc import MutableMapping
from typing import Any

import sqlalchemy as sa
import uvicorn
from sqlalchemy import event

from upperbound.cli.app import main

Message = MutableMapping[str, Any]

requests: Counter[str] = Counter()
statements: Counter[str] = Counter()


@event.listens_for(sa.engine.Engine, "before_cursor_execute")
def count_statement(*_: object) -> None:
    statements[threading.current_thread().name] += 1


class Counting:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Message, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/counts":
            live = self.app.state.live
            body = json.dumps({"requests": requests, "statements": statements, "viewers": live.viewers}).encode()
            await send(
                {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]}
            )
            await send({"type": "http.response.body", "body": body})
            return
        if scope["type"] in ("http", "websocket"):
            requests[f"{scope['type']} {scope['path']}"] += 1
        await self.app(scope, receive, send)


class CountingConfig(uvicorn.Config):
    def __init__(self, app: Any, **settings: Any) -> None:
        super().__init__(Counting(app), **settings)


vars(uvicorn)["Config"] = CountingConfig  # the command makes its server of it

if __name__ == "__main__":
    sys.argv[0] = "upperbound"
    main()
