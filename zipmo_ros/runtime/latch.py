"""Stops that last: each has its causes, and ends when somebody says so."""

from __future__ import annotations

from collections.abc import Collection

from zipmo_ros.runtime.causes import ASKED_FOR, AT_ONCE_OVER, CAUSES, automatic_ones, known


class SafetyError(RuntimeError):
    """The arm can't be armed yet."""


class Latch:
    """Begins armed. A stop has one cause or more (causes.py), each of which persists until it is over. Then `arm` lets
    the arm move again; after `automatic` causes alone it may move as soon as they are over.
    """

    def __init__(self, automatic: Collection[str] = ()) -> None:
        self._automatic = automatic_ones(automatic)
        self._latched: dict[str, str] = {}  # why the arm stands still, the newest last
        self._persisting: set[str] = set()  # those of them that are not over

    @property
    def armed(self) -> bool:
        """Whether the arm may move."""
        return not self._latched

    @property
    def resumes(self) -> bool:
        """Whether motion goes on by itself once nothing persists any more."""
        return self._automatic.issuperset(self._latched)

    @property
    def state(self) -> str:
        """ "armed" or "stopped": for /diagnostics."""
        return "armed" if self.armed else "stopped"

    @property
    def stopped_by(self) -> str | None:
        """Names of the causes, the newest first, for /diagnostics; None while armed."""
        return ", ".join(self.causes) or None

    @property
    def causes(self) -> dict[str, str]:
        """Why it may not: {cause: what was found}, the newest first."""
        return dict(reversed(self._latched.items()))

    @property
    def reason(self) -> str | None:
        """The texts of all causes; None while armed."""
        return "; ".join(self.causes.values()) or None

    def reset(self) -> None:
        """As at the beginning, but a stop that a person asked for outlasts it."""
        self._latched = {cause: text for cause, text in self._latched.items() if cause in ASKED_FOR}
        self._persisting &= set(self._latched)

    def trip(self, cause: str, text: str) -> None:
        """Stop. While a cause persists its first text stays. Raises ValueError for an unknown cause."""
        if known(cause) not in self._persisting:
            self._latched.pop(cause, None)
            self._latched[cause] = text
        if cause not in AT_ONCE_OVER:
            self._persisting.add(cause)

    def over(self, cause: str) -> None:
        """The cause has ended, if it was there at all. Raises ValueError for an unknown one."""
        self._persisting.discard(known(cause))
        if not self._persisting and self.resumes:
            self._latched.clear()

    def arm(self) -> None:
        """Let the arm move again. Raises SafetyError naming every cause that persists, and what to do about it."""
        wrong = [f"{text} ({name}: {CAUSES[name].remedy})" for name, text in self.causes.items()
                 if name in self._persisting]  # fmt: skip
        if wrong:
            raise SafetyError(f"not armed: {'; '.join(wrong)}")
        self._latched.clear()
