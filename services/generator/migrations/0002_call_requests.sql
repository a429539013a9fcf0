-- migrate:up

-- The request as the provider lists it; a call whose answer was lost is recognised by it.
alter table provider_calls add column request jsonb;

-- migrate:down
alter table provider_calls drop column request;
