-- migrate:up
-- Accounts, projects, episodes, the lock of each asset, batches, the read model that clients see, the SSE log.
-- Rows that clients may still ask about are marked `deleted_at`, never removed, so that late events find them.

create table users (
    user_id text primary key,                    -- the token's subject
    name text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table projects (
    project_id uuid primary key,
    owner_id text not null references users,     -- who made it; goes into every envelope
    name text not null,
    description text not null default '',
    settings jsonb not null default '{}',        -- what was set, as api.md "Settings"; defaults are added when read
    settings_revision integer not null default 1,
    revision integer not null default 1,         -- human edits only: the ETag
    deleted_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create table members (
    project_id uuid not null references projects,
    user_id text not null references users,
    role text not null check (role in ('owner', 'editor', 'reviewer', 'viewer')),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (project_id, user_id)
);
create index members_user on members (user_id);

create table episodes (
    episode_id uuid primary key,
    project_id uuid not null references projects,
    title text not null,
    description text not null default '',
    output jsonb not null,
    revision integer not null default 1,
    order_revision integer not null default 1,   -- counts what changes the list of segments
    timeline_version bigint not null default 0,  -- counts episode-changed
    deleted_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index episodes_project on episodes (project_id, created_at desc, episode_id desc);

create table segments (
    segment_id uuid primary key,
    episode_id uuid not null references episodes,
    project_id uuid not null,
    number integer,                              -- from 1, without holes; null once deleted
    type text not null check (type in ('scene', 'shot', 'transition')),
    scene_info jsonb not null default '{}',
    duration double precision,                   -- seconds wanted; null: the model's default
    user_notes text not null default '',
    transition_after jsonb,                      -- {style, duration_s}
    scene_id text,
    shot_id text,
    revision integer not null default 1,
    deleted_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint segments_number unique (episode_id, number) deferrable initially deferred
);

create table assets (
    asset_id uuid primary key,
    project_id uuid not null,
    episode_id uuid not null references episodes,
    segment_id uuid references segments,         -- null: episode-wide (music)
    kind text not null check (kind in ('video', 'starting_image', 'image', 'narration', 'music')),
    label text not null,
    draft jsonb,                                 -- {directions, settings}; null: no draft
    active_run_id uuid,                          -- the lock: taken if null
    run_count integer not null default 0,
    committed_version_id uuid,
    commit_seq bigint not null default 0,
    committed_at timestamptz,                    -- the pointer's updated_at: `?v=` of the media URLs
    stale_since timestamptz,                     -- video: a newer starting image is committed than the one it was made from
    revision integer not null default 1,         -- of the draft
    deleted_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index assets_episode on assets (episode_id);
create index assets_segment on assets (segment_id);
create unique index assets_one_per_segment on assets (segment_id, kind) where kind <> 'image' and segment_id is not null;
create unique index assets_one_music on assets (episode_id) where kind = 'music';

create table runs (
    run_id uuid primary key,
    project_id uuid not null,
    episode_id uuid not null,
    asset_id uuid not null references assets,
    segment_id uuid,
    kind text not null,
    number integer not null,                     -- per asset, from 1
    source text not null check (source in ('generate', 'upload', 'url', 'import', 'existing')),
    parent_run_id uuid,
    parent_reason text check (parent_reason in ('rejected', 'retry', 'reopen', 'rollback')),
    batch_id uuid,
    import_id uuid,
    request jsonb not null,                      -- the regenerate-requested event, as sent or to be sent
    changes jsonb,                               -- suggested changes as they were given, unknown keys included
    draft_revision integer not null default 0,   -- of the asset when the run was admitted
    auto_approve boolean not null default false,
    held boolean not null default false,         -- waits for the verdict on its parent; not sent yet
    made text not null default 'requested'       -- what the generator says, newest run_rev
        check (made in ('requested', 'queued', 'generating', 'preview_ready', 'complete', 'failed', 'cancelled')),
    verdict text not null default 'none'         -- what review says, newest review_rev
        check (verdict in ('none', 'open', 'accepted', 'rejected', 'expired', 'withdrawn')),
    status text not null                         -- what clients see: follows from made and verdict (domain/runs.py)
        check (status in ('requested', 'queued', 'generating', 'preview_ready', 'accepted', 'complete',
                          'rejected', 'expired', 'failed', 'cancelled')),
    run_rev integer not null default -1,
    review_rev integer not null default -1,
    announced boolean not null default false,    -- preview-ready went into the log
    step text,
    percent double precision,
    message_code text,
    message_args jsonb not null default '{}',
    attempt integer not null default 0,
    settings jsonb not null default '{}',        -- effective: {name: {value, source}}
    provider text,
    candidates uuid[] not null default '{}',     -- versions offered, in order
    version_id uuid,                             -- the one accepted
    lost jsonb not null default '[]',            -- problems of candidates that were lost
    deadline timestamptz,
    needs_revision boolean not null default false, -- rejected with suggested changes
    error jsonb,
    cost jsonb,
    cost_amount numeric not null default 0,
    cost_currency text not null default 'USD',
    cancel_requested_at timestamptz,
    actor jsonb not null,
    heard_at timestamptz,                        -- last event about it
    started_at timestamptz,
    finished_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    unique (asset_id, number)
);
create index runs_project on runs (project_id, created_at desc, run_id desc);
create index runs_episode on runs (episode_id, created_at desc);
create index runs_batch on runs (batch_id) where batch_id is not null;
create index runs_import on runs (import_id) where import_id is not null;
create unique index runs_one_held on runs (parent_run_id) where held;

-- A run's history: one row per state, step or attempt (not per percent).
create table run_steps (
    id bigint generated always as identity primary key,
    run_id uuid not null,
    project_id uuid not null,
    state text not null,
    step text not null,
    message_code text not null,
    message_args jsonb not null default '{}',
    attempt integer not null default 1,
    at timestamptz not null
);
create index run_steps_run on run_steps (run_id, id);
create index run_steps_project on run_steps (project_id, id desc);

create table versions (
    version_id uuid primary key,
    project_id uuid not null,
    episode_id uuid not null,
    asset_id uuid not null references assets,
    segment_id uuid,
    kind text not null,
    run_id uuid not null,                        -- that made it (a reopened preview keeps its maker)
    number integer not null,
    status text not null check (status in ('preview', 'accepted', 'rejected', 'expired', 'not_chosen')),
    object jsonb not null,
    poster jsonb,
    filmstrip jsonb,
    proxy jsonb,
    media jsonb not null,
    quality jsonb,
    directions text not null,
    model text,
    provider text not null,
    seed bigint,
    starting_image_version_id uuid,
    settings jsonb not null default '{}',
    cost jsonb not null,
    info jsonb not null default '{}',
    accepted_at timestamptz,
    committed_at timestamptz,                    -- last time it became the committed one
    closed_at timestamptz,                       -- rejected, expired or not chosen: retention counts from here
    retired_at timestamptz,                      -- complete.retired named it: gone
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index versions_asset on versions (asset_id, number desc);
create index versions_project on versions (project_id, created_at desc);

create table reviews (
    review_id uuid primary key,                  -- the decision_id
    project_id uuid not null,
    episode_id uuid not null,
    asset_id uuid not null,
    segment_id uuid,
    kind text not null,
    run_id uuid not null references runs,
    version_id uuid not null,
    action text not null check (action in ('approve', 'reject', 'request_regeneration')),
    rating integer check (rating between 1 and 5),
    feedback text,
    suggested_changes jsonb,
    regenerate boolean not null default false,
    next_run_id uuid,
    actor jsonb not null,
    user_id text,                                -- null: a policy decided
    verdict text not null default 'pending' check (verdict in ('pending', 'accepted', 'rejected', 'refused')),
    reason text,                                 -- of a refusal
    submitted_at timestamptz not null,
    decided_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create unique index reviews_one_pending on reviews (run_id) where verdict = 'pending';
create index reviews_run on reviews (run_id);
create index reviews_asset on reviews (asset_id, created_at desc);
create index reviews_project on reviews (project_id, created_at desc, review_id desc);

create table batches (
    batch_id uuid primary key,
    project_id uuid not null,
    episode_id uuid not null references episodes,
    mode text not null check (mode in ('sequential', 'parallel')),
    batch_size integer not null default 1,
    start_from integer not null default 0,
    auto_approve boolean not null default false,
    review text not null default 'video' check (review in ('video', 'all')),
    segment_ids uuid[],                          -- null: all
    review_timeout_s integer,                    -- null: no deadline
    compile jsonb,                               -- render: what is compiled at the end
    status text not null default 'running'
        check (status in ('running', 'waiting_review', 'paused', 'completed', 'failed', 'cancelled')),
    completed integer not null default 0,        -- counts of segments, as batch-updated
    approved integer not null default 0,
    failed integer not null default 0,
    total integer not null default 0,
    current_segment integer,                     -- number of the segment in work
    message_code text,
    message_args jsonb not null default '{}',
    compilation_id uuid,
    error jsonb,
    actor jsonb not null,
    correlation_id uuid not null,
    finished_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create unique index batches_one_live on batches (episode_id) where status in ('running', 'waiting_review', 'paused');
create index batches_episode on batches (episode_id, created_at desc);

create table batch_items (
    batch_id uuid not null references batches,
    asset_id uuid not null,
    segment_id uuid,                             -- null: music
    kind text not null,
    state text not null default 'pending'        -- recomputed by `advance` (domain/batches.py)
        check (state in ('pending', 'running', 'waiting_review', 'held', 'done', 'skipped', 'left', 'deleted', 'nothing')),
    run_id uuid,                                 -- the newest run that counts for this batch
    skipped boolean not null default false,
    refused jsonb,                               -- its run was not admitted: {code, cause, recovery}
    problem jsonb,                               -- why it was left: {code, cause, recovery}
    updated_at timestamptz not null,
    primary key (batch_id, asset_id)
);
create index batch_items_asset on batch_items (asset_id);

create table compilations (
    compilation_id uuid primary key,
    project_id uuid not null,
    episode_id uuid not null references episodes,
    batch_id uuid,
    request jsonb not null,                      -- the compile-requested event: the pinned snapshot
    left_out jsonb not null default '[]',        -- [{segment_id, reason}]
    state text not null default 'pending' check (state in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    rev bigint not null default -1,
    progress double precision not null default 0,
    message_code text,
    estimated_duration_s double precision,
    queue_position integer,
    object jsonb,
    poster jsonb,
    media jsonb,
    segments_included integer,
    report jsonb,
    warnings jsonb not null default '[]',
    provenance text,
    error jsonb,
    rating integer check (rating between 1 and 5),
    feedback text,
    rated_by text,
    rated_at timestamptz,
    cancel_requested_at timestamptz,
    expires_at timestamptz not null,
    completed_at timestamptz,
    actor jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index compilations_episode on compilations (episode_id, created_at desc);
create index compilations_project on compilations (project_id, created_at desc);

create table uploads (
    upload_id uuid primary key,
    project_id uuid not null references projects,
    filename text not null,
    content_type text not null,
    kind text not null check (kind in ('image', 'video', 'audio')),
    object jsonb not null,
    width integer,
    height integer,
    duration double precision,
    user_id text not null,
    deleted_at timestamptz,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index uploads_project on uploads (project_id, created_at desc);

create table imports (
    import_id uuid primary key,
    project_id uuid not null references projects,
    episode_id uuid not null references episodes,
    source text not null check (source in ('document', 'film')),
    status text not null check (status in ('pending', 'processing', 'completed', 'failed', 'cancelled')),
    percent double precision not null default 0,
    run_rev integer not null default -1,
    warnings jsonb not null default '[]',
    error jsonb,
    clips_taken boolean not null default false,  -- segments were made from its clips, once
    cancel_requested_at timestamptz,
    actor jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);
create index imports_episode on imports (episode_id);

-- Numbered per episode by their order when they are read: a commit must not wait for the episode's row.
create table episode_revisions (
    id bigint generated always as identity primary key,
    episode_id uuid not null references episodes,
    change text not null,                        -- commit, order, segment_added, segment_deleted, output
    details jsonb not null default '{}',
    actor jsonb not null,
    created_at timestamptz not null
);
create index episode_revisions_episode on episode_revisions (episode_id, id);

create table idempotency_keys (
    caller text not null,
    key text not null,
    fingerprint text not null,                   -- of method, path and body
    status integer not null,
    headers jsonb not null,
    body text not null,
    created_at timestamptz not null default now(),
    primary key (caller, key)
);
create index idempotency_keys_created on idempotency_keys (created_at);

create table tickets (
    ticket_sha256 text primary key,
    user_id text not null,
    path text not null,
    expires_at timestamptz not null
);

-- The SSE log. `seq` is given at the end of the transaction that writes the row (deferred trigger), under one advisory
-- lock that is held until the commit is visible: a reader of `seq > n` never misses a late commit. Taking the lock last
-- means that nobody who holds it waits for anything else, so it can never be part of a deadlock.
create sequence event_seq;

create table event_stream (
    one boolean primary key default true check (one),
    epoch uuid not null default gen_random_uuid(), -- changes when the log's past was lost (restore from a backup)
    pruned_to bigint not null default 0          -- every seq up to this one is gone
);
insert into event_stream default values;

create table event_log (
    id bigint generated always as identity primary key,
    seq bigint,                                  -- null only inside its own transaction
    project_id uuid not null,
    episode_id uuid,
    name text not null,
    data text not null,                          -- the JSON that goes out, encoded once, one line
    to_user boolean not null default false,      -- also on /events, the stream of all my projects
    at timestamptz not null default clock_timestamp()
);
create unique index event_log_seq on event_log (seq);
create index event_log_at on event_log (at);

create function event_log_number() returns trigger language plpgsql as $$
begin
    perform pg_advisory_xact_lock(1381253447);   -- one lock for the one sequence
    update event_log set seq = nextval('event_seq') where id = new.id;
    perform pg_notify('events', '');
    return null;
end $$;
create constraint trigger event_log_number after insert on event_log
    deferrable initially deferred for each row execute function event_log_number();

-- Where a client that reads the tables now has to go on in the log.
create function event_cursor() returns bigint language sql stable as $$
    select greatest((select max(seq) from event_log), (select pruned_to from event_stream), 0)
$$;

-- migrate:down
drop table event_log, event_stream, tickets, idempotency_keys, episode_revisions, imports, uploads, compilations,
    batch_items, batches, reviews, versions, run_steps, runs, assets, segments, episodes, members, projects, users;
drop sequence event_seq;
drop function event_cursor;
drop function event_log_number;
