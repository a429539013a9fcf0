-- migrate:up

-- Who looks for a prediction that nobody claimed asks whose the others are.
create index provider_calls_beside on provider_calls (model, intended_at);

-- migrate:down
drop index provider_calls_beside;
