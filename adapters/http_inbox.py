"""Posts on their way from the HTTP server's threads to the engine: bounded, each answered when its fate is known."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Self

from adapters.http_batches import Noted
from adapters.http_body import Posted
from adapters.http_problems import StillRunning, TooBusy, Unavailable


@dataclass(slots=True)
class Post:
    """One batch that was read and checked; ``fate`` is done once Kafka has it, or failed when that is not sure."""

    noted: Noted
    posted: Posted
    fate: Future[None] = field(default_factory=Future)


class Place:
    """The room of one request, and its id: taken until it is answered, or until the fate of its post is known."""

    def __init__(self, inbox: Inbox, batch_id: str, size: int) -> None:
        self._inbox = inbox
        self._taken = batch_id, size
        self._post: Post | None = None

    def put(self, post: Post) -> None:
        """Hand the post to the engine. Errors: Unavailable while no engine reads."""
        self._inbox.put(post)
        self._post = post

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._post is None:
            self._inbox.give_back(*self._taken)
        else:  # a client that waited too long may ask again: until the fate is known, the answer is StillRunning
            self._post.fate.add_done_callback(lambda _fate: self._inbox.give_back(*self._taken))


class Inbox:
    """Holds at most ``room_bytes`` of bodies; a client beyond that is asked to come again."""

    def __init__(self, room_bytes: int) -> None:
        self._room = room_bytes
        self._running: set[str] = set()
        self._posts: deque[Post] = deque()
        self._changed = threading.Condition()
        self._open = False

    def take_place(self, batch_id: str, size: int) -> Place:
        """Keep room for a body of ``size`` bytes, and its id for it alone. Errors: TooBusy, StillRunning."""
        with self._changed:
            if batch_id in self._running:
                raise StillRunning
            if size > self._room:
                raise TooBusy
            self._room -= size
            self._running.add(batch_id)
        return Place(self, batch_id, size)

    def give_back(self, batch_id: str, size: int) -> None:
        """Give room and id back."""
        with self._changed:
            self._room += size
            self._running.discard(batch_id)

    def put(self, post: Post) -> None:
        """Hand a post to the engine. Errors: Unavailable while no engine reads."""
        with self._changed:
            if not self._open:
                raise Unavailable
            self._posts.append(post)
            self._changed.notify_all()

    def open(self) -> None:
        """Let posts in: an engine reads them now."""
        with self._changed:
            self._open = True

    def take(self, rows: int, most: int, wait_s: float) -> Sequence[Post]:
        """Return the next posts: at least one if it comes in ``wait_s``, then those that fit into ``rows``."""
        taken: list[Post] = []
        deadline = time.monotonic() + wait_s
        with self._changed:
            self._changed.wait_for(lambda: bool(self._posts), max(0.0, deadline - time.monotonic()))
            while self._posts and len(taken) < most:
                size = len(self._posts[0].posted.changes)
                if taken and size > rows:
                    break
                rows -= size
                taken.append(self._posts.popleft())
        return taken

    def close(self) -> None:
        """Let nothing in, and give up what waits; its clients send it again."""
        with self._changed:
            self._open = False
            waiting, self._posts = list(self._posts), deque()
        fail(waiting)


def fail(posts: Sequence[Post]) -> None:
    """Say that it is not known whether these are committed."""
    for post in posts:
        if not post.fate.done():
            post.fate.set_exception(Unavailable())
