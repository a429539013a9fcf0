-- migrate:up transaction:false
-- A project's runs by their ids, as its pages list them.
create index concurrently if not exists runs_of_project on runs (project_id, run_id);

-- migrate:down
drop index runs_of_project;
