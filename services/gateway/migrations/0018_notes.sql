-- migrate:up

-- What people say about a moment or a part of a version.
create table notes (
    note_id uuid primary key,
    project_id uuid not null,
    episode_id uuid not null,
    asset_id uuid not null,
    version_id uuid not null references versions,
    at double precision not null,                -- seconds from the version's start
    until double precision,                      -- null: a moment
    text text not null,
    box jsonb,                                   -- {x, y, width, height} as shares of the picture; null: all of it
    user_id text not null,                       -- who wrote it
    resolved_at timestamptz,
    resolved_by text,
    revision integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index notes_version on notes (version_id, at, note_id);

-- The notes that a decision was about.
alter table reviews add column note_ids uuid[] not null default '{}';

-- migrate:down
alter table reviews drop column note_ids;
drop table notes;
