-- migrate:up

-- Sessions that were signed out before they expired; a session itself is a signed cookie.
create table ended_sessions (
    session_id text primary key,
    expires_at timestamptz not null
);

-- migrate:down
drop table ended_sessions;
