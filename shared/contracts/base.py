"""The base class of events: plain frozen data with one topic and one producer."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from shared.contracts.values import Ref, Value


class Event(Value):
    """The body of one record. Subclasses name the topic; the envelope carries identity, time and cause."""

    TOPIC: ClassVar[str]

    @property
    @abstractmethod
    def key(self) -> str:
        """The Kafka key: the asset id for runs, the episode id for batches, imports and films."""

    @property
    @abstractmethod
    def subject(self) -> str:
        """The run, compilation, import or episode that the event is about (`ce_subject`)."""


class RunEvent(Ref, Event):
    """An event about a run of an asset."""

    @property
    def key(self) -> str:
        return self.asset_id

    @property
    def subject(self) -> str:
        return self.run_id
