-- migrate:up

-- What a call asks for, as its provider would show it: by this a call whose answer never came is recognised.
alter table provider_calls add column request jsonb;

-- migrate:down
alter table provider_calls drop column request;
