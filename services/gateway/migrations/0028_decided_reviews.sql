-- migrate:up transaction:false
-- The decisions of a period, for the review metrics.
create index concurrently if not exists reviews_decided on reviews (decided_at) where kind = 'video' and verdict in ('accepted', 'rejected');

-- migrate:down
drop index reviews_decided;
