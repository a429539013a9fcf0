-- migrate:up

-- A call that ended, that its provider may charge for, and whose charge it has not told. Counts as `reserved`.
alter table provider_calls add column charge_unknown boolean not null default false;

-- What is not known of a run's cost: the number of its calls, their price, and why (a code of the catalogue of messages).
alter table runs add column unknown_calls integer not null default 0,
                 add column unknown_at_most numeric not null default 0,
                 add column unknown_reason text;

-- migrate:down
alter table runs drop column unknown_calls, drop column unknown_at_most, drop column unknown_reason;
alter table provider_calls drop column charge_unknown;
