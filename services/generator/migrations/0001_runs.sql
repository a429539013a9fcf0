-- migrate:up

-- An asset has a row from its first run, or from its deletion if that arrived first (then `kind` is null).
create table assets (
    asset_id uuid primary key,
    kind text check (kind in ('video', 'starting_image', 'image', 'narration', 'music')),
    project_id text,
    episode_id uuid,
    segment_id uuid,
    committed_version_id uuid,
    commit_seq bigint not null default 0,        -- incremented by every commit
    updated_at timestamptz,                      -- of the last commit; increases with every commit
    last_version_number integer not null default 0,
    created_at timestamptz not null,
    deleted_at timestamptz
);
create index assets_episode on assets (episode_id);

create table runs (
    run_id uuid primary key,
    asset_id uuid not null references assets,
    state text not null check (state in ('queued', 'generating', 'preview_ready',
                                         'complete', 'rejected', 'expired', 'failed', 'cancelled')),
    rev integer not null default 1,
    request jsonb not null,                      -- the command that started it
    settings jsonb not null,                     -- resolved, each with its source
    provider text not null,
    model text,
    lane text not null,
    step text not null,
    percent real,
    attempt integer not null default 0,          -- number of claims, including those that crashed
    failures integer not null default 0,         -- attempts that ended with a retryable error
    token uuid,                                  -- of the attempt that may write
    base_commit_seq bigint,                      -- the asset's commit_seq when the preview became ready; compared by the commit
    problem jsonb,
    spent numeric not null default 0,
    spent_currency text not null default 'USD',
    spent_estimated boolean not null default false,
    calls integer not null default 0,
    project_id text not null,                    -- from the command's envelope, for the run's events
    owner_id text not null,
    correlation_id text not null,
    event_id text,
    traceparent text,
    created_at timestamptz not null,
    started_at timestamptz,
    updated_at timestamptz not null,
    ended_at timestamptz
);
create index runs_asset on runs (asset_id, created_at desc);
create index runs_working on runs (created_at) where state in ('queued', 'generating');
create index runs_waiting on runs (asset_id) where state in ('queued', 'generating', 'preview_ready');

create table versions (
    version_id uuid primary key,
    asset_id uuid not null references assets,
    run_id uuid not null references runs,        -- the run that made it; other runs may offer it again
    version_number integer not null,
    status text not null check (status in ('candidate', 'accepted', 'rejected', 'expired', 'not_chosen', 'discarded')),
    facts jsonb not null,                        -- as in events: objects, media, settings, cost
    created_at timestamptz not null,
    settled_at timestamptz,                      -- time of the last decision about it
    accepted_at timestamptz,
    retired_at timestamptz,                      -- when a commit marked it as no longer kept
    purged_at timestamptz,                       -- not used any more; its objects are deleted 48 h later
    unique (asset_id, version_number)
);
create index versions_run on versions (run_id);
create index versions_kept on versions (asset_id, accepted_at desc) where status = 'accepted' and purged_at is null;

-- The candidates of a run, by position: a version, or the problem because of which there is none.
create table candidates (
    run_id uuid not null references runs,
    position smallint not null,
    version_id uuid references versions,
    problem jsonb,
    primary key (run_id, position),
    check (num_nonnulls(version_id, problem) = 1)
);
create index candidates_version on candidates (version_id);

-- Runs whose command was dead-lettered: their failure is published, so a redriven command must not start them.
create table refused_runs (
    run_id uuid primary key,
    refused_at timestamptz not null
);

-- One row for each paid call to a provider, written before the call. At most one is open per candidate.
create table provider_calls (
    call_id uuid primary key,
    run_id uuid not null references runs,
    position smallint not null,
    attempt integer not null,
    provider text not null,
    model text not null,
    state text not null check (state in ('intended', 'submitted', 'succeeded', 'failed', 'cancelled', 'lost')),
    handle jsonb,                                -- the provider's own: id, URLs
    problem jsonb,
    amount numeric,
    currency text,
    estimated boolean,
    intended_at timestamptz not null,
    submitted_at timestamptz,
    ended_at timestamptz
);
create unique index provider_calls_open on provider_calls (run_id, position) where state in ('intended', 'submitted');
create index provider_calls_run on provider_calls (run_id);

-- migrate:down
drop table provider_calls, refused_runs, candidates, versions, runs, assets;
