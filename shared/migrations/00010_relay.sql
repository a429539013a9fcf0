-- migrate:up
-- What lets one relay publish, what it set aside, and what it knows of the broker's partitions.

-- Rows that the producer refuses for good (too large for any topic): set aside, so that the others go on.
alter table outbox add column refused_at timestamptz, add column refusal text;
drop index outbox_unpublished;
create index outbox_unpublished on outbox (id) where published_at is null and refused_at is null;
create index outbox_refused on outbox (refused_at) where refused_at is not null;

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

-- migrate:down
drop table relay_replay, relay_offsets, relay_lease;
drop index outbox_refused, outbox_unpublished;
alter table outbox drop column refused_at, drop column refusal;
create index outbox_unpublished on outbox (id) where published_at is null;
