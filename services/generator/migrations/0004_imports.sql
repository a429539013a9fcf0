-- migrate:up

-- Films that are split into clips. Their clips become versions by runs of the gateway's.
create table imports (
    import_id uuid primary key,
    episode_id uuid not null,
    state text not null check (state in ('queued', 'splitting', 'ready', 'failed', 'cancelled')),
    rev integer not null default 1,
    request jsonb not null,                      -- the command as it came
    step text not null,
    attempt integer not null default 0,          -- claims, crashed ones included
    failures integer not null default 0,
    token uuid,                                  -- of the attempt that may write
    changes jsonb,                               -- where the picture changes, once it is known
    problem jsonb,
    project_id text not null,
    owner_id text not null,
    correlation_id text not null,
    event_id text,
    traceparent text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    ended_at timestamptz
);
create index imports_episode on imports (episode_id) where state in ('queued', 'splitting');

-- Clips that are stored: the next attempt does not make them again.
create table import_clips (
    import_id uuid not null references imports,
    number integer not null,
    facts jsonb not null,                        -- as the event carries it
    primary key (import_id, number)
);

-- migrate:down
drop table import_clips, imports;
