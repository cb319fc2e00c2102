"""The registry's HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from registry.access import api as access
from registry.catalogue import api as catalogue
from registry.catalogue import schema_registry
from registry.organisation import api as organisation
from registry.receipts import api as receipts
from registry.runtime import Runtime
from registry.sharing import api as sharing
from registry.web import health, problems
from registry.web.middleware import BodyLimit, Measured

BODY_LIMIT = 1 << 20  # bytes


def create_app(runtime: Runtime) -> FastAPI:
    """Return the application of a runtime, which it starts and stops."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        runtime.start()
        yield
        await run_in_threadpool(runtime.stop)

    app: FastAPI = FastAPIOffline(
        title="政务信息资源登记中心 · Registry of the exchange bus",
        version="1",
        lifespan=lifespan,
    )
    app.state.runtime = runtime
    for area in (access, organisation, catalogue, sharing, receipts, schema_registry, health):
        app.include_router(area.router)
    problems.install(app)
    app.add_middleware(BodyLimit, limit=BODY_LIMIT)
    app.add_middleware(Measured, metrics=runtime.metrics)
    return app
