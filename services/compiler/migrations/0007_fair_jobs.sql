-- migrate:up transaction:false
-- The waiting jobs of each key, as a claim takes them in turns.
create index concurrently if not exists jobs_fair on jobs (kind, fair_key, priority, run_at, job_id) where token is null;

-- migrate:down
drop index jobs_fair;
