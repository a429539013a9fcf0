-- migrate:up

-- Films that are split into clips. The gateway starts runs that turn the clips into versions.
create table imports (
    import_id uuid primary key,
    episode_id uuid not null,
    state text not null check (state in ('queued', 'splitting', 'ready', 'failed', 'cancelled')),
    rev integer not null default 1,
    request jsonb not null,                      -- the command that started it
    step text not null,
    attempt integer not null default 0,          -- number of claims, including those that crashed
    failures integer not null default 0,
    token uuid,                                  -- of the attempt that may write
    changes jsonb,                               -- the scene changes, once they are known
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

-- Stored clips, which the next attempt does not cut again.
create table import_clips (
    import_id uuid not null references imports,
    number integer not null,
    facts jsonb not null,                        -- as in the event
    primary key (import_id, number)
);

-- migrate:down
drop table import_clips, imports;
