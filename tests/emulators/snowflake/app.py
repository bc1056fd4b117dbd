"""The HTTP side of the emulator: what the client library asks a Snowflake account for."""

import gzip
import json
import sys
import threading
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from tests.emulators.snowflake import control, stages
from tests.emulators.snowflake.account import Account
from tests.emulators.snowflake.executor import Executor, Request
from tests.emulators.snowflake.faults import Fault
from tests.emulators.snowflake.sessions import Session
from tests.emulators.snowflake.users import LoginRefused, User

_MOST_THREADS = 1_000
_ASYNC_CODE = "333334"
SESSION_EXPIRED, SESSION_GONE, MASTER_EXPIRED = "390112", "390111", "390114"


def make_app(account: Account) -> ASGIApp:
    """Return the application of an account."""
    served = _Served(account)
    routes = [
        Route("/session/v1/login-request", served.login, methods=["POST"]),
        Route("/session/token-request", served.renew, methods=["POST"]),
        Route("/session/heartbeat", served.heartbeat, methods=["POST"]),
        Route("/session", served.close, methods=["POST"]),
        Route("/queries/v1/query-request", served.query, methods=["POST"]),
        Route("/queries/v1/abort-request", served.abort, methods=["POST"]),
        Route("/queries/{query_id}/result", served.result, methods=["GET"]),
        Route("/queries/{query_id}/abort-request", served.abort_by_id, methods=["POST"]),
        Route("/monitoring/queries/{query_id}", served.monitor, methods=["GET"]),
        Route("/monitoring/queries//{query_id}", served.monitor, methods=["GET"]),  # as the connector asks
        Route("/telemetry/send", _accept, methods=["POST"]),
        Route(stages.UPLOAD_PATH + "/{path:path}", served.upload, methods=["PUT"]),
        Route(stages.UPLOAD_PATH + "/{path:path}", served.look_up, methods=["HEAD"]),
        Route("/emulator/{command}", control.endpoint(account), methods=["POST"]),
        Route("/{path:path}", _unknown, methods=["GET", "POST", "PUT", "DELETE", "HEAD"]),
    ]
    app = Starlette(routes=routes, lifespan=_lifespan)

    async def with_transport(scope: Scope, receive: Receive, send: Send) -> None:
        # The server's own object is what can close the connection without a word, as a broken network does.
        scope["emulator.transport"] = getattr(getattr(send, "__self__", None), "transport", None)
        await app(scope, receive, send)

    return with_transport


@asynccontextmanager
async def _lifespan(_app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _MOST_THREADS
    yield


class _Dropped(Response):
    """No response: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["emulator.transport"].abort()


class _Served:
    """What is served, on one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._executor = Executor(account)
        self._detached: dict[str, dict[str, Any] | None] = {}
        """Answers of statements that were sent without waiting, by query id; None while they are run."""

    async def login(self, request: HttpRequest) -> Response:
        """Open a session."""
        sent = (await _body(request)).get("data") or {}
        with self._account.sessions.login() as number:
            faults = self._account.faults.striking("login", str(sent.get("LOGIN_NAME") or ""))
            if interrupted := await _interrupted(faults):
                return interrupted
            return await run_in_threadpool(self._open, number, sent, dict(request.query_params), faults)

    def _open(self, number: int, sent: dict[str, Any], query: dict[str, str], faults: list[Fault]) -> Response:
        sessions = self._account.sessions
        seen: dict[str, Any] = {"user": sent.get("LOGIN_NAME"), "session_id": number, "query": query}
        seen["parameters"] = sent.get("SESSION_PARAMETERS") or {}
        try:
            _refuse(faults)
            user, proof = self._account.users.authenticate(sent)
        except LoginRefused as refused:
            authenticator = str(sent.get("AUTHENTICATOR") or "SNOWFLAKE").upper()
            seen |= {"refused": refused.code, "authenticator": authenticator, "has_token": bool(sent.get("TOKEN"))}
            sessions.record_login(seen)
            return _failed(str(refused.code), refused.message)
        session = self._session(number, user, seen["parameters"], query)
        sessions.open(session)
        sessions.record_login(seen | proof | {"refused": None})
        return _succeeded(_login_data(session))

    def _session(self, number: int, user: User, parameters: Mapping[str, Any], query: dict[str, str]) -> Session:
        database, schema = _stored(query.get("databaseName")), _stored(query.get("schemaName"))
        engine = self._account.engine.connect(database, schema or ("PUBLIC" if database else None))
        session = Session(
            session_id=number,
            user=user.name,
            role=_stored(query.get("roleName")) or user.default_role,
            warehouse=_stored(query.get("warehouse")) or user.default_warehouse,
            engine=engine,
        )
        session.parameters.update({name.upper(): _text(value) for name, value in parameters.items()})
        return session

    async def renew(self, request: HttpRequest) -> Response:
        """Give a session a new token in exchange for the master token."""
        faults = self._account.faults.striking("renew", "")
        if interrupted := await _interrupted(faults):
            return interrupted
        for fault in faults:
            if fault.action == "error":
                return _failed(str(fault.code), fault.message, data=None)
        session = self._account.sessions.by_master(_token(request))
        if session is None or session.master_expired:
            message = "Authentication token has expired. The user must authenticate again."
            return _failed(MASTER_EXPIRED, message, data=None)
        self._account.sessions.renew(session)
        return _succeeded(
            {
                "sessionToken": session.token,
                "validityInSecondsST": 3600,
                "masterToken": session.master_token,
                "validityInSecondsMT": 14400,
                "sessionId": session.session_id,
            }
        )

    async def heartbeat(self, request: HttpRequest) -> Response:
        """Keep a session alive."""
        session = self._find(request)
        return session if isinstance(session, Response) else _succeeded(None)

    async def close(self, request: HttpRequest) -> Response:
        """End a session, and roll back what it left open."""
        session = self._account.sessions.find(_token(request))
        if session is None:
            return _failed(SESSION_GONE, "Session no longer exists. New login required to access the service.")
        if request.query_params.get("delete"):
            self._account.sessions.close(session)
            await run_in_threadpool(self._end, session)
        return _succeeded(None)

    def _end(self, session: Session) -> None:
        for running in list(session.running.values()):
            self._executor.cancel(session, running)
        with session.lock:
            self._account.transactions.roll_back(session)
            session.engine.close()

    async def query(self, http: HttpRequest) -> Response:
        """Run a statement, unless the request repeats one whose answer was lost on the way."""
        body = await _body(http)
        session = self._find(http)
        if isinstance(session, Response):
            return session
        sql = str(body["sqlText"])
        place, is_new = session.remember_answer(http.query_params.get("requestId") or str(uuid.uuid4()))
        if not is_new:
            return JSONResponse(await run_in_threadpool(place.result))
        faults = self._account.faults.striking("query", sql)
        if expiring := _expiring(faults, session):
            session.answers.popitem()
            return expiring
        if any(fault.action in ("drop", "http_error") for fault in faults):
            session.answers.popitem()
        if interrupted := await _interrupted([fault for fault in faults if fault.action in ("drop", "http_error")]):
            return interrupted
        request = Request(
            sql=sql,
            bindings=body.get("bindings"),
            parameters=body.get("parameters") or {},
            describe_only=bool(body.get("describeOnly")),
            request_id=http.query_params.get("requestId") or str(uuid.uuid4()),
            base_url=str(http.base_url).rstrip("/"),
        )
        if body.get("asyncExec"):
            return self._detach(session, request, faults, place)
        try:
            answer = await run_in_threadpool(self._executor.execute, session, request, faults)
        except BaseException as error:
            place.set_exception(error)
            raise
        place.set_result(answer)
        return _Dropped() if any(fault.action == "drop_after" for fault in faults) else JSONResponse(answer)

    def _detach(self, session: Session, request: Request, faults: list[Fault], place: Any) -> Response:
        self._detached[request.query_id] = None

        def run() -> None:
            self._detached[request.query_id] = self._executor.execute(session, request, faults)

        threading.Thread(target=run, name=f"statement {request.query_id}", daemon=True).start()
        answer = _in_progress(request.query_id)
        place.set_result(answer)
        return JSONResponse(answer)

    async def result(self, request: HttpRequest) -> Response:
        """Return the answer of a statement that was sent without waiting."""
        session = self._find(request)
        if isinstance(session, Response):
            return session
        if interrupted := await _interrupted(self._account.faults.striking("result", "")):
            return interrupted
        query_id = request.path_params["query_id"]
        if query_id not in self._detached:
            return _failed("000709", f"Statement {query_id} not found")
        return JSONResponse(self._detached[query_id] or _in_progress(query_id))

    async def monitor(self, request: HttpRequest) -> Response:
        """Tell how far a statement is."""
        session = self._find(request)
        if isinstance(session, Response):
            return session
        query_id = request.path_params["query_id"]
        if self._account.sessions.running(query_id):
            return _succeeded({"queries": [{"id": query_id, "status": "RUNNING"}]})
        records = [record for record in self._account.history.all() if record.query_id == query_id]
        queries = [
            {
                "id": query_id,
                "status": "SUCCESS" if record.error_code is None else "FAILED_WITH_ERROR",
                "errorCode": f"{record.error_code:06d}" if record.error_code is not None else None,
                "errorMessage": record.error_message,
            }
            for record in records
        ]
        return _succeeded({"queries": queries})

    async def abort(self, request: HttpRequest) -> Response:
        """Stop the statement of a request."""
        body = await _body(request)
        session = self._find(request)
        if isinstance(session, Response):
            return session
        running = session.running.get(str(body.get("requestId") or ""))
        if running is not None:
            self._executor.cancel(session, running)
        return _succeeded(None)

    async def abort_by_id(self, request: HttpRequest) -> Response:
        """Stop a statement by its query id."""
        session = self._find(request)
        if isinstance(session, Response):
            return session
        found = self._account.sessions.running(request.path_params["query_id"])
        if found is None:
            return _failed("000605", "Identified SQL statement is not currently executing.")
        self._executor.cancel(*found)
        return _succeeded(None)

    async def upload(self, request: HttpRequest) -> Response:
        """Store a file in a stage."""
        path = _stage_path(request)
        faults = self._account.faults.striking("upload", path)
        if interrupted := await _interrupted(faults):
            return interrupted
        if any(fault.action == "error" for fault in faults):
            return Response(status_code=403)
        only_new = request.headers.get("x-goog-if-generation-match") == "0"
        body = await request.body()
        return Response(status_code=await run_in_threadpool(lambda: stages.store(path, body, only_new=only_new)))

    async def look_up(self, request: HttpRequest) -> Response:
        """Tell whether a stage has a file."""
        return Response(status_code=200 if stages.has(_stage_path(request)) else 404)

    def _find(self, request: HttpRequest) -> Session | Response:
        session = self._account.sessions.find(_token(request))
        if session is None:
            return _failed(SESSION_GONE, "Session no longer exists. New login required to access the service.")
        if session.token_expired:
            return _failed(SESSION_EXPIRED, "Session token has expired, renew it.")
        return session


async def _body(request: HttpRequest) -> dict[str, Any]:
    raw = await request.body()
    if request.headers.get("Content-Encoding") == "gzip":
        raw = gzip.decompress(raw)
    body: dict[str, Any] = json.loads(raw) if raw else {}
    return body


async def _accept(_request: HttpRequest) -> Response:
    return _succeeded(None)


def _stage_path(request: HttpRequest) -> str:
    """Return the path as it was sent, as a name may hold an encoded slash."""
    raw: bytes = request.scope["raw_path"]
    return raw.decode().removeprefix(stages.UPLOAD_PATH + "/")


async def _unknown(request: HttpRequest) -> Response:
    """Tell on the emulator's own output what a client asked for that is not emulated."""
    sys.stderr.write(f"not emulated: {request.method} {request.url.path}\n")
    return Response(status_code=404)


async def _interrupted(faults: list[Fault]) -> Response | None:
    """Wait as latency faults say, and return what stands in place of an answer, if anything does."""
    for fault in faults:
        if fault.action == "latency":
            await anyio.sleep(fault.delay_ms / 1000)
        elif fault.action == "drop":
            return _Dropped()
        elif fault.action == "http_error":
            return Response(status_code=fault.status)
    return None


def _expiring(faults: list[Fault], session: Session) -> Response | None:
    if any(fault.action == "expire" for fault in faults):
        session.token_expired = True
        return _failed(SESSION_EXPIRED, "Session token has expired, renew it.")
    return None


def _refuse(faults: list[Fault]) -> None:
    for fault in faults:
        if fault.action == "error":
            raise LoginRefused(fault.code, fault.message)


def _login_data(session: Session) -> dict[str, Any]:
    shown = {"AUTOCOMMIT": True, "CLIENT_STAGE_ARRAY_BINDING_THRESHOLD": 0, "TIMEZONE": "Etc/UTC"}
    shown |= {"CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY": 3600, **session.parameters}
    return {
        "token": session.token,
        "masterToken": session.master_token,
        "validityInSeconds": 3600,
        "masterValidityInSeconds": 14400,
        "displayUserName": session.user,
        "serverVersion": "10.0.0",
        "sessionId": session.session_id,
        "parameters": [{"name": name, "value": value} for name, value in shown.items()],
        "sessionInfo": {
            "databaseName": session.engine.database,
            "schemaName": session.engine.schema,
            "warehouseName": session.warehouse,
            "roleName": session.role,
        },
    }


def _in_progress(query_id: str) -> dict[str, Any]:
    data = {"queryId": query_id, "getResultUrl": f"/queries/{query_id}/result", "queryAbortsAfterSecs": 300}
    return {"success": True, "code": _ASYNC_CODE, "message": "Asynchronous execution in progress.", "data": data}


def _succeeded(data: Any) -> Response:
    return JSONResponse({"success": True, "code": None, "message": None, "data": data})


_NO_DATA: dict[str, Any] = {}


def _failed(code: str, message: str, data: dict[str, Any] | None = _NO_DATA) -> Response:
    return JSONResponse({"success": False, "code": code, "message": message, "data": data})


def _token(request: HttpRequest) -> str:
    _, _, quoted = request.headers.get("Authorization", "").partition("Token=")
    return quoted.strip('"')


def _stored(name: str | None) -> str | None:
    """Return a name as Snowflake stores it."""
    if not name:
        return None
    return name[1:-1] if name.startswith('"') and name.endswith('"') else name.upper()


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
