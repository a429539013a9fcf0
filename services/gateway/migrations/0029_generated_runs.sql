-- migrate:up transaction:false
-- The generated videos of a period, for the review metrics.
create index concurrently if not exists runs_generated on runs (created_at) where kind = 'video' and source = 'generate';

-- migrate:down
drop index runs_generated;
