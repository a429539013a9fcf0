-- migrate:up

-- When the film was first downloaded, or its timeline exported.
alter table compilations add column handed_over_at timestamptz;

-- migrate:down
alter table compilations drop column handed_over_at;
