-- migrate:up

-- Links to one episode for people without an account. Only the digest of a link's token is stored.
create table shares (
    share_id uuid primary key,
    project_id uuid not null references projects,
    episode_id uuid not null references episodes,
    role text not null check (role in ('viewer', 'reviewer')),
    label text not null,
    token_sha256 text not null unique,
    created_by text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz
);
create index shares_of_project on shares (project_id, share_id);

-- migrate:down
drop table shares;
