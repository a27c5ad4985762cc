"""Calls that Gradio cannot even begin: a sentence instead of its bare ``Internal Server Error``."""

from __future__ import annotations

import logging

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api import Api
from app.api_told import usage

log = logging.getLogger("posekit.app")

CALL = "/gradio_api/call/"


class CallDoor:
    """ASGI middleware: a call by an unknown name, or with unknown arguments, is told so."""

    def __init__(self, app: ASGIApp, api: Api) -> None:
        self.app = app
        self.usage = {call.__name__: usage(call) for call in api.calls}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and answer for what goes wrong before there is an answer."""
        if scope["type"] != "http" or scope["method"] != "POST" or CALL not in scope["path"]:
            await self.app(scope, receive, send)
            return
        name = scope["path"].partition(CALL)[2].removeprefix("v2/").strip("/")
        if name not in self.usage:
            known = ", ".join(self.usage)
            reply = JSONResponse({"detail": f"There is no such call: choose one of {known}."}, 404)
            await reply(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except (KeyError, TypeError, ValueError) as error:  # of arguments that do not fit
            if started:
                raise
            log.info("a call of the API did not begin: %s", type(error).__name__)
            await JSONResponse({"detail": self.usage[name]}, 422)(scope, receive, send)
