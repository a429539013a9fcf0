-- migrate:up

-- Files that are sent in parts, so that what was received is not sent again after a break.
create table partial_uploads (
    partial_id uuid primary key,
    project_id uuid not null references projects,
    user_id text not null,                       -- who sends it; nobody else goes on with it
    filename text not null,
    size bigint not null,                        -- of the whole file: it counts as stored from the beginning
    received bigint not null default 0,
    content_type text,                           -- by its first bytes; null: nothing was received
    parts jsonb not null default '[]',           -- the objects, in order
    upload_id uuid,                              -- what it has become; null: not complete
    expires_at timestamptz not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index partial_uploads_project on partial_uploads (project_id) where upload_id is null;
create index partial_uploads_expires on partial_uploads (expires_at);

-- migrate:down
drop table partial_uploads;
