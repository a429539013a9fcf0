-- migrate:up

-- The segments that a batch has left, by number, as its last message named them.
alter table batches add column failed_segments integer[] not null default '{}';

-- migrate:down
alter table batches drop column failed_segments;
