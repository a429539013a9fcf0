-- migrate:up transaction:false
-- The runs that a stream's snapshot begins with, however many have ended.
create index concurrently if not exists runs_open on runs (project_id, episode_id) where status in ('requested', 'queued', 'generating', 'preview_ready', 'accepted');

-- migrate:down
drop index runs_open;
