-- migrate:up

-- What a provider, or one of its models, lets through. The catalogue says it at every start; `next_at` and what the
-- provider itself asked for are shared by all replicas.
create table provider_limits (
    name text primary key,                       -- a provider, or "provider model"
    per_minute double precision check (per_minute > 0),
    at_once integer check (at_once > 0),
    next_at timestamptz not null default now(),  -- when the pace lets the next request go
    slow_per_minute double precision check (slow_per_minute > 0),
    slow_until timestamptz                       -- until then the provider wants the slower pace
);

-- A provider that refuses everybody: a token that it does not accept, an account without credit.
create table provider_breakers (
    provider text primary key,
    problem jsonb not null,                      -- in words, for whoever asks meanwhile
    opened_at timestamptz not null default now(),
    pause_s double precision,
    probe_at timestamptz                         -- when one call may try for all; null: not before a restart
);

-- What a call may cost, kept free under the project's spend cap until it is known what it did cost.
alter table provider_calls add column project_id text, add column reserved numeric not null default 0;
update provider_calls c set project_id = r.project_id, currency = coalesce(c.currency, 'USD')
from runs r where r.run_id = c.run_id;
alter table provider_calls alter column project_id set not null;
create index provider_calls_spending on provider_calls (project_id, intended_at) include (state, amount, reserved);

-- Claims go around the projects: one look into this index each.
create index jobs_fair on jobs (kind, fair_key, priority, run_at, job_id) where token is null;

-- migrate:down
drop index jobs_fair, provider_calls_spending;
alter table provider_calls drop column project_id, drop column reserved;
drop table provider_breakers, provider_limits;
