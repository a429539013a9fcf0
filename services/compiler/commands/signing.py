"""Content Credentials of finished films: the signed file follows as a new object; meanwhile the film plays unsigned."""

from __future__ import annotations

from typing import Final

import structlog

from services.compiler.commands.ports import FilmSigner, SignJob
from shared.contracts.messages import message
from shared.core.errors import RetakeError

log = structlog.get_logger(__name__)

MOST_ATTEMPTS: Final = 4
RETRY_AFTER_S: Final = (2.0, 15.0, 60.0)
WORKER_DIED: Final = message("warning.signing_stopped", attempts=MOST_ATTEMPTS)


async def sign_film(job: SignJob, signer: FilmSigner, *, attempt: int) -> None:
    """Ends the job as signed, returned for another attempt, or unsigned with a warning. Never fails a film."""
    film = await job.film()
    if film is None:  # deleted since, or signed by another worker
        await job.drop()
        return
    if attempt > MOST_ATTEMPTS:  # every earlier worker died before it could report a cause
        await job.unsigned(message("warning.unsigned", cause=WORKER_DIED))
        return
    try:
        await job.signed(await signer.signed(job.request, film))
    except RetakeError as error:
        if error.code == "fenced":
            raise
        log.warning("film.sign_failed", attempt=attempt, code=error.code, cause=error.cause)
        if error.retryable and attempt < MOST_ATTEMPTS:
            await job.retry(RETRY_AFTER_S[attempt - 1])
        else:
            await job.unsigned(message("warning.unsigned", cause=error.cause[:1].lower() + error.cause[1:]))
