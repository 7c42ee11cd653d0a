"""Every error of an application is problem details: also those that are not batchrepo's."""

import json
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Cookie, FastAPI, Header, HTTPException, Path, Query, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.routing import Mount, Route

from batchrepo.integrations.fastapi import Problem, Provide, install, problems
from examples.chinook.repositories import AlbumRepository
from tests.support.websockets import connect_websocket


@pytest.fixture
def app(sqlite_store):
    app = FastAPI()
    install(app, sqlite_store)
    return app


def checked(answer: Any, status: int) -> dict[str, Any]:
    """The problem that an answer is."""
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["content-length"] == str(len(answer.content))
    problem = answer.json()
    assert Problem.model_validate(problem)
    assert (problem["type"], problem["status"]) == ("about:blank", status)
    return problem


# --- HTTPException --------------------------------------------------------------------------------


async def test_an_unknown_path(app, client):
    async with client(app) as http:
        answer = await http.get("/albumz?x=1")
    assert checked(answer, 404) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "There is nothing at /albumz.",
        "code": "NOT_FOUND",
    }


@pytest.mark.parametrize("included", [False, True])
async def test_a_method_that_the_path_does_not_take(app, client, included):
    """Allow names the methods of all routes of the path, in whichever order they came."""
    router = APIRouter() if included else app.router

    @router.post("/albums")
    @router.get("/albums")
    @router.get("/albums/{key}")
    async def endpoint() -> None: ...

    if included:
        outer = APIRouter(prefix="/inner")
        outer.include_router(router)
        app.include_router(outer, prefix="/outer")
    path = "/outer/inner/albums" if included else "/albums"
    async with client(app) as http:
        answer = await http.delete(path)
        head = await http.head(path)
    problem = checked(answer, 405)
    assert answer.headers["Allow"] == "GET, POST"
    assert problem["detail"] == f"{path} does not take DELETE, but: GET, POST."
    assert (head.status_code, head.headers["Allow"]) == (405, "GET, POST")


async def test_a_method_that_a_mounted_path_does_not_take(app, client):
    """Which only the inner routes know."""

    async def endpoint(request: Request) -> PlainTextResponse:
        return PlainTextResponse("mounted")

    app.router.routes.append(Mount("/mounted", routes=[Route("/a", endpoint, methods=["PUT"])]))
    async with client(app) as http:
        answer = await http.get("/mounted/a")
    assert checked(answer, 405)["code"] == "METHOD_NOT_ALLOWED"
    assert answer.headers["Allow"] == "PUT"


async def test_a_405_of_the_application_keeps_its_own_headers(app, client):
    @app.get("/")
    async def endpoint() -> None:
        raise HTTPException(405, "Not today.", headers={"Allow": "POST", "X-Mine": "1"})

    async with client(app) as http:
        answer = await http.get("/")
    assert checked(answer, 405)["detail"] == "Not today."
    assert (answer.headers["Allow"], answer.headers["X-Mine"]) == ("POST", "1")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            HTTPException(401, "Who are you?", {"WWW-Authenticate": "Bearer"}),
            ("UNAUTHORIZED", "Who are you?", None),
        ),
        (HTTPException(409), ("CONFLICT", "Conflict", None)),
        (HTTPException(404), ("NOT_FOUND", "There is nothing at /.", None)),
        (HTTPException(404, "No such user."), ("NOT_FOUND", "No such user.", None)),
        (HTTPException(503, "Closed.", {"Retry-After": "60"}), ("SERVICE_UNAVAILABLE", "Closed.", None)),
        (HTTPException(418, {"pot": {1}}), ("IM_A_TEAPOT", "I'm a Teapot", {"pot": [1]})),
        (HTTPException(422, ["a"]), (None, None, ["a"])),
        (HTTPException(499, "Gone."), ("HTTP_499", "Gone.", None)),
        (HTTPException(599, "Odd."), ("HTTP_599", "Odd.", None)),
        (StarletteHTTPException(413), (None, None, None)),
    ],
)
async def test_an_http_exception(app, client, error, expected):
    @app.get("/")
    async def endpoint() -> None:
        raise error

    async with client(app) as http:
        answer = await http.get("/")
    problem = checked(answer, error.status_code)
    code, detail, info = expected
    assert problem.get("info") == info
    if code is not None:
        assert (problem["code"], problem["detail"]) == (code, detail)
    for name, value in (error.headers or {}).items():
        assert answer.headers[name] == value


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_a_body_has_none(app, client, status):
    @app.get("/")
    async def endpoint() -> None:
        raise HTTPException(status, headers={"X-Mine": "1"})

    async with client(app) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.content, answer.headers["X-Mine"]) == (status, b"", "1")


async def test_what_is_no_error_stays_as_it_is(app, client):
    @app.get("/")
    async def endpoint() -> None:
        raise HTTPException(307, headers={"Location": "/there"})

    async with client(app) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/there")
    assert answer.headers["content-type"] == "application/json"


# --- requests that FastAPI refuses ----------------------------------------------------------------


class Item(BaseModel):
    name: str
    sizes: list[int] = []


async def refused(app: FastAPI, client: Any, endpoint: Any, method: str = "GET", **request: Any) -> Any:
    app.api_route("/{key}", methods=[method])(endpoint)
    async with client(app) as http:
        answer = await http.request(method, "/1", **request)
    return checked(answer, 422)


async def test_each_wrong_parameter_is_named_with_what_was_expected_and_what_came(app, client):
    async def endpoint(
        key: Annotated[int, Query(ge=1)], name: str, size: Annotated[int, Query(le=9)] = 1, a: bool = False
    ) -> None: ...

    app.get("/")(endpoint)
    async with client(app) as http:
        answer = await http.get("/?key=x&size=10&a=perhaps")
    problem = checked(answer, 422)
    assert problem["code"] == "INVALID_REQUEST"
    assert problem["errors"] == [
        {
            "in": "query",
            "name": "key",
            "detail": "Input should be a valid integer, unable to parse string as an integer",
            "value": "x",
        },
        {"in": "query", "name": "name", "detail": "Field required"},
        {"in": "query", "name": "size", "detail": "Input should be less than or equal to 9", "value": "10"},
        {
            "in": "query",
            "name": "a",
            "detail": "Input should be a valid boolean, unable to interpret input",
            "value": "perhaps",
        },
    ]
    assert problem["detail"] == (
        "key: Input should be a valid integer, unable to parse string as an integer; name: Field required; "
        "size: Input should be less than or equal to 9; and 1 more"
    )


async def test_a_path_of_another_type(app, client):
    async def endpoint(key: Annotated[int, Path(ge=5)]) -> None: ...

    problem = await refused(app, client, endpoint)
    assert problem["errors"] == [
        {"in": "path", "name": "key", "detail": "Input should be greater than or equal to 5", "value": "1"}
    ]


async def test_a_body_is_named_by_the_path_to_the_value(app, client):
    async def endpoint(items: Annotated[list[Item], Body()]) -> None: ...

    sent = [{"name": "a", "sizes": [1, "x" * 1000]}, {"name": ["b"]}, {}, None]
    problem = await refused(app, client, endpoint, "POST", json=sent)
    assert [(error["in"], error["name"]) for error in problem["errors"]] == [
        ("body", "0.sizes.1"),
        ("body", "1.name"),
        ("body", "2.name"),
        ("body", "3"),
    ]
    values = [error.get("value", "nothing") for error in problem["errors"]]
    assert values == ["x" * 200 + "...", "['b']", "nothing", None]


async def test_a_body_that_is_no_json(app, client):
    async def endpoint(item: Item) -> None: ...

    headers = {"content-type": "application/json"}
    problem = await refused(app, client, endpoint, "POST", content=b'{"name": }', headers=headers)
    assert problem["errors"] == [
        {"in": "body", "name": "", "detail": "JSON decode error at 9: Expecting value"}
    ]
    assert problem["detail"] == "body: JSON decode error at 9: Expecting value"


async def test_what_may_be_a_credential_is_not_repeated(app, client):
    async def endpoint(x_key: Annotated[int, Header()], session: Annotated[int, Cookie()]) -> None: ...

    headers = {"x-key": "secret", "cookie": "session=secret"}
    problem = await refused(app, client, endpoint, headers=headers)
    assert [(error["in"], error["name"]) for error in problem["errors"]] == [
        ("header", "x-key"),
        ("cookie", "session"),
    ]
    assert "secret" not in json.dumps(problem)


# --- what nobody expected -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [KeyError("secret"), OperationalError("SELECT secret", {}, Exception("secret"))]
)
async def test_an_unexpected_error_tells_nothing(app, client, caplog, error):
    @app.get("/")
    async def endpoint(albums: Provide[AlbumRepository]) -> None:
        await albums.count()
        raise error

    async with client(app, raises=False) as http:
        answer = await http.get("/")
    problem = checked(answer, 500)
    assert (problem["code"], problem["detail"]) == ("INTERNAL", "The server could not answer this request.")
    assert "secret" not in answer.text
    assert answer.headers["X-Statements"] == "1"
    assert [
        record for record in caplog.records if record.name == "batchrepo"
    ] == []  # it is the server's to log
    async with client(app) as http:
        with pytest.raises(type(error)):
            await http.get("/")


@pytest.mark.parametrize(
    "error",
    [PoolTimeout("all taken"), OperationalError("SELECT 1", {}, Exception(), connection_invalidated=True)],
)
async def test_a_database_that_a_session_of_ones_own_cannot_reach(app, client, error):
    @app.get("/")
    async def endpoint() -> None:
        raise error

    async with client(app, raises=False) as http:
        answer = await http.get("/")
    assert checked(answer, 503)["code"] == "DATABASE_UNAVAILABLE"
    assert answer.headers["Retry-After"] == "5"


async def test_an_error_of_a_middleware_is_answered_too(app, client):
    @app.middleware("http")
    async def failing(request: Request, call: Any) -> None:
        raise KeyError("secret")

    async with client(app, raises=False) as http:
        assert checked(await http.get("/"), 500)["code"] == "INTERNAL"


async def test_in_debug_mode_starlette_shows_the_traceback(sqlite_store, client):
    app = FastAPI(debug=True)
    install(app, sqlite_store)

    @app.get("/")
    async def endpoint() -> None:
        raise KeyError("shown")

    async with client(app, raises=False) as http:
        answer = await http.get("/")
    assert answer.status_code == 500
    assert "KeyError: 'shown'" in answer.text


# --- handlers of the application ------------------------------------------------------------------


async def mine(request: Request, error: Exception) -> PlainTextResponse:
    return PlainTextResponse(f"mine {type(error).__name__}", 400)


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(
    ("kind", "path", "answered"),
    [
        (StarletteHTTPException, "/nowhere", "HTTPException"),
        (404, "/nowhere", "HTTPException"),
        (RequestValidationError, "/?key=x", "RequestValidationError"),
        (Exception, "/?key=1", "KeyError"),
        (500, "/?key=1", "KeyError"),
        (KeyError, "/?key=1", "KeyError"),
    ],
)
async def test_a_handler_of_the_application_comes_first(sqlite_store, client, kind, path, answered, before):
    app = FastAPI(exception_handlers={kind: mine} if before else None)
    install(app, sqlite_store)
    if not before:
        app.add_exception_handler(kind, mine)

    @app.get("/")
    async def endpoint(key: int) -> None:
        raise KeyError(key)

    async with client(app, raises=False) as http:
        answer = await http.get(path)
    assert (answer.status_code, answer.text) == (400, f"mine {answered}")


async def test_problems_may_be_for_errors_of_batchrepo_only(sqlite_store, client):
    app = FastAPI()
    install(app, sqlite_store, problems=False)

    @app.get("/{key}")
    async def endpoint(key: int, albums: Provide[AlbumRepository]) -> None:
        await albums.get(key)

    async with client(app) as http:
        nowhere, wrong, missing = await http.get("/a/b"), await http.get("/x"), await http.get("/9999")
    assert (nowhere.status_code, nowhere.json()) == (404, {"detail": "Not Found"})
    assert (wrong.status_code, wrong.json()["detail"][0]["loc"]) == (422, ["path", "key"])
    assert checked(missing, 404)["detail"] == "Album has no row for key 9999."


# --- WebSockets -----------------------------------------------------------------------------------


async def test_a_websocket_that_is_refused_is_closed_as_before(app):
    @app.websocket("/")
    async def endpoint(websocket: WebSocket, key: int) -> None: ...

    assert [message["type"] for message in await connect_websocket(app, "/")] == ["websocket.close"]


@pytest.mark.parametrize(
    ("status", "detail"),
    [(401, "Unauthorized"), (404, "There is nothing at /."), (405, "Method Not Allowed")],
)
async def test_a_websocket_that_the_application_refuses_gets_a_problem(app, status, detail):
    @app.websocket("/")
    async def endpoint(websocket: WebSocket) -> None:
        raise HTTPException(status)

    start, body = await connect_websocket(app, "/")
    assert (start["type"], start["status"]) == ("websocket.http.response.start", status)
    assert (b"content-type", b"application/problem+json") in start["headers"]
    assert json.loads(body["body"])["detail"] == detail


# --- OpenAPI --------------------------------------------------------------------------------------


def responses_of(app: FastAPI, path: str = "/") -> dict[str, Any]:
    return app.openapi()["paths"][path]["get"]["responses"]


def referred(response: dict[str, Any]) -> list[tuple[str, str]]:
    """The media types of a response with the schemas that they refer to."""
    return [(media, content["schema"]["$ref"]) for media, content in response["content"].items()]


PROBLEM = [("application/problem+json", "#/components/schemas/ProblemDetails")]


def test_openapi_describes_the_problems(app):
    @app.get("/", responses=problems(404, 503))
    async def endpoint(key: int) -> None: ...

    responses = responses_of(app)
    assert sorted(responses) == ["200", "404", "422", "503"]
    assert [referred(responses[status]) for status in ("404", "422", "503")] == [PROBLEM] * 3
    assert responses["404"]["description"] == "Not Found"
    schemas = app.openapi()["components"]["schemas"]
    assert set(schemas) == {"ProblemDetails", "InvalidParameter", "RefusedRow"}
    assert schemas["ProblemDetails"]["required"] == ["type", "title", "status", "detail", "code"]
    errors = schemas["ProblemDetails"]["properties"]["errors"]["anyOf"][0]
    assert errors["items"] == {
        "anyOf": [
            {"$ref": "#/components/schemas/InvalidParameter"},
            {"$ref": "#/components/schemas/RefusedRow"},
        ]
    }
    assert "in" in schemas["InvalidParameter"]["properties"]


def test_openapi_is_made_once(app):
    assert app.openapi() is app.openapi()


@pytest.mark.parametrize("by", ["handler", "option"])
def test_openapi_leaves_what_the_application_answers_itself(sqlite_store, by):
    app = FastAPI()
    install(app, sqlite_store, problems=by != "option")
    if by == "handler":
        app.add_exception_handler(RequestValidationError, mine)

    @app.get("/")
    async def endpoint(key: int) -> None: ...

    invalid = responses_of(app)["422"]
    assert referred(invalid) == [("application/json", "#/components/schemas/HTTPValidationError")]
    assert {"HTTPValidationError", "ValidationError"} <= set(app.openapi()["components"]["schemas"])


def test_openapi_keeps_models_and_answers_of_the_application(app):
    @app.get("/", response_model=Item)
    async def endpoint(key: int) -> None: ...

    @app.get("/own", responses={422: {"model": Item}})
    async def own(key: int) -> None: ...

    shown = [("application/json", "#/components/schemas/Item")]
    assert (referred(responses_of(app)["200"]), referred(responses_of(app)["422"])) == (shown, PROBLEM)
    assert referred(responses_of(app, "/own")["422"]) == shown
    assert set(app.openapi()["components"]["schemas"]) == {
        "Item",
        "ProblemDetails",
        "InvalidParameter",
        "RefusedRow",
    }


def test_openapi_extended_by_the_application_is_extended_further(sqlite_store):
    app = FastAPI()
    inner = app.openapi
    app.openapi = lambda: inner() | {"x-mine": 1}
    install(app, sqlite_store)
    assert app.openapi()["x-mine"] == 1
    assert "ProblemDetails" in app.openapi()["components"]["schemas"]
