"""The admin API's calls about evaluations, quality and drift."""

from __future__ import annotations

from collections.abc import Iterator

from exchange.admin.base import PAGE, Calls, Json
from exchange.contract import slug

LONGEST_S = 120.0  # a province's year of facts is counted while the caller waits


class EvaluationCalls(Calls):
    """How departments share, and how good their data are."""

    def evaluate(self, period: str) -> Json:
        """Evaluate all departments over a period like 2026, 2026-H1, 2026-Q3 or 2026-07."""
        answer: Json = self._http.call("POST", "/api/v1/evaluations", json={"period": period}, timeout=LONGEST_S)
        return answer

    def evaluations(self) -> Iterator[Json]:
        """Yield the evaluations."""
        return self.every("evaluations")

    def evaluation(self, number: int) -> Json:
        """Return an evaluation with its formulas and weights."""
        answer: Json = self.get(f"evaluations/{number}")
        return answer

    def scores(self, evaluation: int) -> Iterator[Json]:
        """Yield the departments' scores and figures, the best first."""
        return self.every(f"evaluations/{evaluation}/scores")

    def score(self, evaluation: int, department: int) -> Json:
        """Return one department's score and figures."""
        answer: Json = self.get(f"evaluations/{evaluation}/scores/{department}")
        return answer

    def facts(self, evaluation: int, department: int, indicator: str) -> Json:
        """Return a figure with all facts that count in it, what was missed first."""
        path, asked = f"evaluations/{evaluation}/facts", {"department": department, "indicator": indicator}
        whole: Json = self.get(path, **asked, limit=PAGE)
        while len(whole["items"]) < whole["count"]:
            more = self.get(path, **asked, limit=PAGE, offset=len(whole["items"]))["items"]
            if not more:
                break
            whole["items"] += more
        return whole

    def report(self, evaluation: int, form: str) -> bytes:
        """Return the report as a file: ``form`` xlsx or pdf."""
        return self._http.download(f"/api/v1/evaluations/{evaluation}/report", wait_s=LONGEST_S, format=form)

    def appeal(self, evaluation: int, indicator: str, reason: str) -> Json:
        """Appeal against a figure of one's own department."""
        return self._post(f"evaluations/{evaluation}/appeals", {"indicator": indicator, "reason": reason})

    def appeals(self, evaluation: int) -> Iterator[Json]:
        """Yield the appeals of one's own department, or of those that one administers."""
        return self.every(f"evaluations/{evaluation}/appeals")

    def answer_appeal(
        self, evaluation: int, appeal: int, reason: str, met: float | None = None, base: float | None = None
    ) -> Json:
        """Uphold a figure with a reason; with ``met`` and ``base``, correct it."""
        body: Json = {"outcome": "upheld" if met is None else "corrected", "reason": reason, "met": met, "base": base}
        return self._post(f"evaluations/{evaluation}/appeals/{appeal}/answer", body)

    def quality(self, code: str, days: int) -> Json:
        """Return a resource's quality and freshness over days: per rule and per day."""
        answer: Json = self.get(f"resources/{slug(code)}/quality", days=days)
        return answer

    def offenders(self, days: int) -> list[Json]:
        """Return the rules that are broken most, with the resources that break them."""
        items: list[Json] = self.get("quality", days=days, limit=PAGE)["items"]
        return items

    def drift(self, kind: str) -> Iterator[Json]:
        """Yield where catalogue and data do not fit: ``kind`` zombie, undeclared or unused."""
        return self.every("drift", kind=kind)
