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
    published_at timestamptz,
    refused_at timestamptz,                      -- no topic accepts the row: set aside, so that the others go on
    refusal text
);
create index outbox_unpublished on outbox (id) where published_at is null and refused_at is null;
create index outbox_refused on outbox (refused_at) where refused_at is not null;
create index outbox_topic_key on outbox (topic, key, id);
create index outbox_created on outbox (created_at);

create function outbox_notify() returns trigger language plpgsql as $$
begin
    perform pg_notify('outbox', '');
    return null;
end $$;
create trigger outbox_notify after insert on outbox for each statement execute function outbox_notify();

-- The right to publish. `token` rises with each holder; the session is the holder's, which ends with its process.
create table relay_lease (
    one boolean primary key default true check (one),
    token bigint not null,
    holder uuid not null,
    session_pid integer not null,
    session_start timestamptz not null,
    ends_at timestamptz not null
);

-- The end of each partition after the last acknowledged record. A partition that ends before it has lost records.
create table relay_offsets (
    topic text not null,
    partition integer not null,
    next_offset bigint not null,
    primary key (topic, partition)
);

-- A replay under way: rows up to `done_id` of those up to `last_id` are unpublished again.
create table relay_replay (
    one boolean primary key default true check (one),
    topics text[] not null,
    since timestamptz not null,
    done_id bigint not null,
    last_id bigint not null
);

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
drop table jobs, parked, inbox, broker, relay_replay, relay_offsets, relay_lease, outbox;
drop function outbox_notify;
