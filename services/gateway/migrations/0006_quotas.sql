-- migrate:up

-- What a user has asked for lately, over all projects.
create index runs_asked on runs ((actor ->> 'user_id'), created_at desc) where source = 'generate';

-- migrate:down
drop index runs_asked;
