"""Consistency tokens of HTTP requests: in a cookie and in a header, through the plain ASGI middleware."""

import re
from contextlib import suppress
from time import time
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from batchrepo import (
    ConsistencyToken,
    Database,
    DeclarationError,
    PrimaryUnavailable,
    current_scope,
)
from batchrepo.integrations.asgi import ScopeMiddleware
from batchrepo.integrations.requests import scopes_of
from batchrepo.integrations.tokens import TokenCarrier, TokenTransport
from batchrepo.routing import Position, TokenCodec
from tests.integrations.notes import SECRET, Note, NoteRepository, NoteView, two_servers

HEADER = "Consistency-Token"
DELETION = "batchrepo=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"


@pytest.fixture
async def db(tmp_path):
    async with two_servers(tmp_path) as opened:
        yield opened


async def text_of(scope: Any = None) -> str:
    # A search reads anew each time, which a lookup by key in the same scope would not.
    (note,) = await NoteRepository(scope or current_scope()).find(NoteView, Note.id == 1)
    return note.text


async def write(text: str = "written", scope: Any = None, **options: Any) -> None:
    scope = scope or current_scope()
    async with scope.transaction(**options):
        (await NoteRepository(scope).get(1)).text = text


async def read(request: Request) -> Response:
    return PlainTextResponse(await text_of(), headers=request.query_params)


async def written(request: Request) -> Response:
    await write()
    return PlainTextResponse("", headers=request.query_params)


def application(database: Database, endpoint: Any = read, **options: Any) -> Starlette:
    return Starlette(
        routes=[Route("/", endpoint), Route("/read", read), Route("/write", written, methods=["POST"])],
        middleware=[Middleware(ScopeMiddleware, database=database, **options)],
    )


def a_token(database: Database, *, age: float = 0.0, secret: str = SECRET) -> str:
    codec = TokenCodec([secret.encode()], database.tokens.seconds)
    return codec.write(ConsistencyToken(None, time() - age))


# --- there and back -------------------------------------------------------------------------------


async def test_a_browser_sees_what_it_has_written(db, client):
    app = application(db)
    async with client(app) as writer, client(app) as other:
        assert (await writer.get("/read")).text == "replica"
        answer = await writer.post("/write")
        token = answer.cookies["batchrepo"]
        told = f"batchrepo={token}; Max-Age=60; Path=/; HttpOnly; SameSite=Lax"
        assert answer.headers.get_list("Set-Cookie") == [told]
        assert (await writer.get("/read")).text == "written"
        assert (await other.get("/read")).text == "replica"
    assert db.tokens.read(token).position is None  # SQLite has none: only the primary will do


async def test_a_client_without_cookies_brings_the_header_back(db, client):
    app = application(db, tokens=TokenTransport(cookie=None))
    async with client(app) as http:
        answer = await http.post("/write")
        assert "Set-Cookie" not in answer.headers
        seen = await http.get("/read", headers={HEADER: answer.headers[HEADER]})
        unseen = await http.get("/read")
    assert (seen.text, unseen.text) == ("written", "replica")


async def test_names_are_the_applications(db, client):
    app = application(db, tokens=TokenTransport(cookie="__Host-seen", header="X-Seen"))
    async with client(app) as http:
        answer = await http.post("/write")
        assert answer.headers["Set-Cookie"].startswith(f"__Host-seen={answer.headers['X-Seen']}; ")
        http.cookies.clear()
        assert HEADER not in answer.headers
        for given in (
            {"X-Seen": answer.headers["X-Seen"]},
            {"Cookie": f"__Host-seen={answer.headers['X-Seen']}"},
        ):
            assert (await http.get("/read", headers=given)).text == "written"
        for given in (
            {HEADER: answer.headers["X-Seen"]},
            {"Cookie": f"batchrepo={answer.headers['X-Seen']}"},
        ):
            assert (await http.get("/read", headers=given)).text == "replica"


async def test_with_neither_the_scopes_of_one_request_still_share(db, client):
    async def endpoint(request: Request) -> Response:
        async with scopes_of(request.scope).open() as part:
            await write(scope=part)
        return PlainTextResponse(await text_of())

    async with client(application(db, endpoint, tokens=TokenTransport(cookie=None, header=None))) as http:
        answer = await http.get("/")
    assert answer.text == "written"
    assert not {"set-cookie", HEADER.lower()} & set(answer.headers)


async def test_the_cookie_of_an_encrypted_request_is_for_those_only(db, client):
    app = application(db)
    async with client(app) as http:
        answer = await http.post("https://test/write")
        damaged = await http.get("https://test/read", headers={"Cookie": "batchrepo=x"})
    assert answer.headers["Set-Cookie"].endswith("; SameSite=Lax; Secure")
    assert damaged.headers["Set-Cookie"] == f"{DELETION}; Secure"


async def test_a_token_lives_as_long_as_the_database_says(tmp_path, client):
    async with two_servers(tmp_path, token_seconds=7.5) as db, client(application(db)) as http:
        answer = await http.post("/write")
        assert "; Max-Age=8; " in answer.headers["Set-Cookie"]
        token = answer.cookies["batchrepo"]
        assert db.tokens.read(token).issued == pytest.approx(time(), abs=5)


async def test_a_token_that_only_came_along_is_not_sent_again(db, client):
    token = a_token(db, age=59)
    async with client(application(db)) as http:
        answer = await http.get("/read", headers={"Cookie": f"batchrepo={token}", HEADER: token})
    assert answer.text == "primary"
    assert not {"set-cookie", HEADER.lower()} & set(answer.headers)


async def test_without_replicas_there_is_none(tmp_path, client):
    async with two_servers(tmp_path, routed=False) as db, client(application(db)) as http:
        answer = await http.post("/write", headers={"Cookie": "batchrepo=x", HEADER: "x"})
        again = await http.get("/read")
    for each in (answer, again):
        assert not {"set-cookie", HEADER.lower(), "cache-control"} & set(each.headers)
    assert again.text == "written"


# --- what a client may send -----------------------------------------------------------------------


def sent_in_vain(database: Database) -> dict[str, str]:
    good = a_token(database)
    return {
        "empty": "",
        "no token": "session=1",
        "not ASCII": "Größe",
        "cut": good[:-3],
        "one sign changed": ("A" if good[20] != "A" else "B").join((good[:20], good[21:])),
        "of another version": "9" + good[1:],
        "signed by somebody else": a_token(database, secret="another"),
        "expired": a_token(database, age=61),
        "of the future": a_token(database, age=-3600),
        "long": "A" * 5000,
    }


async def test_a_cookie_that_cannot_be_used_is_deleted_and_nobody_is_refused(db, client):
    async with client(application(db)) as http:
        for what, token in sent_in_vain(db).items():
            answer = await http.get("/read", headers={"Cookie": f"a=b; batchrepo={token}".encode("latin-1")})
            assert (answer.status_code, answer.text) == (200, "replica"), what
            assert answer.headers.get_list("Set-Cookie") == [DELETION], what


async def test_a_header_that_cannot_be_used_is_ignored(db, client):
    async with client(application(db)) as http:
        for what, token in sent_in_vain(db).items():
            answer = await http.get("/read", headers={HEADER: token.encode("latin-1")})
            assert (answer.status_code, answer.text) == (200, "replica"), what
            assert "Set-Cookie" not in answer.headers, what


async def test_a_damaged_cookie_is_replaced_by_a_new_one(db, client):
    async with client(application(db)) as http:
        answer = await http.post("/write", headers={"Cookie": "batchrepo=x"})
        (cookie,) = answer.headers.get_list("Set-Cookie")
        assert cookie.startswith("batchrepo=A")
        assert (await http.get("/read")).text == "written"


async def test_a_good_one_of_several_cookies_counts_and_stays(db, client):
    for cookies in (f"batchrepo=x; batchrepo={a_token(db)}", f'batchrepo="{a_token(db)}"; batchrepo=x'):
        async with client(application(db)) as http:
            answer = await http.get("/read", headers={"Cookie": cookies})
        assert answer.text == "primary"
        assert "Set-Cookie" not in answer.headers


async def test_names_that_only_look_alike_are_others(db, client):
    async with client(application(db)) as http:
        cookies = f"my_batchrepo={a_token(db)}; batchrepo2=x; a=batchrepo"
        answer = await http.get("/read", headers={"Cookie": cookies})
    assert answer.text == "replica"
    assert "Set-Cookie" not in answer.headers


def test_all_that_a_request_carries_is_one_token(db):
    """HTTP/2 clients may send each cookie in a header of its own."""
    early, late = (ConsistencyToken(Position(1, lsn, 7), time()) for lsn in (100, 200))
    first, second = (db.tokens.write(token).encode() for token in (early, late))
    carrier = TokenCarrier(db, TokenTransport())
    for headers in (
        [(b"cookie", b"batchrepo=" + first), (b"cookie", b"a=b"), (b"cookie", b"batchrepo=" + second)],
        [(b"cookie", b"batchrepo=" + second + b"; batchrepo=" + first)],
        [(b"consistency-token", second), (b"cookie", b"batchrepo=" + first)],
        [(b"consistency-token", first), (b"cookie", b"batchrepo=" + second)],
    ):
        assert carrier.received({"headers": headers}).given.position == late.position


# --- which answers carry one ----------------------------------------------------------------------


async def test_an_error_after_a_commit_carries_the_token(db, client):
    async def endpoint(request: Request) -> Response:
        await write()
        await NoteRepository(current_scope()).get(99)

    async with client(application(db, endpoint)) as http:
        answer = await http.get("/")
        assert answer.status_code == 404
        assert (await http.get("/read")).text == "written"


@pytest.mark.parametrize("way", ["rolled back", "dry run", "read only"])
async def test_what_was_not_committed_needs_no_token(db, client, way):
    async def endpoint(request: Request) -> Response:
        if way == "rolled back":
            with suppress(KeyError):
                async with current_scope().transaction():
                    await write()
                    raise KeyError
        elif way == "dry run":
            await write(dry_run=True)
        else:
            async with current_scope().transaction(read_only=True):
                await text_of()
        return PlainTextResponse()

    async with client(application(db, endpoint)) as http:
        assert not {"set-cookie", HEADER.lower()} & set((await http.get("/")).headers)


async def test_cookies_of_the_application_stay(db, client):
    async def endpoint(request: Request) -> Response:
        await write()
        response = PlainTextResponse()
        response.set_cookie("session", "1")
        response.set_cookie("theme", "dark")
        return response

    async with client(application(db, endpoint)) as http:
        told = (await http.get("/")).headers.get_list("Set-Cookie")
        assert [cookie.partition("=")[0] for cookie in told] == ["session", "theme", "batchrepo"]


async def test_what_is_committed_after_the_start_of_the_answer_cannot_be_told(db, client):
    async def endpoint(request: Request) -> Response:
        async def lines():
            yield "begun"
            await write()

        return StreamingResponse(lines(), background=BackgroundTask(write, "later"))

    async with client(application(db, endpoint)) as http:
        assert not {"set-cookie", HEADER.lower()} & set((await http.get("/")).headers)
        assert (await http.get("/read", headers={HEADER: a_token(db)})).text == "later"


async def test_a_token_that_has_expired_meanwhile_is_not_sent(tmp_path, client):
    async def endpoint(request: Request) -> Response:
        await write()
        issued = (await current_scope().consistency_token()).issued
        while time() <= issued + 0.01:  # its whole life
            pass
        return PlainTextResponse()

    async with two_servers(tmp_path, token_seconds=0.01) as db, client(application(db, endpoint)) as http:
        assert not {"set-cookie", HEADER.lower()} & set((await http.get("/")).headers)


# --- several scopes of one request ----------------------------------------------------------------


async def test_every_scope_of_a_request_sees_what_another_one_wrote(db, client):
    seen = []

    async def endpoint(request: Request) -> Response:
        scopes = scopes_of(request.scope)
        async with scopes.open() as first, scopes.open() as second:
            seen.extend([await text_of(first), await text_of(second), await text_of()])
            await write("by a part", first)
            seen.extend([await text_of(first), await text_of(second), await text_of()])
        await write("by the shared scope")
        async with scopes.open() as later:
            seen.append(await text_of(later))
        return PlainTextResponse()

    async with client(application(db, endpoint)) as http:
        await http.get("/")
        assert seen == ["replica"] * 3 + ["by a part"] * 3 + ["by the shared scope"]
        assert (await http.get("/read")).text == "by the shared scope"


async def test_a_part_that_is_over_counts_too(db, client):
    async def endpoint(request: Request) -> Response:
        async with scopes_of(request.scope).open() as part:
            await write("by a part", part)
        return PlainTextResponse()

    app = application(db, endpoint, lazy=True)  # no scope is left when the answer starts
    async with client(app) as http:
        token = (await http.get("/")).cookies["batchrepo"]
    async with client(application(db)) as http:
        assert (await http.get("/read", headers={HEADER: token})).text == "by a part"


# --- caches ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        (None, "private"),
        ("private, no-cache", "private, no-cache"),
        ("no-store", "no-store"),
        ("public, max-age=60", "private, max-age=60"),
        ('Public, S-MaxAge=5, no-cache="Set-Cookie, X"', 'private, no-cache="Set-Cookie, X"'),
        ('private="X"', 'private, private="X"'),
    ],
)
async def test_no_shared_cache_keeps_an_answer_with_a_token(db, client, told, kept):
    given = {} if told is None else {"Cache-Control": told}
    async with client(application(db, written)) as http:
        assert (await http.get("/", params=given)).headers.get_list("Cache-Control") == [kept]
        # What carries none is the application's own matter.
        assert (await http.get("/read", params=given)).headers.get("Cache-Control") == told


@pytest.mark.parametrize("told", ["public, max-age=60", "max-age=1, s-maxage=60"])
async def test_no_shared_cache_keeps_the_deletion_of_a_cookie(db, client, told):
    """Or it would play it to users whose token is good."""
    async with client(application(db)) as http:
        answer = await http.get("/read", params={"Cache-Control": told}, headers={"Cookie": "batchrepo=x"})
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["Cache-Control"] == told


# --- what is wrong --------------------------------------------------------------------------------


async def test_a_primary_that_is_away_is_asked_again_when_it_was_looked_for(db, client):
    async def endpoint(request: Request) -> Response:
        raise PrimaryUnavailable("The primary is away (SELECT secret).", retry_after=1.2)

    async with client(application(db, endpoint)) as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json()["code"] == "UNAVAILABLE"
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("transport", "message"),
    [
        ({"cookie": "a b"}, r"TokenTransport\(cookie=\) got 'a b', which is no name of a cookie"),
        ({"cookie": ""}, "Expected one such as 'batchrepo', or None"),
        ({"header": "X:"}, r"TokenTransport\(header=\) got 'X:', which is no name of a header"),
        ({"header": 3}, "Expected one such as 'Consistency-Token', or None"),
    ],
)
def test_names_that_are_none_are_refused(transport, message):
    with pytest.raises(DeclarationError, match=message):
        TokenTransport(**transport)


@pytest.mark.parametrize("routed", [True, False])
async def test_something_else_than_a_transport_is_refused(tmp_path, routed):
    async with two_servers(tmp_path, routed=routed) as db:
        with pytest.raises(DeclarationError, match=re.escape("TokenTransport(cookie=None); got 'batchrepo'")):
            ScopeMiddleware(None, db, tokens="batchrepo")
