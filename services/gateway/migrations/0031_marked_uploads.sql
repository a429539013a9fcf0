-- migrate:up transaction:false
-- The uploads that are about to be deleted, for every round of retention.
create index concurrently if not exists uploads_marked on uploads (deleted_at) where deleted_at is not null;

-- migrate:down
drop index uploads_marked;
