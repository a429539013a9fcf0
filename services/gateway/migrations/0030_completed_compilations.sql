-- migrate:up transaction:false
-- The films of a period, for the review metrics.
create index concurrently if not exists compilations_completed on compilations (completed_at) where state = 'completed';

-- migrate:down
drop index compilations_completed;
