"""What time does by itself to requests and objections: reminders, and what follows a deadline that is over."""

from __future__ import annotations

import time

from registry.database import Database
from registry.objections.service import Deadlines, note_overdue
from registry.sharing import service
from registry.sharing.rules import Rules

INTERVAL_S = 10.0


class Duty:
    """Looks at the deadlines; of several processes the one that leads does."""

    def __init__(self, database: Database, rules: Rules, deadlines: Deadlines) -> None:
        self._database = database
        self._rules = rules
        self._deadlines = deadlines
        self._next = 0.0

    def tick(self) -> None:
        """Look, unless it was done a moment ago. Errors: DatabaseUnavailable, Conflict."""
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + INTERVAL_S
            self.look()

    def look(self) -> None:
        """Remind, pass on, and note what is late."""
        for look in (service.pass_on_overdue, service.remind):
            with self._database.write() as session:
                look(session, self._rules)
        with self._database.write() as session:
            note_overdue(session, self._deadlines)
