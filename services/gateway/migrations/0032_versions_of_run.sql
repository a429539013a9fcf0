-- migrate:up transaction:false
-- What a run made: the review metrics ask for each generated video of a period.
create index concurrently if not exists versions_run on versions (run_id);

-- migrate:down
drop index versions_run;
