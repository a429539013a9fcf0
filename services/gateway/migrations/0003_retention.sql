-- migrate:up

alter table imports add column upload_id uuid;       -- the upload that an imported film is split from

-- For the queries of retention.
create index versions_closing on versions (closed_at) where retired_at is null and closed_at is not null;
create index runs_input on runs ((request #>> '{input_object,key}')) where request #>> '{input_object,key}' is not null;
create index imports_upload on imports (upload_id) where upload_id is not null;
create index uploads_key on uploads ((object ->> 'key'));

-- migrate:down
drop index uploads_key, imports_upload, runs_input, versions_closing;
alter table imports drop column upload_id;
