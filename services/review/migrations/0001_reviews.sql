-- migrate:up
create table reviews (
    run_id uuid primary key,
    asset_id uuid not null,
    asset_kind text not null,
    episode_id uuid not null,
    segment_id uuid,
    segment_number integer,
    state text not null check (state in ('open', 'accepted', 'rejected', 'expired', 'withdrawn')),
    candidates uuid[] not null,
    deadline timestamptz,                        -- null: waits for ever
    rev integer not null,
    project_id text not null,                    -- of the preview's envelope, for the events that follow
    owner_id text not null,
    correlation_id text not null,
    event_id text,
    opened_at timestamptz not null default now(),
    closed_at timestamptz
);
create index reviews_due on reviews (deadline) where state = 'open' and deadline is not null;
create index reviews_asset on reviews (asset_id) where state = 'open';

-- Every decision, also a refused one: who, when, on which version, and whether it counted.
create table decisions (
    id bigint generated always as identity primary key,
    decision_id uuid unique,                     -- null: a policy decided
    run_id uuid not null,
    version_id uuid not null,
    action text not null,
    rating integer check (rating between 1 and 5),
    feedback text,
    suggested_changes jsonb,
    actor_kind text not null,
    user_id text,
    submitted_at timestamptz not null,
    decided_at timestamptz not null,
    verdict text not null check (verdict in ('accepted', 'rejected', 'refused'))
);
create index decisions_run on decisions (run_id, id);

create table deleted_assets (
    asset_id uuid primary key,
    deleted_at timestamptz not null
);

-- migrate:down
drop table deleted_assets, decisions, reviews;
