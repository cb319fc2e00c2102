"""What the areas of the admin API share: calls under ``/api/v1`` with the caller's token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from exchange.registry_http import RegistryHttp

Json = dict[str, Any]
PAGE = 500


class Calls:
    """Calls of one user. Errors of all: RegistryUnavailable, LoginFailed, Refused, NotFound."""

    def __init__(self, http: RegistryHttp) -> None:
        self._http = http

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    @property
    def url(self) -> str:
        """Where the registry is."""
        return self._http.url

    def metrics(self) -> str:
        """Return the registry's metrics in Prometheus's text format."""
        return self._http.download("/metrics").decode()

    def get(self, path: str, **params: Any) -> Any:
        """Return what a GET under ``/api/v1`` answers; parameters that are None are left out."""
        return self._http.get(f"/api/v1/{path}", **{name: value for name, value in params.items() if value is not None})

    def every(self, path: str, **params: Any) -> Iterator[Json]:
        """Yield all things of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.get(path, **{"limit": PAGE, **params, "cursor": cursor})
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Return what a POST under ``/api/v1`` answers."""
        return self._http.post(f"/api/v1/{path}", body)

    def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return what a PUT under ``/api/v1`` answers."""
        return self._http.call("PUT", f"/api/v1/{path}", json=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return what a PATCH under ``/api/v1`` answers."""
        return self._http.call("PATCH", f"/api/v1/{path}", json=body)

    def delete(self, path: str) -> None:
        """Delete what is at a path under ``/api/v1``."""
        self._http.call("DELETE", f"/api/v1/{path}")

    def _post(self, path: str, body: Mapping[str, Any] | None = None) -> Json:
        answer: Json = self.post(path, body)
        return answer
