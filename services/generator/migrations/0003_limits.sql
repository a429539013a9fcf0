-- migrate:up

-- The limits of a provider or of one of its models, set from the catalogue at every start. `next_at` and a slower rate that
-- the provider has imposed are shared by all replicas.
create table provider_limits (
    name text primary key,                       -- a provider, or "provider model"
    per_minute double precision check (per_minute > 0),
    at_once integer check (at_once > 0),
    next_at timestamptz not null default now(),  -- when the rate allows the next request
    slow_per_minute double precision check (slow_per_minute > 0),
    slow_until timestamptz                       -- the slower rate applies until then
);

-- The open circuit breaker of a provider: its token was rejected, or its account has no credit.
create table provider_breakers (
    provider text primary key,
    problem jsonb not null,                      -- shown to runs that fail because of it
    opened_at timestamptz not null default now(),
    pause_s double precision,
    probe_at timestamptz                         -- when one call may probe for all; null: only after a restart
);

-- The expected cost of a call, reserved under the project's spend cap until the actual cost is known.
alter table provider_calls add column project_id text, add column reserved numeric not null default 0;
update provider_calls c set project_id = r.project_id, currency = coalesce(c.currency, 'USD')
from runs r where r.run_id = c.run_id;
alter table provider_calls alter column project_id set not null;
create index provider_calls_spending on provider_calls (project_id, intended_at) include (state, amount, reserved);

-- Claims alternate between projects: one lookup in this index for each.
create index jobs_fair on jobs (kind, fair_key, priority, run_at, job_id) where token is null;

-- migrate:down
drop index jobs_fair, provider_calls_spending;
alter table provider_calls drop column project_id, drop column reserved;
drop table provider_breakers, provider_limits;
