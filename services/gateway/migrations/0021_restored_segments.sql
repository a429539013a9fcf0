-- migrate:up

-- Where a deleted segment was, so that it can be restored there.
alter table segments add column deleted_number integer;

-- migrate:down
alter table segments drop column deleted_number;
