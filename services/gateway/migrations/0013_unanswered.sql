-- migrate:up transaction:false
-- The runs that the generator works on, for what looks for those whose command it never got.
create index concurrently if not exists runs_working on runs (created_at) where made in ('requested', 'queued', 'generating');

-- migrate:down
drop index runs_working;
