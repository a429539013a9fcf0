-- migrate:up

-- The latest timeline of each episode, for rendering ahead of any request.
create table timelines (
    episode_id uuid primary key,
    timeline_version integer not null,
    deleted boolean not null default false,
    timeline jsonb not null,                     -- the episode-changed event
    changed integer not null default 0           -- counts changes that rendering ahead has to consider
);

-- The committed version of each asset, from the latest `complete` event. May precede its timeline.
create table committed (
    asset_id uuid primary key,
    episode_id uuid not null,
    commit_seq integer not null,
    media jsonb not null                         -- PinnedMedia
);
create index committed_episode on committed (episode_id);

create table deleted_assets (
    asset_id uuid primary key,
    deleted_at timestamptz not null default now()
);

-- Rendered pieces by the hash of their recipe (planning/keys.py). Without `made_at` a piece is being made by the
-- holder of `token` until `lease_until`; other workers wait for it, or take it over after that.
create table pieces (
    key text primary key,
    kind text not null,
    object jsonb,                                -- ObjectRef; null for a track
    facts jsonb,
    size bigint not null default 0,
    token uuid,
    lease_until timestamptz,
    made_at timestamptz,
    used_at timestamptz not null default now()
);
create index pieces_unused on pieces (used_at) where made_at is not null;

create table compilations (
    compilation_id uuid primary key,
    episode_id uuid not null,
    rev integer not null default 1,
    state text not null check (state in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    progress double precision not null default 0,
    estimated_duration_s double precision,
    request jsonb not null,                      -- the compile-requested event
    result jsonb,                                -- of a completed one: object, poster, media, report, warnings
    problem jsonb,
    project_id text not null,                    -- of the request's envelope, for the events that follow
    owner_id text not null,
    correlation_id text not null,
    event_id text,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    completed_at timestamptz
);
create index compilations_episode on compilations (episode_id, created_at);
create index compilations_open on compilations (expires_at) where state in ('pending', 'processing');

-- Seconds per unit of work, measured on the pieces made here (planning/render_speed.py).
create table render_speed (
    kind text primary key,
    seconds_per_unit double precision not null
);

-- migrate:down
drop table render_speed, compilations, pieces, deleted_assets, committed, timelines;
