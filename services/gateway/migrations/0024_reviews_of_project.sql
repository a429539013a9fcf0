-- migrate:up transaction:false
-- A project's reviews by their ids, as its pages list them.
create index concurrently if not exists reviews_of_project on reviews (project_id, review_id);

-- migrate:down
drop index reviews_of_project;
