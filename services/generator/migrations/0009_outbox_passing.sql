-- migrate:up transaction:false
-- What of the outbox is deleted when its window is over. The last commit of each asset is not, and would be in the way.
create index concurrently if not exists outbox_passing on outbox (created_at) where topic <> 'complete';

-- migrate:down
drop index outbox_passing;
