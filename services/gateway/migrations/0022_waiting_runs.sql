-- migrate:up transaction:false
-- What waits for a decision: pages ask for it every few seconds, over all projects of a person.
create index concurrently if not exists runs_waiting on runs (project_id) where status = 'preview_ready';

-- migrate:down
drop index runs_waiting;
