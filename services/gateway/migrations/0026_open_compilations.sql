-- migrate:up transaction:false
-- The films in work, for snapshots and for what looks for those that nobody answers.
create index concurrently if not exists compilations_open on compilations (project_id, episode_id) where state in ('pending', 'processing');

-- migrate:down
drop index compilations_open;
