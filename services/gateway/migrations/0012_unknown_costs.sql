-- migrate:up

-- What a run may cost in addition to `cost_amount`, if its provider charges for the calls whose charge it has not told.
alter table runs add column cost_unknown numeric not null default 0;

-- migrate:down
alter table runs drop column cost_unknown;
