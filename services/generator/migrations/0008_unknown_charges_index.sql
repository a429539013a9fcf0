-- migrate:up transaction:false

create index concurrently provider_calls_untold on provider_calls (intended_at) where charge_unknown;

-- migrate:down transaction:false
drop index concurrently provider_calls_untold;
