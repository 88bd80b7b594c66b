"""The review page as a web application: one page, its pictures, and the four things a reviewer can do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from pydantic import BaseModel, Field
from sqlalchemy import Engine

from curation.review.cards import REASONS, Lookalikes
from curation.review.claims import CLAIM_MINUTES
from curation.review.decisions import Statement
from curation.review.desk import Desk, Hand, Sheet, decided_since
from manifests.errors import CatalogueError, DeepfieldError
from serving.review.facts import facts
from serving.review.guard import COOKIE, Guard
from serving.review.renditions import Renditions

_HERE = Path(__file__).parent
_LONGEST_FORM = 4096
_FOR_GOOD = {"Cache-Control": "private, max-age=604800, immutable"}  # the address names the content

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^\S(.*\S)?$")]
ImageId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^,]+$")]
RequestId = Annotated[str, Field(min_length=8, max_length=64)]


class Take(BaseModel):
    """Asks for frames: how many more, besides those that are in view."""

    reviewer: Name
    count: int = Field(ge=0, le=64)
    in_view: list[ImageId] = Field(default=[], max_length=200)
    since: datetime


class Say(Take):
    """A decision on frames, and how many new ones are wanted."""

    request_id: RequestId
    action: Literal["accept", "reject", "skip"]
    image_ids: list[ImageId] = Field(min_length=1, max_length=64)
    reasons: list[Word] = Field(default=[], max_length=9)
    note: str = Field(default="", max_length=2000)
    seconds: float | None = Field(default=None, ge=0, le=1e6)
    override: bool = False


class Undo(Take):
    """Takes back the decision on a frame."""

    request_id: RequestId
    image_id: ImageId | None = None


class Release(BaseModel):
    """Gives all frames in hand back to the queue."""

    reviewer: Name


class _Kin:
    """The lookalikes of the snapshot in use, made anew when that changes."""

    def __init__(self) -> None:
        self._of: tuple[str, Lookalikes] | None = None

    def __call__(self, sheet: Sheet) -> Lookalikes:
        if self._of is None or self._of[0] != sheet.snapshot_id:
            self._of = sheet.snapshot_id, Lookalikes(sheet.rows)
        return self._of[1]


def make_app(desk: Desk, engine: Engine, renditions: Renditions, guard: Guard) -> FastAPI:
    """The application over a desk."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        renditions.close()

    app = FastAPI(title="Deepfield review", docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.middleware("http")(guard)
    app.mount("/static", StaticFiles(directory=_HERE / "static"))
    templates = Jinja2Templates(directory=_HERE / "templates")
    kin = _Kin()

    @app.exception_handler(DeepfieldError)
    def explain(_: Request, error: DeepfieldError) -> Response:
        # the page asks again after a 503, and not after a 409
        return JSONResponse({"error": str(error)}, 503 if isinstance(error, CatalogueError) else 409)

    def handed_out(request: Take, hand: Hand | None = None) -> dict[str, Any]:
        hand = hand or desk.deal(request.reviewer, request.count, request.in_view)
        renditions.warm(item.image_id for item in hand.items)
        sheet = desk.sheet
        cards = [(row, item.blind) for item in hand.items if (row := sheet.row(item.image_id)) is not None]
        return {
            "items": [facts(sheet, kin(sheet), row, blind) for row, blind in cards],
            "lost": [image_id for image_id in request.in_view if image_id not in hand.held],
            "waiting": sheet.queue.count(request.reviewer),
            "today": decided_since(engine, request.reviewer, request.since),
        }

    @app.get("/")
    def page(request: Request) -> Response:
        values = {"session": guard.session, "reasons": REASONS, "minutes": CLAIM_MINUTES}
        return templates.TemplateResponse(request, "review.html", values)

    @app.get("/login")
    def login_page(request: Request) -> Response:
        return templates.TemplateResponse(request, "login.html", {"wrong": False})

    @app.post("/login")
    async def log_in(request: Request) -> Response:
        form = parse_qs((await request.body())[:_LONGEST_FORM].decode(errors="replace"))
        cookie = await run_in_threadpool(guard.log_in, form.get("token", [""])[0])
        if cookie is None:
            return templates.TemplateResponse(request, "login.html", {"wrong": True}, status_code=401)
        response = RedirectResponse("/", 303)
        response.set_cookie(COOKIE, cookie, httponly=True, samesite="strict", max_age=30 * 86400)
        return response

    @app.get("/api/session")
    def session() -> dict[str, str]:
        return {"session": guard.session}

    @app.post("/api/take")
    def take(request: Take) -> dict[str, Any]:
        return handed_out(request)

    @app.post("/api/say")
    def say(request: Say) -> dict[str, Any]:
        statement = Statement(
            request.action,
            request.reviewer,
            "web",
            tuple(request.reasons),
            request.note,
            request.seconds,
            request_id=request.request_id,
        )
        said = desk.say(
            statement,
            request.image_ids,
            override=request.override,
            all_or_none=False,
            deal=request.count,
            in_view=request.in_view,
        )
        return {"refused": said.refused, **handed_out(request, said.hand)}

    @app.post("/api/undo")
    def undo(request: Undo) -> dict[str, Any]:
        wanted = [request.image_id] if request.image_id else []
        undone = desk.undo(request.reviewer, wanted, origin="web", request_id=request.request_id)[0]
        return {"undone": undone.image_id, "action": undone.action, **handed_out(request)}

    @app.post("/api/release")
    def release(request: Release) -> dict[str, Any]:
        desk.release(request.reviewer)
        return {}

    def known(image_id: str) -> str:
        if image_id not in desk.sheet.at:
            raise HTTPException(404, "There is no such frame in the newest snapshot.")
        return image_id

    @app.get("/frame/{image_id}/preview")
    def preview(image_id: str) -> Response:
        return Response(renditions.preview(known(image_id)), media_type="image/jpeg", headers=_FOR_GOOD)

    @app.get("/frame/{image_id}/thumb")
    def thumb(image_id: str) -> Response:
        return Response(renditions.thumb(known(image_id)), media_type="image/jpeg", headers=_FOR_GOOD)

    @app.get("/frame/{image_id}/mask")
    def mask(image_id: str) -> Response:
        return Response(renditions.analysis(known(image_id)).mask, media_type="image/png", headers=_FOR_GOOD)

    @app.get("/frame/{image_id}/histogram")
    def histogram(image_id: str) -> Response:
        return JSONResponse(renditions.analysis(known(image_id)).histogram, headers=_FOR_GOOD)

    @app.get("/frame/{image_id}/pixels")
    def pixels(image_id: str) -> Response:
        data, media_type = renditions.pixels(known(image_id))
        return Response(data, media_type=media_type, headers=_FOR_GOOD)

    return app
