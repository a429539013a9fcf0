-- migrate:up
-- What every service's database has: outbox, inbox, parked events and jobs.

create table outbox (
    id bigint generated always as identity primary key,
    event_id uuid not null unique,
    topic text not null,
    key text not null,
    headers jsonb not null,
    body text,                                   -- null: a tombstone
    created_at timestamptz not null default now(),
    published_at timestamptz
);
create index outbox_unpublished on outbox (id) where published_at is null;
create index outbox_topic_key on outbox (topic, key, id);
create index outbox_created on outbox (created_at);

create function outbox_notify() returns trigger language plpgsql as $$
begin
    perform pg_notify('outbox', '');
    return null;
end $$;
create trigger outbox_notify after insert on outbox for each statement execute function outbox_notify();

-- The Kafka cluster that the published rows were sent to. A different id means that the broker lost its data.
create table broker (
    one boolean primary key default true check (one),
    cluster_id text not null,
    seen_at timestamptz not null default now()
);

create table inbox (
    event_id uuid primary key,
    topic text not null,
    received_at timestamptz not null default now()
);
create index inbox_received on inbox (received_at);

-- Events that arrived before their subject was created; they are applied when it is.
create table parked (
    id bigint generated always as identity primary key,
    subject_id uuid not null,
    topic text not null,
    headers jsonb not null,
    body text not null,
    parked_at timestamptz not null default now()
);
create index parked_subject on parked (subject_id, id);

create table jobs (
    job_id uuid primary key,
    kind text not null,
    fair_key text not null default '',           -- many jobs of one key do not starve another key
    priority integer not null default 0,         -- lower first
    payload jsonb not null default '{}',
    run_at timestamptz not null default now(),
    token uuid,                                  -- of the claim that owns the job
    worker text,
    lease_until timestamptz,
    attempts integer not null default 0,
    created_at timestamptz not null default now()
);
create index jobs_ready on jobs (kind, priority, run_at) where token is null;
create index jobs_leased on jobs (lease_until) where token is not null;
create index jobs_running on jobs (kind, fair_key) where token is not null;

-- migrate:down
drop table jobs, parked, inbox, broker, outbox;
drop function outbox_notify;
