-- migrate:up

-- The search for a lost prediction reads the model's other calls of about the same time.
create index provider_calls_neighbours on provider_calls (model, intended_at);

-- migrate:down
drop index provider_calls_neighbours;
