-- migrate:up transaction:false
-- The pieces in work, for what removes the claims of dead workers.
create index concurrently if not exists pieces_claimed on pieces (lease_until) where made_at is null;

-- migrate:down
drop index pieces_claimed;
