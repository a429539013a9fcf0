"""Dead letters are listed, redriven and discarded through Kafka alone, on both brokers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from click.testing import Result
from typer.testing import CliRunner

from deploy.local.cli import dead_letters
from shared.command import run_service_command
from shared.contracts.topics import Service
from shared.core.errors import Permanent, UserError
from shared.core.settings import ServiceSettings
from shared.messaging.consumer import Consumer
from shared.messaging.dead_letter_queue import QueuedLetter, open_dead_letter_queue
from shared.messaging.events import Message
from shared.messaging.routers import Delivery
from tests.support import events
from tests.support.brokers import EmbeddedBroker, RunningBroker, client_of
from tests.support.clock import HurriedClock
from tests.support.messaging import Side, everything_on, produce, record_effect, router_of, side
from tests.support.waiting import eventually

Fresh = Callable[[str], Awaitable[str]]
TOPIC = "preview-ready"


@pytest_asyncio.fixture
async def review(fresh_database: Fresh) -> AsyncIterator[Side]:
    async with side(Service.REVIEW, await fresh_database("review")) as found:
        yield found


class BrokenHandler:
    """Refuses every event until it is fixed."""

    is_fixed = False

    async def __call__(self, delivery: Delivery[Any]) -> None:
        if not self.is_fixed:
            raise Permanent("broken", "the handler is broken")
        await record_effect(delivery)


def consuming(on: Side, kafka: RunningBroker, handler: BrokenHandler) -> Consumer:
    return Consumer(client_of(kafka, on.service), on.pool, router_of(on.service, handler), clock=HurriedClock())


def as_record(message: Message[Any]) -> tuple[str, bytes, list[tuple[str, bytes]]]:
    return message.event.key, message.event.model_dump_json().encode(), message.envelope.headers()


async def waiting(kafka: RunningBroker, count: int) -> list[QueuedLetter]:
    async def there() -> list[QueuedLetter]:
        async with open_dead_letter_queue(client_of(kafka, Service.REVIEW)) as queue:
            found = await queue.letters()
        return found if len(found) == count else []

    return await eventually(there, every=0.2, what=f"{count} dead letters")


async def test_redriven_letters_have_their_effect_once_and_are_settled(kafka: RunningBroker, review: Side) -> None:
    sent = [events.message(events.preview_ready(label=str(i))) for i in range(5)]
    handler = BrokenHandler()
    await produce(kafka, TOPIC, *map(as_record, sent))
    async with consuming(review, kafka, handler), review.relay(kafka):
        letters = await waiting(kafka, 5)
        assert {x.headers["ce_id"] for x in letters} == {m.envelope.id for m in sent}
        assert {(x.topic, x.cause["code"], x.cause["cause"]) for x in letters} == {
            (TOPIC, "broken", "the handler is broken")
        }
        assert {x.key for x in letters} == {m.event.key for m in sent}
        assert not any(name.startswith("dlq_") for x in letters for name in x.headers)

        handler.is_fixed = True
        async with open_dead_letter_queue(client_of(kafka, Service.REVIEW)) as queue:
            await queue.redrive(letters[1:3])
            rest = await queue.letters()
            assert [x.position for x in rest] == [letters[i].position for i in (0, 3, 4)]
            assert [x.settled for x in await queue.letters(settled=True)] == [False, True, True, False, False]
        await eventually(lambda: _effects(review, 2))

        async with open_dead_letter_queue(client_of(kafka, Service.REVIEW)) as queue:
            await queue.discard([rest[0]])
            await queue.redrive(rest[1:])
            await queue.redrive(rest[1:])  # by mistake: harmless
            assert await queue.letters() == []
        await eventually(lambda: _effects(review, 4))
        last = events.message(events.preview_ready())
        await produce(kafka, TOPIC, as_record(last))
        await eventually(lambda: _effects(review, 5))
    assert set(await review.effects()) == {*(x.headers["ce_id"] for x in letters[1:]), last.envelope.id}


async def _effects(side: Side, count: int) -> bool:
    return len(await side.effects()) == count


async def test_a_redriven_record_that_fails_again_is_a_new_letter(kafka: RunningBroker, review: Side) -> None:
    sent = events.message(events.preview_ready())
    await produce(kafka, TOPIC, as_record(sent))
    async with consuming(review, kafka, BrokenHandler()), review.relay(kafka):
        (first,) = await waiting(kafka, 1)
        async with open_dead_letter_queue(client_of(kafka, Service.REVIEW)) as queue:
            await queue.redrive([first])
        (second,) = await eventually(lambda: waiting(kafka, 1))
        await eventually(lambda: _another(kafka, first), every=0.2)
    assert second.headers["ce_id"] == sent.envelope.id


async def _another(kafka: RunningBroker, first: QueuedLetter) -> bool:
    (now,) = await waiting(kafka, 1)
    return now.position != first.position


async def test_a_body_that_is_no_text_is_redriven_byte_for_byte(kafka: RunningBroker, review: Side) -> None:
    sent = events.message(events.preview_ready())
    key, _, headers = as_record(sent)
    await produce(kafka, TOPIC, (key, b"\xff\x00", headers))
    async with consuming(review, kafka, BrokenHandler()), review.relay(kafka):
        (letter,) = await waiting(kafka, 1)
        assert (letter.content, letter.cause["encoding"]) == (b"\xff\x00", "base64")
        async with open_dead_letter_queue(client_of(kafka, Service.REVIEW)) as queue:
            await queue.redrive([letter])
        await eventually(lambda: _another(kafka, letter), every=0.2)
    assert [r.value for r in await everything_on(kafka, TOPIC)] == [b"\xff\x00"] * 2


async def test_letters_that_cannot_be_redriven_can_be_discarded(kafka: RunningBroker) -> None:
    about = [("dlq_topic", b"unheard-of"), ("dlq_code", b"x"), ("dlq_cause", b"y")]
    cut = [("dlq_topic", TOPIC.encode()), ("dlq_truncated", b"3000000")]
    await produce(kafka, "review.dlq", ("key", b"body", about), ("key", b"\xff", cut))
    letters = await waiting(kafka, 2)
    async with open_dead_letter_queue(client_of(kafka, Service.REVIEW)) as queue:
        for letter in letters:
            with pytest.raises(UserError, match="not_sendable"):
                await queue.redrive([letter])
        assert (await queue.get(letters[0].position)).body == "body"
        with pytest.raises(UserError, match="no_such_letter"):
            await queue.get("0:999")
        await queue.discard(letters)
        assert await queue.letters() == []


async def test_the_command_line(embedded_broker: EmbeddedBroker, review: Side) -> None:
    kafka = embedded_broker
    sent = [events.message(events.preview_ready(label=f"Segment {i}")) for i in range(3)]
    handler = BrokenHandler()

    async def retake(*args: str) -> Result:
        named = ["--kafka", kafka.bootstrap]
        return await asyncio.to_thread(CliRunner().invoke, dead_letters, [*args, *named])

    await produce(kafka, TOPIC, *map(as_record, sent))
    async with consuming(review, kafka, handler), review.relay(kafka):
        letters = await waiting(kafka, 3)
        listed = await retake("list", "review")
        assert listed.exit_code == 0
        for letter in letters:
            assert letter.position in listed.output
        assert listed.output.count("preview-ready") == 3
        assert "broken: the handler is broken" in listed.output

        shown = await retake("show", "review", letters[0].position)
        assert letters[0].headers["ce_id"] in shown.output
        assert letters[0].body in shown.output
        everywhere = (await retake("list")).output
        assert everywhere.count("preview-ready") == 3
        assert "review:\n" in everywhere
        assert "compiler: none" in everywhere
        of_all = json.loads((await retake("list", "--json")).stdout)["letters"]
        assert [(x["service"], x["position"]) for x in of_all] == [("review", x.position) for x in letters]
        as_json = json.loads((await retake("list", "review", "--json")).stdout)
        assert [x["body"] for x in as_json["letters"]] == [x.body for x in letters]

        handler.is_fixed = True
        assert (await retake("redrive", "review")).exit_code == 2, "a selection is required"
        assert (await retake("redrive", "review", "0:999")).exit_code == 1
        assert "1 dead letter resent." in (await retake("redrive", "review", letters[1].position)).output
        assert "1 dead letter discarded." in (await retake("discard", "review", letters[2].position)).output
        assert "1 dead letter resent." in (await retake("redrive", "review", "--all")).output
        assert "review has no pending dead letters." in (await retake("list", "review")).output
        assert (await retake("list", "review", "--settled")).output.count("(settled)") == 3
        await eventually(lambda: _effects(review, 2))
    assert set(await review.effects()) == {letters[0].headers["ce_id"], letters[1].headers["ce_id"]}
    assert (await retake("list", "studio")).exit_code == 1


async def test_the_command_reports_an_unreachable_broker(tmp_path: Path) -> None:
    at_nothing = await asyncio.to_thread(CliRunner().invoke, dead_letters, ["list", "review", "--kafka", "127.0.0.1:9"])
    assert (at_nothing.exit_code, "Kafka does not answer" in at_nothing.output) == (1, True)
    nowhere = await asyncio.to_thread(CliRunner().invoke, dead_letters, ["list", "review", "--data", str(tmp_path)])
    assert (nowhere.exit_code, "is not running" in nowhere.output) == (1, True)


async def test_a_service_lists_and_sends_its_letters_again_by_its_own_command(
    kafka: RunningBroker, review: Side, capsys: pytest.CaptureFixture[str]
) -> None:
    def settings() -> ServiceSettings:
        return ServiceSettings(
            database_url=review.url,
            objects_url="file:///x",
            kafka_bootstrap=kafka.bootstrap,
            kafka_embedded=kafka.embedded,
        )

    async def command(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
        code = await asyncio.to_thread(run_service_command, Service.REVIEW, ["dead-letters", *arguments], settings)
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    handler = BrokenHandler()
    await produce(kafka, TOPIC, as_record(events.message(events.preview_ready())))
    async with consuming(review, kafka, handler), review.relay(kafka):
        (letter,) = await waiting(kafka, 1)
        code, (listed,) = await command("list")
        assert (code, listed["position"], listed["service"]) == (0, letter.position, "review")
        assert (await command("show", letter.position)) == (0, [listed])
        assert (await command("redrive", "7:7"))[0] == 1
        handler.is_fixed = True
        assert (await command("redrive", "--all"))[0] == 0
        await eventually(lambda: _effects(review, 1))
        assert (await command("list")) == (0, [])
    with pytest.raises(SystemExit):
        await command("discard")
