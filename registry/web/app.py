"""The registry's HTTP application."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from registry.access import api as access
from registry.audit import api as audit
from registry.catalogue import api as catalogue
from registry.catalogue import catalogue_api as catalogue_files
from registry.catalogue.sheets import reading
from registry.certificates import api as certificates
from registry.drift import api as drift
from registry.evaluation import api as evaluation
from registry.history import api as history
from registry.notices import api as notices
from registry.objections import api as objections
from registry.organisation import api as organisation
from registry.provenance import api as provenance
from registry.receipts import api as receipts
from registry.receipts import keys_api as receipt_keys
from registry.running import api as running
from registry.runtime import Runtime
from registry.schema_registry import api as schema_registry
from registry.schema_registry.cache import SchemaCache
from registry.schema_registry.wire import SchemaWire
from registry.sharing import api as sharing
from registry.sharing import grants_api as grants
from registry.web import documentation, health, problems
from registry.web.marks import Marks
from registry.web.middleware import BodyLimit, Measured
from registry.web.preconditions import conditional
from registry.web.repeats import Answers, Repeats

BODY_LIMIT = 1 << 20  # bytes
ANSWERS_KEY = "answers.key"  # the file that opens kept answers


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
        dependencies=[Depends(conditional)],
    )
    app.state.runtime = runtime
    app.state.schema_cache = SchemaCache()
    for area in (
        access,
        grants,  # before organisation: /systems/self is no system's name
        organisation,
        catalogue,
        catalogue_files,
        sharing,
        notices,
        objections,
        receipts,
        receipt_keys,
        certificates,
        provenance,
        running,
        history,
        drift,
        evaluation,
        schema_registry,
        audit,
        health,
    ):
        app.include_router(area.router)
    problems.install(app)
    documentation.install(app)
    app.add_middleware(Repeats, answers=_answers(runtime), tokens=runtime.tokens)
    app.add_middleware(BodyLimit, limit=BODY_LIMIT, larger={catalogue_files.IMPORT: reading.MOST_BYTES})
    app.add_middleware(Marks)
    app.add_middleware(SchemaWire, cache=app.state.schema_cache)
    app.add_middleware(Measured, metrics=runtime.metrics)
    return app


def _answers(runtime: Runtime) -> Answers:
    group = runtime.settings.registry
    return Answers(runtime.database, runtime.clock, group.data_dir / ANSWERS_KEY, runtime.settings.api.answers_h)
