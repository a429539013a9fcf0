-- migrate:up transaction:false
-- The imports in work, for what looks for those that nobody answers.
create index concurrently if not exists imports_open on imports (created_at) where status in ('pending', 'processing');

-- migrate:down
drop index imports_open;
