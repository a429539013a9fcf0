"""Review metrics (docs/guide/metrics.md has the formulas), from the read model."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shared.postgres.pool import Connection

# Of videos that a person decided on. What a policy approved, or a rollback
# brought back, was not judged; a candidate that was not chosen no review.
_METRICS: Final = """
    with decided as (
        select distinct on (r.run_id) r.run_id, r.asset_id, r.number, w.verdict, w.rating, w.decided_at
        from reviews w join runs r on r.run_id = w.run_id
        where ($1::uuid is null or w.project_id = $1) and ($2::uuid is null or w.episode_id = $2)
          and ($3::timestamptz is null or w.decided_at >= $3)
          and w.kind = 'video' and w.user_id is not null and not r.auto_approve
          and w.verdict in ('accepted', 'rejected')
        order by r.run_id, w.decided_at
    ), firsts as (
        select distinct on (asset_id) asset_id, verdict from decided order by asset_id, number
    ), generated as (
        select extract(epoch from ready.at - r.started_at) as seconds, made.seconds as made_s
        from runs r
        join lateral (select min(t.at) as at from run_steps t
                      where t.run_id = r.run_id and t.state = 'preview_ready') ready on ready.at is not null
        join lateral (select sum((v.media ->> 'duration_s')::float) as seconds from versions v
                      where v.run_id = r.run_id) made on made.seconds > 0
        where ($1::uuid is null or r.project_id = $1) and ($2::uuid is null or r.episode_id = $2)
          and ($3::timestamptz is null or r.created_at >= $3)
          and r.kind = 'video' and r.source = 'generate' and r.started_at is not null
    ), films as (
        select c.episode_id, c.completed_at, c.rating, c.handed_over_at,
               row_number() over (partition by c.episode_id order by c.completed_at) as number
        from compilations c
        where ($1::uuid is null or c.project_id = $1) and ($2::uuid is null or c.episode_id = $2)
          and ($3::timestamptz is null or c.completed_at >= $3) and c.state = 'completed'
    ), handed as (
        select exists (
            select 1 from compilations later
            where later.episode_id = f.episode_id and later.state = 'completed' and later.created_at > f.handed_over_at
        ) as again
        from films f where f.handed_over_at is not null
    ), rated as (
        select decided_at as at, rating, null as film_rating from decided where rating is not null
        union all select completed_at, null, rating from films where rating is not null
    ), weeks as (
        select date_trunc('week', at at time zone 'UTC')::date as week, avg(rating)::float as mean_rating,
               count(rating) as ratings, avg(film_rating)::float as mean_film_rating, count(film_rating) as film_ratings
        from rated group by week order by week desc limit 26
    ), waits as (
        select extract(epoch from f.completed_at - min(r.created_at)) as seconds
        from films f join runs r on r.episode_id = f.episode_id where f.number = 1 group by f.episode_id, f.completed_at
    )
    select (select count(*) from firsts) as segments_reviewed,
           (select count(*) from firsts where verdict = 'accepted') as approved_first_time,
           (select count(distinct asset_id) from decided where verdict = 'rejected') as segments_regenerated,
           (select count(*) from decided) as decisions,
           (select avg(rating)::float from decided) as mean_rating,
           (select count(rating) from decided) as ratings,
           (select count(*) from films where number = 1) as films,
           (select avg(seconds)::float from waits) as seconds_to_film,
           (select avg(rating)::float from films) as mean_film_rating,
           (select count(rating) from films) as film_ratings,
           (select count(*) from handed) as films_handed_over,
           (select count(*) from handed where again) as films_compiled_again,
           (select coalesce(jsonb_agg(to_jsonb(weeks) order by week), '[]') from weeks) as ratings_by_week,
           (select count(*) from generated) as videos_generated,
           (select 5 * sum(seconds)::float / sum(made_s) from generated) as generation_seconds_per_5s
"""

TARGETS: Final[dict[str, float]] = {
    "first_time_approval_rate": 0.8,
    "regeneration_rate": 0.2,
    "seconds_to_film": 1800,
    "mean_rating": 4.5,
    "mean_film_rating": 4.5,
    "generation_seconds_per_5s": 120,
}
MAXIMUMS: Final = frozenset({"regeneration_rate", "seconds_to_film", "generation_seconds_per_5s"})
"""The targets that a value is to stay under; the others are to be exceeded."""


def targets_met(values: Mapping[str, Any]) -> dict[str, bool | None]:
    """By metric; None without data."""
    return {
        name: None if values[name] is None else (values[name] < target if name in MAXIMUMS else values[name] > target)
        for name, target in TARGETS.items()
    }


async def review_metrics(
    connection: Connection, project_id: str | None = None, episode_id: str | None = None, since: datetime | None = None
) -> dict[str, Any]:
    """Of an episode, of a project, or of everything; decided and completed since then. null: nothing to measure."""
    row: Any = await connection.fetchrow(_METRICS, project_id, episode_id, since)
    reviewed, handed_over = row["segments_reviewed"], row["films_handed_over"]
    return {
        "segments_reviewed": reviewed,
        "decisions": row["decisions"],
        "first_time_approval_rate": row["approved_first_time"] / reviewed if reviewed else None,
        "regeneration_rate": row["segments_regenerated"] / reviewed if reviewed else None,
        "mean_rating": row["mean_rating"],
        "ratings": row["ratings"],
        "films": row["films"],
        "seconds_to_film": row["seconds_to_film"],
        "mean_film_rating": row["mean_film_rating"],
        "film_ratings": row["film_ratings"],
        "films_handed_over": handed_over,
        "recompilation_rate": row["films_compiled_again"] / handed_over if handed_over else None,
        "ratings_by_week": row["ratings_by_week"],
        "videos_generated": row["videos_generated"],
        "generation_seconds_per_5s": row["generation_seconds_per_5s"],
    }
